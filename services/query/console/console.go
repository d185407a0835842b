// Package console serves the built web console from a file system: files with a hash in their name forever, the page itself never from
// a cache, compressed siblings to those who take them, and the page for every address that the console itself routes.
package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// missing is the page of a server that was built without the console. Its style needs no script and no outside file.
const missing = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Faultline</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem}code{background:#8882;padding:.1em .3em;border-radius:3px}</style>
<h1>The console is not built</h1>
<p>This server runs, and its API answers under <code>/api/v1</code>, but the binary was built without the web console.</p>
<p>Run <code>make web build</code> in the repository (Node 20.19 or later with npm), then start the server again. <code>make run</code> does all of it.</p>
</html>
`

// Handler serves the console. It is safe for concurrent use.
type Handler struct {
	files fs.FS
	index []byte
	etag  string
}

// New returns a handler over dist: the folder with index.html, or one that has it below "dist". Errors: what reading index.html says,
// unless it is just not there.
func New(dist fs.FS) (*Handler, error) {
	if dist == nil {
		return &Handler{}, nil
	}
	if sub, err := fs.Sub(dist, "dist"); err == nil {
		if _, err := fs.Stat(sub, "."); err == nil {
			dist = sub
		}
	}
	index, err := fs.ReadFile(dist, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		return &Handler{files: dist}, nil
	}
	if err != nil {
		return nil, errs.New(errs.Internal, "read the console's index.html: %w", err)
	}
	sum := sha256.Sum256(index)
	return &Handler{files: dist, index: index, etag: `"` + hex.EncodeToString(sum[:8]) + `"`}, nil
}

// ServeHTTP answers GET and HEAD.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name != "" && name != "index.html" && h.file(w, r, name) {
		return
	}
	if strings.HasPrefix(name, "assets/") || (name != "" && strings.HasPrefix(path.Base(name), ".")) {
		// A file that is not there is an error; the page instead would be taken for the file. Elsewhere a dot means nothing: it may be
		// in the name of a host.
		http.NotFound(w, r)
		return
	}
	h.page(w, r)
}

func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if h.index == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		if r.Method != http.MethodHead {
			_, _ = w.Write([]byte(missing))
		}
		return
	}
	w.Header().Set("ETag", h.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(h.index))
}

// file serves a file of the build and reports whether there is one.
func (h *Handler) file(w http.ResponseWriter, r *http.Request, name string) bool {
	if h.files == nil || !fs.ValidPath(name) || strings.HasSuffix(name, ".gz") || strings.HasPrefix(path.Base(name), ".") {
		return false
	}
	body, err := fs.ReadFile(h.files, name)
	if err != nil {
		return false
	}
	header := w.Header()
	ctype := mime.TypeByExtension(path.Ext(name))
	if ctype == "" {
		ctype = http.DetectContentType(body)
	}
	header.Set("Content-Type", ctype)
	header.Set("Cache-Control", cacheControl(name))
	header.Add("Vary", "Accept-Encoding")
	if packed, err := fs.ReadFile(h.files, name+".gz"); err == nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", strconv.Itoa(len(packed)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(packed)
		}
		return true
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return true
}

// cacheControl lets files of the assets folder stay for good: the build puts a hash of their content into their names.
func cacheControl(name string) string {
	if strings.HasPrefix(name, "assets/") || (name != "" && strings.HasPrefix(path.Base(name), ".")) {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if (coding == "gzip" || coding == "*") && strings.ReplaceAll(params, " ", "") != "q=0" {
			return true
		}
	}
	return false
}
