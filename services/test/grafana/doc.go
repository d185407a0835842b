// Package grafana replays the requests that Grafana's data sources make against a real server, since Grafana itself cannot be run in
// these tests. Each data source has a file in testdata with its requests and what must be in the answers; a new file is a new test. It
// has tests only.
package grafana
