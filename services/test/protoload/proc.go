package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// proc is a process of the server under load.
type proc struct {
	name string
	pid  int
}

func parseProcs(text string) ([]proc, error) {
	var out []proc
	for item := range strings.SplitSeq(text, ",") {
		if item == "" {
			continue
		}
		name, id, ok := strings.Cut(item, "=")
		pid, err := strconv.Atoi(id)
		if !ok || err != nil {
			return nil, fmt.Errorf("-pids: %q is not name=pid", item)
		}
		out = append(out, proc{name, pid})
	}
	return out, nil
}

// clockTick is USER_HZ, which Linux has fixed at 100 for /proc.
const clockTick = 100

// cpuOf returns the CPU seconds that each process has used so far; 0 for one that is gone.
func cpuOf(procs []proc) []float64 {
	out := make([]float64, len(procs))
	for i, p := range procs {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
		if err != nil {
			continue
		}
		// The name in brackets may hold anything; what follows it has fixed places.
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		out[i] = (user + system) / clockTick
	}
	return out
}

// awaitSettled waits until nothing that was accepted waits in a stream.
func awaitSettled(url, user string) error {
	name, password, _ := strings.Cut(user, ":")
	deadline := time.Now().Add(5 * time.Minute)
	for time.Now().Before(deadline) {
		pending, err := pendingItems(url, name, password)
		if err != nil {
			return err
		}
		if pending == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s: still pending after five minutes", url)
}

func pendingItems(url, name, password string) (int, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(name, password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var ledger struct {
		Streams []struct {
			PendingMessages int `json:"pending_messages"`
		} `json:"streams"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&ledger); err != nil {
		return 0, fmt.Errorf("%s: %s: %w", url, resp.Status, err)
	}
	sum := 0
	for _, s := range ledger.Streams {
		sum += s.PendingMessages
	}
	return sum, nil
}
