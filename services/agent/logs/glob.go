package logs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// maxWalkEntries and maxWalkDepth bound the search of one pattern with **.
	maxWalkEntries = 20000
	maxWalkDepth   = 10
)

// Match says whether name matches the pattern: * and ? as in a shell, and ** for any number of folders, also none. Both use slashes.
func Match(pattern, name string) bool {
	return matchParts(strings.Split(pattern, "/"), strings.Split(name, "/"))
}

func matchParts(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(name) + 1 {
				if matchParts(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}

// expand returns the regular files below root that match pattern, an absolute path as the host sees it.
func expand(root, pattern string) []string {
	if !strings.Contains(pattern, "**") {
		matches, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			return nil
		}
		return matches
	}
	fixed, _, _ := strings.Cut(pattern, "*")
	base := filepath.Join(root, filepath.FromSlash(fixed[:strings.LastIndexByte(fixed, '/')+1]))
	full := filepath.ToSlash(filepath.Join(root, filepath.FromSlash(pattern)))
	var out []string
	seen := 0
	depth := strings.Count(filepath.ToSlash(base), "/")
	_ = filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // a folder that may not be read has nothing for us
		}
		if seen++; seen > maxWalkEntries {
			return filepath.SkipAll
		}
		slashed := filepath.ToSlash(p)
		if d.IsDir() {
			if strings.Count(slashed, "/")-depth > maxWalkDepth {
				return filepath.SkipDir
			}
			return nil
		}
		if Match(full, slashed) {
			out = append(out, p)
		}
		return nil
	})
	return out
}

// hostPath returns the path as the host sees it.
func hostPath(root, p string) string {
	if root == "" || root == "/" {
		return filepath.ToSlash(p)
	}
	rel, err := filepath.Rel(root, p)
	if err != nil {
		return filepath.ToSlash(p)
	}
	return "/" + filepath.ToSlash(rel)
}

// excluded says whether one of the patterns matches the path or, for patterns without a slash, its last part.
func excluded(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if !strings.Contains(p, "/") {
			ok, err := path.Match(p, path.Base(name))
			return err == nil && ok
		}
		return Match(p, name)
	})
}

// isRegular reports whether p is a file that can be followed, and its size and times.
func isRegular(p string) (fs.FileInfo, bool) {
	fi, err := os.Stat(p)
	return fi, err == nil && fi.Mode().IsRegular()
}
