//go:build linux

package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
)

// Get asks the API as admin and returns status and body.
func (s *Server) Get(t *testing.T, path string) (int, []byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", s.Password(t))
	client, err := s.client()
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// JSON asks the API as admin and decodes the answer into v; the error says what was wrong.
func (s *Server) JSON(t *testing.T, path string, v any) error {
	t.Helper()
	status, b, err := s.Get(t, path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s answers %d: %.300s", path, status, b)
	}
	return json.Unmarshal(b, v)
}

// PromQL returns the value of a query that gives one number now, and 0 when it gives nothing.
func (s *Server) PromQL(t *testing.T, query string) (float64, error) {
	t.Helper()
	var a struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := s.JSON(t, "/api/v1/query?query="+url.QueryEscape(query), &a); err != nil {
		return 0, err
	}
	if len(a.Data.Result) == 0 {
		return 0, nil
	}
	text, _ := a.Data.Result[0].Value[1].(string)
	return strconv.ParseFloat(text, 64)
}

// Ledger is what the API says about what arrived and what became of it.
type Ledger struct {
	Balanced bool          `json:"balanced"`
	Items    []LedgerEntry `json:"items"`
}

// LedgerEntry is one sender and signal in the ledger.
type LedgerEntry struct {
	Source     string  `json:"source"`
	Protocol   string  `json:"protocol"`
	Signal     string  `json:"signal"`
	Sent       *uint64 `json:"sent"`
	Accepted   uint64  `json:"accepted"`
	Stored     uint64  `json:"stored"`
	DeadLetter uint64  `json:"dead_letter"`
	InStream   uint64  `json:"in_stream"`
}

// Settled waits until nothing is under way any more and the ledger balances, and returns it.
func (s *Server) Settled(t *testing.T) Ledger {
	t.Helper()
	var l Ledger
	Eventually(t, "the ledger balances with nothing under way", func() (bool, string) {
		l = Ledger{}
		if err := s.JSON(t, "/api/v1/ledger", &l); err != nil {
			return false, err.Error()
		}
		var under uint64
		for _, e := range l.Items {
			under += e.InStream
		}
		return l.Balanced && under == 0 && len(l.Items) > 0, fmt.Sprintf("%+v", l)
	})
	return l
}

// Of returns the sum of the entries of a signal, of one protocol or, with "", of all.
func (l Ledger) Of(protocol, signal string) LedgerEntry {
	sum := LedgerEntry{Protocol: protocol, Signal: signal}
	for _, e := range l.Items {
		if (protocol == "" || e.Protocol == protocol) && e.Signal == signal {
			sum.Accepted, sum.Stored, sum.DeadLetter = sum.Accepted+e.Accepted, sum.Stored+e.Stored, sum.DeadLetter+e.DeadLetter
		}
	}
	return sum
}

// SQL runs a statement in the engine itself, under the role that may see everything, and returns the answer as lines of fields.
func (s *Server) SQL(t *testing.T, query string) ([][]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	addr := "http://127.0.0.1:" + s.enginePort(t, "--http-port=") + "/?database=" + engine.Database
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, addr, strings.NewReader(query+" FORMAT TSV"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-ClickHouse-User", engine.RoleMigrator)
	req.Header.Set("X-ClickHouse-Key", s.enginePassword(t))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the engine answers %d: %.300s", resp.StatusCode, b)
	}
	var rows [][]string
	for line := range strings.Lines(string(b)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows, nil
}

// Numbers runs a statement that gives one row of whole numbers.
func (s *Server) Numbers(t *testing.T, query string) []uint64 {
	t.Helper()
	rows, err := s.SQL(t, query)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%s: %v, %d rows", query, err, len(rows))
	}
	out := make([]uint64, len(rows[0]))
	for i, f := range rows[0] {
		if out[i], err = strconv.ParseUint(f, 10, 64); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	return out
}

// Pack packs all samples that are in the store, also those of the ten minutes that are not over yet, as upkeep does later.
func (s *Server) Pack(t *testing.T) clickhouse.PackStats {
	t.Helper()
	dsn := url.URL{
		Scheme: "clickhouse", User: url.UserPassword(engine.RoleMigrator, s.enginePassword(t)),
		Host: "127.0.0.1:" + s.enginePort(t, "--tcp-port="), Path: "/" + engine.Database,
	}
	db, err := clickhouse.Open(clickhouse.Options{DSN: dsn.String()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	st, err := db.Pack(t.Context(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatalf("pack: %v", err)
	}
	return st
}

// enginePort returns a port from the command line of the engine.
func (s *Server) enginePort(t *testing.T, flag string) string {
	t.Helper()
	for _, a := range arguments(s.EnginePID(t)) {
		if port, ok := strings.CutPrefix(a, flag); ok {
			return port
		}
	}
	t.Fatalf("the engine has no %s", flag)
	return ""
}

// enginePassword returns the password of the migrator.
func (s *Server) enginePassword(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.DataDir, "engine", "users.json"))
	if err != nil {
		t.Fatal(err)
	}
	var users map[string]string
	if err := json.Unmarshal(b, &users); err != nil {
		t.Fatal(err)
	}
	return users[engine.RoleMigrator]
}
