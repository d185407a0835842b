// Package web carries the built console as an embedded file system, so that the server binary needs no files beside it.
package web

import "embed"

// Dist holds the files that `make web` built, below "dist/".
// It holds only a placeholder when the console was not built; the console handler then says how to build it.
//
//go:embed all:dist
var Dist embed.FS
