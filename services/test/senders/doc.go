// Package senders sends to a real server with the programs that people have: rsyslog, syslog-ng, logger, systemd-journal-upload, Prometheus,
// vmagent, vmalert, collectd, telemetrygen, curl, amtool; and looks at every field of what arrived. A program that is not installed skips its
// test by name; deploy/ci/senders.sh unpacks all of them for `make test`, and then none may be missing. It has tests only.
package senders
