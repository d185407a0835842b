package sqlapi

import (
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestStatementPasses(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got, err := Statement(in)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
	f("SELECT 1;", "SELECT 1")
	f(" select 'it''s -- no comment', 'a\\'b' -- a comment; file('x')\n FROM logs # more", "select 'it''s -- no comment', 'a\\'b'  \n FROM logs")
	f("SELECT /* file( */ attributes['file'], \"Ünïcode\", 'file' FROM spans", "SELECT   attributes['file'], \"Ünïcode\", 'file' FROM spans")
	f("(SELECT 1) UNION ALL (SELECT 2)", "(SELECT 1) UNION ALL (SELECT 2)")
	f("WITH 1 AS url SELECT url, cluster FROM numbers(3)", "WITH 1 AS url SELECT url, cluster FROM numbers(3)")
	f("EXPLAIN indexes = 1 SELECT 1", "EXPLAIN indexes = 1 SELECT 1")
	f("SHOW TABLES", "SHOW TABLES")
	f("SELECT 1 - -1, 2 / 3", "SELECT 1 - -1, 2 / 3")
}

func TestStatementRefuses(t *testing.T) {
	f := func(in string, kind errs.Kind) {
		t.Helper()
		if out, err := Statement(in); errs.KindOf(err) != kind {
			t.Errorf("%s: %q, %v; want %s", in, out, err, kind)
		}
	}
	for _, s := range []string{
		"SELECT file('/etc/passwd')", "SELECT `file` ('x')", "SELECT \"FILE\"('x')", "SELECT arrayMap(file, ['x'])", "SELECT * APPLY(file) FROM logs",
		"SELECT /* */file/* */('x')", "SELECT 1file", "SELECT '-- ' || file('x')", "SELECT 'a\\'', file('x')", "SELECT 'a''', file('x')", "SELECT '\\\\', file('x')",
		"SELECT * FROM mergeTreeIndex('faultline', 'logs')", "SELECT * FROM \"mergeTreeIndex\" ('faultline', 'logs')", "SELECT * FROM url ('http://x')",
		"SELECT * FROM system.tables", "SELECT * FROM system . tables", "SELECT * FROM `system`/**/.tables", "SELECT * FROM INFORMATION_SCHEMA.tables",
		"INSERT INTO logs VALUES (1)", "SET readonly = 0", "KILL QUERY WHERE 1", "SYSTEM FLUSH LOGS", "SHOW PROCESSLIST", "DROP TABLE logs", "EXPLAIN ESTIMATE SELECT 1",
		"'SELECT'", "SELECT sleep(3)", "USE system",
	} {
		f(s, errs.Forbidden)
	}
	for _, s := range []string{
		"", " -- nothing", "SELECT 1; SELECT 2", "SELECT 1;;", "SELECT “file”('x')", "SELECT $$x$$", "SELECT \"fi\\x6ce\"('x')", "SELECT 'open", "SELECT \"open",
		"SELECT \\ 1", "SELECT 'a\x00b'", "SELECT \u00a0 1", "SELECT " + strings.Repeat("1+", maxStatement) + "1",
	} {
		f(s, errs.Invalid)
	}
}

// FuzzStatement holds that what passes is stable (reading it again changes nothing, so nothing in it is a comment any more) and has
// none of the words that it must not have.
func FuzzStatement(f *testing.F) {
	for _, s := range []string{"SELECT 1", "SELECT 'a''b\\'c' -- x\n, `q`", "select /*x*/ \"a\"\"b\";", "SELECT 1//x\n/1", "SELECT a--\n-b", "SELECT file", "SELECT 1 # x", "SELECT -/**/- 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := Statement(in)
		if err != nil {
			return
		}
		again, err := Statement(out)
		if err != nil || again != out {
			t.Fatalf("%q became %q, then %q, %v", in, out, again, err)
		}
		s := scanner{text: out}
		if err := s.scan(); err != nil {
			t.Fatal(err)
		}
		for _, tok := range s.tokens {
			if tok.kind == wordToken && refusedWords[tok.text] {
				t.Fatalf("%q has the word %s", out, tok.text)
			}
		}
	})
}
