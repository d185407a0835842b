// Package promwrite turns Prometheus remote write requests, versions 1 and 2, into metric batches: samples, staleness markers,
// native histograms, exemplars and metadata. It reads the messages in place; a sample of a known series costs no allocation.
//
// VictoriaMetrics' parser was not taken: it explodes native histograms into buckets, drops exemplars, and copies every label into
// a slice first, while the identity of a series can be hashed from the request's own bytes.
package promwrite
