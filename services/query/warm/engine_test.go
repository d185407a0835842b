package warm

import (
	"testing"

	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }
