//go:build unix

package logs

import (
	"io/fs"
	"syscall"
)

// identify returns the device and inode of a file, and whether it still has a name.
func identify(_ string, fi fs.FileInfo) (id fileID, linked bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, true
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, st.Nlink > 0
}
