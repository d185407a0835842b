package quality

import (
	"strconv"

	"github.com/faultline-io/faultline/services/model"
)

// Renamer hides names: the same name gets the same hash, and nothing of it can be read. The zero value leaves names as they are.
type Renamer struct {
	// Salt is empty for none.
	Salt string
	// ShiftMS is added to all times.
	ShiftMS int64
}

// NewRenamer returns one that renames when rename is set, with times shifted by 400 days and some hours, so that days of the week and hours of
// the day differ too.
func NewRenamer(rename bool) Renamer {
	if !rename {
		return Renamer{}
	}
	return Renamer{Salt: "faultline", ShiftMS: (400*24 + 5) * 3_600_000}
}

// Name returns the name to use. Empty stays empty.
func (r Renamer) Name(s string) string {
	if r.Salt == "" || s == "" {
		return s
	}
	return "n" + strconv.FormatUint(model.Hash64(r.Salt+s), 36)
}

// Time returns the time to use.
func (r Renamer) Time(ms int64) int64 { return ms + r.ShiftMS }
