package sqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse/chtest"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// limit is how long a test waits, long enough for a busy machine.
const limit = 60 * time.Second

type server struct {
	*httptest.Server
	db   chtest.Databases
	sql  *clickhouse.SQL
	gate *limits.Gate
}

// serve returns the operations over a real engine with rows of tenants 1 and 2; the header Tenant says who asks.
func serve(t *testing.T, timeout time.Duration) *server {
	t.Helper()
	s := &server{db: chtest.Start(t), gate: limits.NewGate(limits.Config{Timeout: timeout})}
	for _, statement := range []string{
		"INSERT INTO series VALUES (1,1,1,'up',{'job':'mine'},1,now(),now()), (2,1,2,'up',{'job':'secret'},1,now(),now())",
		"INSERT INTO samples_recent VALUES (1,1,1,now64(),1.5,false,now()), (2,1,2,now64(),2.5,false,now())",
		"INSERT INTO entities VALUES (1,'host','mine','mine',now(),now()), (2,'host','secret','secret',now(),now())",
		"INSERT INTO logs (tenant_id, ts, service, severity, body, trace_id) VALUES (1, now64(9), 'web', 17, 'mine', 'aaaaaaaaaaaaaaaa'), (2, now64(9), 'secret', 9, 'secret', '')",
		"INSERT INTO spans (tenant_id, ts, trace_id, span_id, service, name, kind, duration_ns) VALUES (1, now64(9), 'aaaaaaaaaaaaaaaa', 'bbbbbbbb', 'web', 'GET', 2, 1500000), (2, now64(9), 'cccccccccccccccc', 'dddddddd', 'secret', 'secret', 2, 1)",
	} {
		if err := s.db.Admin.Conn().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.sql, err = clickhouse.OpenSQL(s.db.SQLURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.sql.Close() })
	gin.SetMode(gin.TestMode)
	problem.Install()
	router := gin.New()
	router.Use(func(c *gin.Context) {
		tenant := model.TenantID(1)
		if c.GetHeader("Tenant") == "2" {
			tenant = 2
		}
		c.Request = c.Request.WithContext(reqctx.WithIdentity(c.Request.Context(), reqctx.Identity{Tenant: tenant}))
	})
	api := humagin.New(router, huma.DefaultConfig("test", "1"))
	api.UseMiddleware(s.gate.Huma)
	Register(api, Deps{SQL: s.sql})
	s.Server = httptest.NewServer(router)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ask(t *testing.T, statement, query string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/v1/sql?"+query, strings.NewReader(statement))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, string(b) + " BROKEN " + err.Error()
	}
	return resp, string(b)
}

