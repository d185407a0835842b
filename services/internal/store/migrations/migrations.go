// Package migrations holds the schema of the store as SQL files that only ever go forward, and cuts them into statements.
// It runs nothing: package clickhouse does.
package migrations

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

//go:embed *.sql
var files embed.FS

// Migration is one file: its number, its name and its statements as written, with their placeholders.
type Migration struct {
	Version    int
	Name       string
	Checksum   string
	Statements []string
}

var fileName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)

// All returns every migration in order. Errors mean a badly named file or a repeated number.
func All() ([]Migration, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var out []Migration
	for _, e := range entries {
		m := fileName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("migration %q is not named NNNN_name.sql", e.Name())
		}
		b, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration %q: %w", e.Name(), err)
		}
		v, _ := strconv.Atoi(m[1])
		if len(out) > 0 && out[len(out)-1].Version >= v {
			return nil, fmt.Errorf("migration number %04d is used twice", v)
		}
		sum := sha256.Sum256(b)
		out = append(out, Migration{Version: v, Name: m[2], Checksum: hex.EncodeToString(sum[:8]), Statements: split(string(b))})
	}
	return out, nil
}

// split cuts a file at its "-- +statement" lines; what stands before the first is commentary.
func split(text string) []string {
	parts := strings.Split(text, "-- +statement\n")
	var out []string
	for _, p := range parts[1:] {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// Target says where a statement will run; the zero value is a single server.
type Target struct {
	// Cluster is the name of the ClickHouse cluster whose shards hold the data, or empty. It makes the Distributed tables.
	Cluster string
	// OnCluster runs each statement on all servers of the cluster at once, which needs its Keeper. Without it the migrations are run
	// on each server.
	OnCluster bool
	// Replicated uses the Replicated… table engines with the macros {shard} and {replica}.
	Replicated bool
}

var engineRef = regexp.MustCompile(`\{\{engine "([A-Za-z]+)(?:\(([^"]*)\))?"\}\}`)

// Render fills the placeholders of a statement.
func Render(statement string, t Target) string {
	on := ""
	if t.OnCluster {
		on = "ON CLUSTER " + t.Cluster
	}
	statement = strings.ReplaceAll(statement, "{{on_cluster}}", on)
	return engineRef.ReplaceAllStringFunc(statement, func(s string) string {
		m := engineRef.FindStringSubmatch(s)
		name, args := m[1], m[2]
		if !t.Replicated {
			return name + "(" + args + ")"
		}
		paths := "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
		if args != "" {
			paths += ", " + args
		}
		return "Replicated" + name + "(" + paths + ")"
	})
}
