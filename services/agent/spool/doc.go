// Package spool keeps batches on disk, in order, until they were delivered: segment files of records with a checksum each, a bound,
// and numbers that never repeat.
//
// What holds when the process is killed at any moment: a batch that Append returned for is still there; a number that may have
// reached the receiver is never given to other content; and the marks (positions in log files and the like) are those of exactly the
// batches that are or were in the spool, because a mark is written inside the record of its batch.
//
// Every record is flushed to the disk (fsync) before Append returns, so the same holds for a power failure on a disk that honours
// flushes. An agent appends a few records a second at most, which makes this affordable. Acknowledgements are not flushed: one that
// is lost means that a batch is sent once more under its own number, which the receiver knows.
//
// The format is described in docs/formats/agent-spool.md. A Spool is safe for concurrent use by one appender and one sender.
package spool
