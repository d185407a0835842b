package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"dist/index.html":            file("<title>console</title>"),
		"dist/assets/app-1a2b.js":    file("plain"),
		"dist/assets/app-1a2b.js.gz": file("packed"),
		"dist/favicon.svg":           file("<svg/>"),
		"dist/.gitkeep":              file(""),
	}
}

func get(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFilesAndPage(t *testing.T) {
	h, err := New(built())
	if err != nil {
		t.Fatal(err)
	}
	f := func(path string, status int, body, cache string) {
		t.Helper()
		w := get(t, h, path)
		if w.Code != status || !strings.Contains(w.Body.String(), body) || (cache != "" && w.Header().Get("Cache-Control") != cache) {
			t.Errorf("%s: %d %q %q, want %d %q %q", path, w.Code, w.Body, w.Header().Get("Cache-Control"), status, body, cache)
		}
	}
	const forever = "public, max-age=31536000, immutable"
	f("/", 200, "console", "no-cache")
	f("/index.html", 200, "console", "no-cache")
	f("/hosts/web-1.example.net", 200, "console", "no-cache")
	f("/hosts/abc?x=1", 200, "console", "no-cache")
	f("/assets/app-1a2b.js", 200, "plain", forever)
	f("/favicon.svg", 200, "<svg/>", "no-cache")
	f("/assets/app-old.js", 404, "", "")
	f("/assets/app-1a2b.js.gz", 404, "", "")
	f("/.gitkeep", 404, "", "")
	f("/../../etc/passwd", 200, "console", "")
}

func TestCompressedSibling(t *testing.T) {
	h, err := New(built())
	if err != nil {
		t.Fatal(err)
	}
	w := get(t, h, "/assets/app-1a2b.js", "Accept-Encoding", "br, gzip")
	if w.Body.String() != "packed" || w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Content-Type"), "javascript") {
		t.Errorf("%q %v", w.Body, w.Header())
	}
	if w := get(t, h, "/assets/app-1a2b.js", "Accept-Encoding", "gzip;q=0"); w.Body.String() != "plain" {
		t.Errorf("gzip was refused and sent: %q", w.Body)
	}
}

func TestPageIsRevalidated(t *testing.T) {
	h, err := New(built())
	if err != nil {
		t.Fatal(err)
	}
	etag := get(t, h, "/").Header().Get("ETag")
	if w := get(t, h, "/", "If-None-Match", etag); etag == "" || w.Code != http.StatusNotModified {
		t.Errorf("etag %q: status %d", etag, w.Code)
	}
}

func TestNotBuilt(t *testing.T) {
	h, err := New(fstest.MapFS{"dist/.gitkeep": {}})
	if err != nil {
		t.Fatal(err)
	}
	w := get(t, h, "/hosts")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make web build") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}
