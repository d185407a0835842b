//go:build linux || darwin

package engine

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"
)

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTwoEnginesShareOneTable(t *testing.T) {
	ports := []int{freePort(t), freePort(t)}
	c := &Cluster{Name: "shards", Secret: "for the test"}
	for _, p := range ports {
		c.Shards = append(c.Shards, net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
	}
	var nodes []*running
	for i, p := range ports {
		e := startEngine(t, Config{Dir: filepath.Join(t.TempDir(), "engine", strconv.Itoa(i)), TCPPort: p, Cluster: c})
		mustQuery(t, e.Engine, RoleMigrator, "CREATE TABLE faultline.local (v UInt32) ENGINE = MergeTree ORDER BY v")
		mustQuery(t, e.Engine, RoleMigrator, "CREATE TABLE faultline.spread AS faultline.local ENGINE = Distributed('shards', 'faultline', 'local', v)")
		nodes = append(nodes, e)
	}
	mustQuery(t, nodes[0].Engine, RoleWriter, "INSERT INTO faultline.spread SELECT number FROM numbers(1000) SETTINGS distributed_foreground_insert = 1")
	for i, e := range nodes {
		if got := mustQuery(t, e.Engine, RoleReader, "SELECT count() FROM faultline.local"); got != "500" {
			t.Errorf("engine %d holds %s rows, want half of 1000", i, got)
		}
		if got := mustQuery(t, e.Engine, RoleReader, "SELECT count() FROM faultline.spread"); got != "1000" {
			t.Errorf("engine %d sees %s rows of all, want 1000", i, got)
		}
	}
}
