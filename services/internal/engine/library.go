package engine

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// LibraryEnv names the variable with the path of the engine library.
const LibraryEnv = "FAULTLINE_ENGINE"

// libraryName is the file's name; the package ships it under this name on every platform.
const libraryName = "libchdb.so"

// installHint tells how to get the library.
const installHint = "run `make engine` in the repository, put " + libraryName + " beside the faultline binary, or name it with " +
	"--engine-path or " + LibraryEnv + "; to use a ClickHouse server of your own, set --clickhouse-url=clickhouse://user:password@host:9000/faultline"

// FindLibrary returns the path of the engine library for this machine. explicit (or the variable FAULTLINE_ENGINE) is taken as it
// is; else it is looked for beside the binary, in dirs, and, when run from a checkout, in deploy/engine/node_modules.
// The error says in one sentence what is missing or does not fit, and its hint what to do.
func FindLibrary(explicit string, dirs []string) (string, error) {
	if explicit == "" {
		explicit = os.Getenv(LibraryEnv)
	}
	if explicit != "" {
		return explicit, CheckLibrary(explicit)
	}
	var misfit error
	for _, path := range candidates(dirs) {
		err := CheckLibrary(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && misfit == nil {
			misfit = err
		}
	}
	if misfit != nil {
		return "", misfit
	}
	return "", errs.WithHint(errs.Unavailable, installHint, "the ClickHouse engine library (%s for %s/%s) was not found",
		libraryName, runtime.GOOS, runtime.GOARCH)
}

// candidates lists the places where the library may be, the most specific first.
func candidates(dirs []string) []string {
	var paths []string
	add := func(dir string) {
		paths = append(paths, filepath.Join(dir, libraryName), filepath.Join(dir, "engine", libraryName))
	}
	var roots []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		add(filepath.Dir(exe))
		roots = append(roots, filepath.Dir(exe))
	}
	for _, d := range dirs {
		add(d)
	}
	if wd, err := os.Getwd(); err == nil {
		roots = append(roots, wd)
	}
	for _, r := range roots {
		if root := checkout(r); root != "" {
			glob := filepath.Join(root, "deploy", "engine", "node_modules", "@chdb", "lib-"+npmPlatform()+"*", libraryName)
			found, _ := filepath.Glob(glob) // The only error is a bad pattern.
			paths = append(paths, found...)
		}
	}
	return paths
}

// checkout returns the root of the repository that dir is in, "" if there is none.
func checkout(dir string) string {
	for {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "engine", "package.json")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// npmPlatform is the platform in the name of the npm package.
func npmPlatform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}

// CheckLibrary reports whether the file at path is a library for this machine, without loading it: a wrong library would end the
// process, not return an error.
func CheckLibrary(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return &errs.Error{Kind: errs.Unavailable, Msg: "the ClickHouse engine library cannot be read", Hint: installHint, Err: err}
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return &errs.Error{Kind: errs.Invalid, Msg: "the ClickHouse engine library " + path + " cannot be read", Hint: installHint, Err: err}
	}
	got := platformOf(head[:n])
	want := runtime.GOOS + "/" + runtime.GOARCH
	if !strings.Contains(" "+got+" ", " "+want+" ") {
		return errs.WithHint(errs.Invalid, installHint, "the engine library %s is %s, but this machine is %s", path, got, want)
	}
	if muslOnly() {
		return errs.WithHint(errs.Invalid, "use a distribution with glibc (Debian, Ubuntu, Fedora, …), or a ClickHouse server of your own with --clickhouse-url",
			"the engine library needs glibc, and this system has musl")
	}
	return nil
}

// platformOf names the platforms of a shared library by its first bytes: ELF e_machine, or Mach-O cputype.
func platformOf(head []byte) string {
	switch {
	case len(head) >= 20 && bytes.HasPrefix(head, []byte("\x7fELF")):
		switch machine := int(head[18]) | int(head[19])<<8; machine {
		case 0x3e:
			return "linux/amd64"
		case 0xb7:
			return "linux/arm64"
		}
		return "for an unknown Linux processor"
	case len(head) >= 8 && bytes.HasPrefix(head, []byte("\xcf\xfa\xed\xfe")):
		switch head[4] {
		case 0x07:
			return "darwin/amd64"
		case 0x0c:
			return "darwin/arm64"
		}
		return "for an unknown Mac processor"
	case bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")):
		return "darwin/amd64 darwin/arm64"
	}
	return "not a shared library"
}

// muslOnly reports whether this Linux has musl and no glibc, as Alpine has.
func muslOnly() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	musl, _ := filepath.Glob("/lib/ld-musl-*")
	glibc, _ := filepath.Glob("/lib*/ld-linux-*")
	multiarch, _ := filepath.Glob("/lib/*/ld-linux-*")
	return len(musl) > 0 && len(glibc) == 0 && len(multiarch) == 0
}
