//go:build unix

package datadir

import (
	"golang.org/x/sys/unix"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Usage returns the size of the file system that holds dir, what is used of it and what this user may still write, in bytes. As df
// does, used and free leave out what is reserved for root, so they need not add up to total.
func Usage(dir string) (path string, total, used, free uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return dir, 0, 0, 0, errs.New(errs.Unavailable, "read the file system of %q: %w", dir, err)
	}
	size := uint64(st.Bsize)
	return dir, st.Blocks * size, (st.Blocks - st.Bfree) * size, st.Bavail * size, nil
}
