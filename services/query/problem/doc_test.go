package problem

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCodesAreExplained looks for every code that the query API gives in the page that problems point to.
func TestCodesAreExplained(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "api", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	given := regexp.MustCompile(`WithCode\("([a-z_]+)"`)
	found := 0
	err = filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range given.FindAllStringSubmatch(string(src), -1) {
			found++
			if !strings.Contains(string(page), `<a id="`+m[1]+`">`) {
				t.Errorf("%s gives the code %s, which docs/api/errors.md does not explain", path, m[1])
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Fatalf("%d codes found, %v", found, err)
	}
}
