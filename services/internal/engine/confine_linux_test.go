package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A user without a password and a statement without rights must not read what lies outside of the engine's own files: neither a file of
// the machine, nor one beside the data folder, nor our passwords beside the configuration. What the engine needs still works.
func TestEngineIsConfined(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "admin-password")
	if err := os.WriteFile(secret, []byte("xyzzy-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startEngine(t, Config{Dir: filepath.Join(dir, "engine")})
	c := &client{addr: r.HTTPAddr(), users: r.users}
	if strings.Contains(r.output.quote(), "not confined") {
		t.Skip("the kernel of this machine has no Landlock, so nothing is promised on it: ", r.output.quote())
	}
	link := filepath.Join(dir, "engine", "user_files", "link")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"", RoleMigrator} {
		for _, path := range []string{"/etc/passwd", secret, link, filepath.Join(dir, "engine", usersFile), "/proc/1/environ"} {
			answer, err := c.query(t.Context(), role, "SELECT file('"+path+"')")
			if err == nil {
				t.Errorf("%q as %q: %.80q", path, role, answer)
			}
		}
	}
	allowed := filepath.Join(dir, "engine", "user_files", "allowed")
	if err := os.WriteFile(allowed, []byte("readable"), 0o600); err != nil {
		t.Fatal(err)
	}
	if answer, err := c.query(t.Context(), "", "SELECT file('"+allowed+"')"); err != nil || !strings.Contains(answer, "readable") {
		t.Errorf("%q %v: if this is refused too, the test proves nothing", answer, err)
	}
	for _, sql := range []string{
		"CREATE DATABASE IF NOT EXISTS " + Database,
		"CREATE TABLE faultline.t (a UInt64, d Date) ENGINE = MergeTree ORDER BY a PARTITION BY d", "INSERT INTO faultline.t SELECT number, '2026-01-01' FROM numbers(1000)",
		"OPTIMIZE TABLE faultline.t FINAL", "RENAME TABLE faultline.t TO faultline.u", "ALTER TABLE faultline.u DETACH PARTITION '2026-01-01'", "ALTER TABLE faultline.u ATTACH PARTITION '2026-01-01'", "DROP TABLE faultline.u",
		"SELECT toDateTime('2026-07-01 12:00:00', 'Europe/Berlin')",
	} {
		if answer, err := c.query(t.Context(), RoleMigrator, sql); err != nil {
			t.Errorf("%s: %v %.200s", sql, err, answer)
		}
	}
}
