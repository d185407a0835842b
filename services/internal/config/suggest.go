package config

import (
	"iter"
	"slices"
)

// suggest returns `; did you mean X?` when one of the known names is close to the unknown one, else "".
func suggest(unknown string, known iter.Seq[string]) string {
	best, least := "", len(unknown)/3+1 // More wrong letters than a third is another word.
	for _, k := range slices.Sorted(known) {
		if d := distance(unknown, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the Levenshtein distance in bytes: how many insertions, deletions and replacements lead from a to b. O(len(a)·len(b)).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