func TestFormats(t *testing.T) {
	s := serve(t, limit)
	f := func(query, accept, media, want string) {
		t.Helper()
		resp, body := s.ask(t, "SELECT name, labels['job'] AS job, 1 AS n FROM series", query, "Accept", accept)
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), media) || !strings.Contains(body, want) {
			t.Errorf("%s %s: %s %s\n%q", query, accept, resp.Status, resp.Header.Get("Content-Type"), body)
		}
	}
	f("", "", "application/json", `["up", "mine", 1]`)
	f("", "*/*", "application/json", `["up", "mine", 1]`)
	f("format=json_objects", "", "application/json", `"job": "mine"`)
	f("format=ndjson", "", "application/x-ndjson", `{"name":"up","job":"mine","n":1}`+"\n")
	f("format=csv", "application/json", "text/csv", "\"name\",\"job\",\"n\"\n\"up\",\"mine\",1\n")
	f("", "text/html, text/csv;q=0.5", "text/csv", "\"up\",\"mine\",1\n")
	f("format=tsv", "", "text/tab-separated-values", "up\tmine\t1\n")
	f("format=parquet", "", "application/vnd.apache.parquet", "PAR1")
	f("", "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream", "mine")
	f("format=pretty", "", "text/plain", "mine")
	if resp, body := s.ask(t, "SELECT '<script>' FORMAT TSVRaw", ""); resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("FORMAT: %s %s %s", resp.Status, resp.Header.Get("Content-Type"), body)
	}
	if resp, body := s.ask(t, `{"query":"SELECT 7 AS x","format":"csv"}`, "", "Content-Type", "application/json"); resp.StatusCode != 200 || body != "\"x\"\n7\n" {
		t.Errorf("JSON body: %s %q", resp.Status, body)
	}
	resp, err := http.Get(s.URL + "/api/v1/sql?format=csv&query=" + url.QueryEscape("SELECT 7 AS x"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != "\"x\"\n7\n" {
		t.Errorf("GET: %s %q", resp.Status, b)
	}
	if resp, _ := s.ask(t, "SELECT 1", "format=xml"); resp.StatusCode/100 != 4 {
		t.Errorf("format=xml: %s", resp.Status)
	}
}

func TestViewsForPeople(t *testing.T) {
	s := serve(t, limit)
	f := func(statement, want string) {
		t.Helper()
		if resp, body := s.ask(t, statement, "format=tsv"); resp.StatusCode != 200 || !strings.HasSuffix(strings.TrimSpace(body), want) {
			t.Errorf("%s: %s %q, want %q", statement, resp.Status, body, want)
		}
	}
	f("SELECT labels['job'], value FROM sql_metric(metric = 'up') WHERE ts > now() - INTERVAL 1 HOUR", "mine\t1.5")
	f("SELECT trace_id, parent_span_id, kind, status, duration_ms FROM sql_spans", "61616161616161616161616161616161\t\tserver\tunset\t1.5")
	f("SELECT level, body, trace_id FROM sql_logs", "error\tmine\t61616161616161616161616161616161")
	f("SELECT count() FROM samples", "1")
}

// TestTenantsStayApart tries to see the rows of tenant 2 as tenant 1. The texts that Statement refuses are tried on the engine itself
// as well, since its rights must hold without it.
func TestTenantsStayApart(t *testing.T) {
	s := serve(t, limit)
	raw, err := os.ReadFile(filepath.Join("testdata", "attacks.sql"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(raw)) {
		attack := strings.TrimSpace(line)
		if attack == "" || strings.HasPrefix(attack, "--") {
			continue
		}
		n++
		_, body := s.ask(t, attack, "format=tsv")
		if strings.Contains(body, "secret") || strings.Contains(body, "root:") || strings.Contains(body, "cccccccc") {
			t.Errorf("%s\n  gives %.300q", attack, body)
		}
		a, err := s.sql.Run(t.Context(), 1, attack, "TSV")
		if err != nil {
			continue
		}
		direct, _ := io.ReadAll(io.LimitReader(a.Body, 1<<20))
		_ = a.Body.Close()
		if strings.Contains(string(direct), "secret") && !strings.Contains(strings.ToLower(attack), "mergetree") {
			t.Errorf("%s\n  gives the engine's rights past %.300q", attack, direct)
		}
	}
	if n < 60 {
		t.Errorf("only %d attacks", n)
	}
	// The other tenant does see its own, so the rows were there to be found.
	for _, table := range append(slices.Clone([]string{"series", "entities", "logs", "spans"}), "sql_logs", "sql_spans") {
		if _, body := s.ask(t, "SELECT * FROM "+table, "", "Tenant", "2"); !strings.Contains(body, "secret") {
			t.Errorf("tenant 2 does not see its own %s: %s", table, body)
		}
	}
}

// TestEveryFunctionWasLookedAt fails when the engine has a function that was not there when the lists in statement.go were made.
func TestEveryFunctionWasLookedAt(t *testing.T) {
	s := serve(t, limit)
	names := func(statement string) []string {
		var out []string
		rows, err := s.db.Admin.Conn().Query(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			out = append(out, name)
		}
		return out
	}
	for _, name := range names("SELECT name FROM system.table_functions ORDER BY name") {
		if low := strings.ToLower(name); low != "file" && !allowedTables[low] && !refusedTables[low] {
			t.Errorf("table function %s is neither allowed nor refused in statement.go", name)
		}
	}
	got := strings.Join(names(`SELECT name FROM system.functions
WHERE NOT is_aggregate AND categories IN ('Other', 'AI', 'Introspection', 'Machine Learning', 'Internal', 'Dictionary', 'Embedded Dictionary', 'Null', '') ORDER BY name`), "\n") + "\n"
	path := filepath.Join("testdata", "functions.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the engine has other functions than %s lists: look at what is new, add what reaches past tables to refusedWords, and run with UPDATE=1\n%s", path, got)
	}
}

func TestLimits(t *testing.T) {
	s := serve(t, limit)
	f := func(statement string, status int, want string) {
		t.Helper()
		resp, body := s.ask(t, statement, "format=csv")
		if resp.StatusCode != status || !strings.Contains(body, want) {
			t.Errorf("%s: %s %.300q, want %d with %q", statement, resp.Status, body, status, want)
		}
	}
	f("SELECT sum(number) FROM numbers(1000000000000)", 429, "max_rows_to_read")
	f("SELECT length(repeat('x', 1000000000))", 429, "memory")
	f("SELECT length(arrayMap(x -> repeat('a', 1000000), range(100000)))", 429, "memory")
	f("SELECT nothing FROM logs", 400, "nothing")
	f("SELECT * FROM nowhere", 400, "nowhere")
	f("SELECT name FROM series SETTINGS log_comment = '2'", 403, "log_comment")
	f("SELECT 1; SELECT 2", 400, "semicolon")
	f(";", 400, "empty")
	// More than the engine holds back: the status is sent before the limit is met, so the answer must break.
	if resp, body := s.ask(t, "SELECT number FROM numbers(20000000)", "format=csv"); resp.StatusCode != 200 || !strings.Contains(body, "BROKEN") {
		t.Errorf("too long an answer ended as if it were whole: %s, %d bytes", resp.Status, len(body))
	}
}

// TestCancelReachesTheEngine hangs up and looks whether the engine goes on.
func TestCancelReachesTheEngine(t *testing.T) {
	s := serve(t, limit)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v1/sql", strings.NewReader("SELECT sum(cityHash64(number, repeat('x', 100))) FROM numbers(1900000000)"))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			resp, err := s.Client().Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			done <- err
		}()
		s.running(t, 1)
		cancel()
		if err := <-done; err == nil {
			t.Error("the cancelled question was answered")
		}
		s.running(t, 0)
	}
	if n := s.gate.InUse(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// TestTimeLimitEndsAStatement asks for more than the gate's time allows.
func TestTimeLimitEndsAStatement(t *testing.T) {
	s := serve(t, 2*time.Second)
	resp, body := s.ask(t, "SELECT sum(cityHash64(number, repeat('x', 100))) FROM numbers(1900000000)", "")
	if resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("%s %s", resp.Status, body)
	}
	s.running(t, 0)
}

