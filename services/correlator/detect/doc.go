// Package detect turns series into findings: which signal of which entity left its normal, since when, and how much that would surprise in
// quiet times. A Detector is the sink of an eventtime.Order: it takes samples by series in the order of event time and decides at marks.
//
// Each series is typed (counter, gauge, mean of a histogram, share, state) and judged against its own robust level and spread at two speeds, its
// time of day and week where that pays, the roughness of its past, a slow drift, limits that need no history, its peers, and its silence. Scores
// become tail probabilities by the series' own past scores, so a noisy series must be more extreme than a calm one. What opens a finding is
// decided for an entity over all its signals, with an expected number of false findings a day.
//
// It is pure: no I/O, no clock, no goroutine, no randomness, and no order of a map reaches what it returns. It does not group findings, know
// causes or read labels beyond identity. Cost: under a microsecond a sample, about 0.8 kB a series with an hour of one-minute values; see
// docs/detection.md. A Detector is not safe for use by several goroutines.
package detect
