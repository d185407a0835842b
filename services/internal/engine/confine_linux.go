package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rights of Landlock (kernel documentation, userspace-api/landlock), by what the engine does with a path.
const (
	rightsToRead = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_EXECUTE
	rightsOfFile = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	// rightsOfV2 are those that version 2 knows. Version 1 forbids to move files between folders, which the engine does all the time.
	rightsOfV2 = unix.LANDLOCK_ACCESS_FS_REFER<<1 - 1
	rightsOfV3 = rightsOfV2 | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// errUnconfined says that this kernel cannot confine a thread to paths: it is older than 5.19, or Landlock is off.
var errUnconfined = errors.New("this kernel has no Landlock, version 2 or later")

// systemPaths are what a C library and the engine read of any machine: time zones, names of hosts, facts about processors and memory.
var systemPaths = []string{
	"/proc", "/sys", "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo",
	"/etc/localtime", "/etc/timezone", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/ssl", "/etc/gai.conf",
}

// confine takes from the calling thread, and from every thread that it starts from now on, the right to any file but those named: the user
// without a password that opens the ports has SQL functions that read files, and rights of SQL do not reach them (see usersConfig). The
// caller must have locked its goroutine to the thread, for good. Paths that do not exist are left out.
func confine(writable, readable []string) error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || version < 2 {
		return errUnconfined
	}
	handled := uint64(rightsOfV2)
	if version >= 3 {
		handled = rightsOfV3
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	// Only the first field is passed: the later ones are of later versions, and an old kernel refuses what it does not know.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if errno != 0 {
		return fmt.Errorf("make a Landlock ruleset: %w", errno)
	}
	defer unix.Close(int(fd))
	for _, p := range writable {
		if err := allow(int(fd), p, handled); err != nil {
			return err
		}
	}
	for _, p := range append(readable, systemPaths...) {
		if err := allow(int(fd), p, handled&rightsToRead); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("enter the Landlock ruleset: %w", errno)
	}
	return nil
}

// allow adds a path with rights to a ruleset; a file gets those of them that a file can have.
func allow(ruleset int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %q: %w", path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("look at %q: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= rightsOfFile
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("allow %q: %w", path, errno)
	}
	return nil
}

// confineEngine confines the calling thread to what an engine needs: its data and its working folders, its configuration, and its library.
// The file with our passwords beside the configuration is not among them.
func confineEngine(library, config, data string) error {
	dir := filepath.Dir(config)
	writable := []string{data, "/dev"}
	for _, name := range workFolders {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("make %q: %w", path, err)
		}
		writable = append(writable, path)
	}
	return confine(writable, []string{config, filepath.Join(dir, "users.xml"), library})
}