// TestSlowReaderIsCutOff asks for much and reads nothing.
func TestSlowReaderIsCutOff(t *testing.T) {
	s := serve(t, 3*time.Second)
	resp, err := http.Get(s.URL + "/api/v1/sql?format=csv&query=" + url.QueryEscape("SELECT number, repeat('x', 1000) FROM numbers(5000000)"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s.running(t, 1)
	s.running(t, 0)
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("the answer ended as if it were whole after %d bytes", n)
	}
}

// running waits until the engine works on n statements of people.
func (s *server) running(t *testing.T, n uint64) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var got uint64
		if err := s.db.Admin.Conn().QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE user = 'sql'").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got == n {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%d statements run, want %d", got, n)
		case <-tick.C:
		}
	}
}

func TestSchema(t *testing.T) {
	s := serve(t, limit)
	resp, err := http.Get(s.URL + "/api/v1/sql/schema")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var buf bytes.Buffer
	var schema Schema
	if err := json.NewDecoder(io.TeeReader(resp.Body, &buf)).Decode(&schema); err != nil {
		t.Fatalf("%s: %v", &buf, err)
	}
	var tables []string
	for _, table := range schema.Tables {
		tables = append(tables, table.Name)
		if strings.HasSuffix(table.Name, "_mv") || table.Name == "schema_migrations" {
			t.Errorf("%s is shown", table.Name)
		}
		if table.Name == "spans" && (table.Comment == "" || len(table.Columns) < 20 || table.Columns[0].Name != "tenant_id" || !table.Columns[0].Sorted) {
			t.Errorf("spans: %+v", table)
		}
	}
	for _, want := range []string{"logs", "spans", "series", "samples", "sql_spans", "sql_logs"} {
		if !slices.Contains(tables, want) {
			t.Errorf("%s is missing in %v", want, fmt.Sprint(tables))
		}
	}
}
