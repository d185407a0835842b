//go:build linux

package faults_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/faultline-io/faultline/services/test/rig"
)

// bulkService is the service in whose name the bulky lines are sent.
const bulkService = "bulk"

// bulkLoad sends lines that fill whatever takes them, each once, and knows which were accepted.
type bulkLoad struct {
	accepted []string
	// refused are the lines of requests that were refused. A large request becomes several messages, so part of it may have been taken.
	refused map[string]bool
}

// bulk returns lines that cannot be compressed to less than half, size bytes of them.
func bulk(t *testing.T, size int) []string {
	t.Helper()
	const line = 4000
	var all []string
	for range size / line {
		b := make([]byte, line/2)
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		all = append(all, hex.EncodeToString(b))
	}
	return all
}

// send sends size bytes of lines.
func (l *bulkLoad) send(t *testing.T, s *rig.Server, size int) answer {
	t.Helper()
	lines := bulk(t, size)
	a, err := send(t, s.OTLPHTTP+"/v1/logs", "application/json", rig.LogsBody(bulkService, lines))
	if err != nil {
		t.Fatal(err)
	}
	if a.status == http.StatusOK {
		l.accepted = append(l.accepted, lines...)
		return a
	}
	if l.refused == nil {
		l.refused = map[string]bool{}
	}
	for _, line := range lines {
		l.refused[line] = true
	}
	return a
}

// untilRefused sends until the server takes no more, and returns what it said then.
func (l *bulkLoad) untilRefused(t *testing.T, s *rig.Server) answer {
	t.Helper()
	var a answer
	rig.Eventually(t, "a sender is refused", func() (bool, string) {
		a = l.send(t, s, 1_000_000)
		return a.status != http.StatusOK, fmt.Sprintf("%d lines accepted", len(l.accepted))
	})
	return a
}

// untilTaken sends until the server takes a request again.
func (l *bulkLoad) untilTaken(t *testing.T, s *rig.Server) {
	t.Helper()
	rig.Eventually(t, "sending works again by itself", func() (bool, string) {
		a := l.send(t, s, 20_000)
		return a.status == http.StatusOK, fmt.Sprint(a)
	})
}

// check compares the store with what was accepted: every accepted line once, and nothing that was not sent.
func (l *bulkLoad) check(t *testing.T, s *rig.Server) {
	t.Helper()
	rows, err := s.SQL(t, "SELECT body, count() FROM logs WHERE service = '"+bulkService+"' GROUP BY body")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r[0]] = true
		if r[1] != "1" {
			t.Errorf("%.20q… is there %s times", r[0], r[1])
		}
	}
	missing := 0
	for _, line := range l.accepted {
		if !seen[line] {
			missing++
		}
		delete(seen, line)
	}
	for line := range seen {
		if !l.refused[line] {
			t.Errorf("%.20q… was never sent", line)
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d accepted lines are missing", missing, len(l.accepted))
	}
	t.Logf("%d lines accepted; of those in refused requests %d were stored", len(l.accepted), len(seen))
}

// answer is what a sender hears.
type answer struct {
	status int
	header http.Header
	text   string
}

// send posts a body and waits long for the answer.
func send(t *testing.T, url, contentType string, body []byte, headers ...string) (answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// dialGRPC returns a client of the OTLP listener for gRPC.
func dialGRPC(t *testing.T, s *rig.Server) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// memoryBound is the most resident memory that the server's own process may ever have in these tests.
const memoryBound = 700 << 20

func TestTransportFull(t *testing.T) {
	s := rig.Start(t, bin, t.TempDir(), "--nats-max-bytes", "64MiB")
	load := s.StartLoad(t)
	load.AwaitBatches(t, 5)
	load.Stop()
	s.SignalEngine(t, syscall.SIGSTOP)
	var sent bulkLoad
	refused := sent.untilRefused(t, s)
	if refused.status != http.StatusTooManyRequests || refused.header.Get("Retry-After") == "" || !strings.Contains(refused.text, "full") {
		t.Errorf("a full transport answers %+v", refused)
	}
	body := rig.LogsBody("refused", bulk(t, 1_000_000))
	var req collogs.ExportLogsServiceRequest
	if err := protojson.Unmarshal(body, &req); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := collogs.NewLogsServiceClient(dialGRPC(t, s)).Export(ctx, &req)
	st := status.Convert(err)
	hint := false
	for _, d := range st.Details() {
		_, is := d.(*errdetails.RetryInfo)
		hint = hint || is
	}
	if st.Code() != codes.ResourceExhausted || !hint {
		t.Errorf("a full transport answers %v with a retry hint %v over gRPC", err, hint)
	}
	if rss := s.PeakRSS(t); rss > memoryBound {
		t.Errorf("the server took %d MB", rss>>20)
	}
	s.SignalEngine(t, syscall.SIGCONT)
	sent.untilTaken(t, s)
	s.Settled(t)
	sent.check(t, s)
	load.Check(t)
	t.Logf("%d bulky lines accepted and stored; the server had at most %d MB", len(sent.accepted), s.PeakRSS(t)>>20)
}

// diskSize is the size of the small disk: room for the engine, its parts and the transport's streams.
const diskSize = 320 << 20

// smallDisk mounts a small file system in memory and returns its folder.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a small disk to fill")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskSize)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		// An engine that was just killed holds its files for a moment longer than its name.
		rig.Eventually(t, "the small disk is free", func() (bool, string) {
			err := syscall.Unmount(dir, 0)
			return err == nil, fmt.Sprint(err)
		})
	})
	return dir
}

// fill writes a file until the disk has no room left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1<<12; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// diskState is what the API says about the disk and what to worry about.
type diskState struct {
	Disk struct {
		State   string `json:"state"`
		Message string `json:"message"`
	} `json:"disk"`
	Warnings []struct {
		Code string `json:"code"`
	} `json:"warnings"`
}

func TestDiskFull(t *testing.T) {
	disk := smallDisk(t)
	s := rig.Start(t, bin, filepath.Join(disk, "data"))
	load := s.StartLoad(t)
	load.AwaitBatches(t, 25)
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	var sent bulkLoad
	refused := sent.untilRefused(t, s)
	if (refused.status != http.StatusTooManyRequests && refused.status != http.StatusServiceUnavailable) || refused.header.Get("Retry-After") == "" || refused.text == "" {
		t.Errorf("a full disk answers %+v", refused)
	}
	t.Logf("the refusal: %d %s", refused.status, refused.text)
	rig.Eventually(t, "the API says that the disk is full", func() (bool, string) {
		var st diskState
		err := s.JSON(t, "/api/v1/system", &st)
		return err == nil && st.Disk.State == "full" && st.Disk.Message != "" && len(st.Warnings) > 0, fmt.Sprintf("%+v %v", st, err)
	})
	s.Alive(t)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	sent.untilTaken(t, s)
	load.AwaitBatches(t, 10)
	rig.Eventually(t, "the API says that the disk is well", func() (bool, string) {
		var st diskState
		err := s.JSON(t, "/api/v1/system", &st)
		return err == nil && st.Disk.State == "ok", fmt.Sprintf("%+v %v", st, err)
	})
	load.Check(t)
	sent.check(t, s)
	s.Alive(t)
}
