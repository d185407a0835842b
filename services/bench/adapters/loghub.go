// Package adapters turns public data sets into the neutral cases of package quality. What it knows of a set stays here: nothing of it
// reaches the code that is measured. The sets are not part of this repository; docs/quality.md says where they come from.
package adapters

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/bench/quality"
)

// Loghub reads the folders of Loghub-2k (Zhu et al., "Loghub", ISSRE 2023) below dir: one case for each system, with the corrected labels
// (Khan et al., ICSE 2022) where they are there.
func Loghub(dir string) ([]quality.TemplateCase, error) {
	var files []string
	for _, suffix := range []string{"_structured_corrected.csv", "_structured_corrected.csv.gz"} {
		found, err := filepath.Glob(filepath.Join(dir, "*", "*"+suffix))
		if err != nil {
			return nil, err
		}
		deeper, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"+suffix))
		if err != nil {
			return nil, err
		}
		files = append(append(files, found...), deeper...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no */*_structured_corrected.csv[.gz]", dir)
	}
	slices.Sort(files)
	var out []quality.TemplateCase
	for _, f := range files {
		c, err := loghubFile(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		c.Name = strings.SplitN(filepath.Base(f), "_", 2)[0]
		out = append(out, c)
	}
	return out, nil
}

func loghubFile(path string) (quality.TemplateCase, error) {
	var c quality.TemplateCase
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return c, err
		}
	}
	rows := csv.NewReader(r)
	head, err := rows.Read()
	if err != nil {
		return c, err
	}
	content, event, template := slices.Index(head, "Content"), slices.Index(head, "EventId"), slices.Index(head, "EventTemplate")
	if content < 0 || event < 0 || template < 0 {
		return c, fmt.Errorf("columns Content, EventId and EventTemplate are needed, not %v", head)
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		c.Lines, c.Truth, c.Templates = append(c.Lines, row[content]), append(c.Truth, row[event]), append(c.Templates, row[template])
	}
}
