// Package suite are the quality suites of the brain: each reads a folder of labelled data through an adapter, lets the product's own code work on
// it, and reports figures with intervals. None of what an adapter knows reaches the product's code.
package suite

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Options are what a user may choose.
type Options struct {
	// Dir is the folder with the data.
	Dir string
	// Rename hides the names of services, metrics and cases behind salted hashes and shifts time: the result must stay within noise.
	Rename bool
	// NoMetadata leaves out types and units.
	NoMetadata bool
	// Only chooses cases by name or tag, separated by commas; empty for all.
	Only string
	// Details says of each case what was found, where a suite has that.
	Details bool
	// Progress takes a line now and then.
	Progress func(string)
}

// Suite is one of them.
type Suite struct {
	Name, Short string
	// Source says where the data can be had.
	Source string
	Run    func(ctx context.Context, o Options) (*Report, error)
}

// All returns the suites in the order in which they are listed.
func All() []Suite {
	return []Suite{
		scenarios(),
		templates(),
		logAnomaly(),
		anomaly(),
		rca(),
		changes(),
		alerts(),
		k8s(),
		forecasts(),
	}
}

// Report is a table of results.
type Report struct {
	Suite   string     `json:"suite"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	// Notes are what a reader must know beside the table: baselines, published figures, what was left out.
	Notes []string `json:"notes"`
	// Values are the figures by name, for scripts.
	Values map[string]float64 `json:"values"`
}

// Add appends a row; floats are written with three digits.
func (r *Report) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		switch v := c.(type) {
		case float64:
			row[i] = fmt.Sprintf("%.3f", v)
		default:
			row[i] = fmt.Sprint(v)
		}
	}
	r.Rows = append(r.Rows, row)
}

// Print writes the table for people.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(r.Columns, "\t"))
	for _, row := range r.Rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range r.Notes {
		if _, err := fmt.Fprintln(w, n); err != nil {
			return err
		}
	}
	return nil
}
