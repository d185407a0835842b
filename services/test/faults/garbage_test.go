//go:build linux

package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/faultline-io/faultline/services/test/rig"
)

const (
	// tooLarge is beyond what a receiver takes by default, which is 64 MiB.
	tooLarge = 65 << 20
	// bombSize is what a bomb opens to.
	bombSize = 512 << 20
	// garbageBound is the most memory that thirteen bombs and their like at once may cost: requests in flight hold 256 MiB, and the
	// collector of garbage lets as much again lie, and more for a moment.
	garbageBound = 900 << 20
)

// receiver is one path that takes telemetry.
type receiver struct{ url, contentType string }

func receivers(s *rig.Server) []receiver {
	all := []receiver{
		{s.URL + "/api/v1/write", "application/x-protobuf"},
		{s.URL + "/api/v1/write", "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
		{s.URL + "/loki/api/v1/push", "application/x-protobuf"},
		{s.URL + "/loki/api/v1/push", "application/json"},
	}
	for _, signal := range []string{"metrics", "logs", "traces"} {
		all = append(all, receiver{s.OTLPHTTP + "/v1/" + signal, "application/x-protobuf"}, receiver{s.OTLPHTTP + "/v1/" + signal, "application/json"})
	}
	return all
}

// compressed returns what a compressor makes of size zero bytes, or of a text that is cut in the middle afterwards.
func compressed(t *testing.T, encoding string, size int, cut bool) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	default:
		w, err = zstd.NewWriter(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for n := 0; n < size; n += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if cut {
		return out.Bytes()[:out.Len()/2]
	}
	return out.Bytes()
}

// badBody is a body that no receiver may take.
type badBody struct {
	name, encoding string
	body           []byte
}

func badBodies(t *testing.T) []badBody {
	t.Helper()
	noise := make([]byte, 64<<10)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	noise[0] = 0x0f // A field with a wire type that does not exist: noise that no luck makes a message.
	all := []badBody{
		{"noise", "identity", noise}, {"unknown encoding", "brotli", noise},
		{"truncated snappy", "snappy", rig.MetricsBody("truncated", 0, time.Now())[:100]},
		{"snappy that claims 4 GiB", "snappy", []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0}},
	}
	for _, e := range []string{"gzip", "zstd", "deflate"} {
		all = append(all, badBody{"noise as " + e, e, noise}, badBody{"truncated " + e, e, compressed(t, e, 4<<20, true)}, badBody{"bomb of " + e, e, compressed(t, e, bombSize, false)})
	}
	return append(all, badBody{"noise as snappy", "snappy", noise})
}

func TestGarbage(t *testing.T) {
	s := rig.Start(t, bin, t.TempDir())
	load := s.StartLoad(t)
	load.AwaitBatches(t, 5)
	calm := s.RSS(t)
	bodies := badBodies(t)
	for _, r := range receivers(s) {
		var wg sync.WaitGroup // All of them at once: what is bounded is the sum.
		for _, b := range bodies {
			wg.Go(func() {
				a, err := send(t, r.url, r.contentType, b.body, "Content-Encoding", b.encoding)
				if err != nil || a.status/100 != 4 || strings.TrimSpace(a.text) == "" {
					t.Errorf("%s %s, %s: %d %.200q %v", r.url, r.contentType, b.name, a.status, a.text, err)
				}
			})
		}
		wg.Wait()
	}
	for _, r := range receivers(s) {
		refuseOversized(t, r)
		cutOff(t, s, r)
	}
	garbageOverGRPC(t, s, bodies[0].body)
	s.Alive(t)
	if peak := s.PeakRSS(t); peak > garbageBound {
		t.Errorf("the server took %d MB, %d MB before", peak>>20, calm>>20)
	}
	t.Logf("the server had %d MB before and at most %d MB", calm>>20, s.PeakRSS(t)>>20)
	load.AwaitBatches(t, 5)
	load.Check(t)
}

// zeros is an endless body.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// refuseOversized sends more than a receiver takes, once with its length and once without saying how long it is.
func refuseOversized(t *testing.T, r receiver) {
	t.Helper()
	for _, length := range []int64{tooLarge, -1} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, io.LimitReader(zeros{}, tooLarge))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		req.Header.Set("Content-Type", r.contentType)
		req.Header.Set("Content-Encoding", "identity")
		req.Header.Set("Expect", "100-continue") // So that the refusal is read before the body is written.
		resp, err := (&http.Transport{ExpectContinueTimeout: 10 * time.Second, DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Errorf("%s with length %d: %v", r.url, length, err)
		} else {
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode/100 != 4 || len(text) == 0 {
				t.Errorf("%s with length %d: %s %.200q", r.url, length, resp.Status, text)
			}
		}
		cancel()
	}
}

// cutOff promises a body and hangs up in the middle of it.
func cutOff(t *testing.T, s *rig.Server, r receiver) {
	t.Helper()
	addr, path, _ := strings.Cut(strings.TrimPrefix(r.url, "http://"), "/")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST /%s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: 1000000\r\n\r\nabc", path, addr, r.contentType); err != nil {
		t.Error(err)
	}
	s.Alive(t)
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string                { return "proto" }
func (rawCodec) Unmarshal([]byte, any) error { return nil }
func (rawCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("not bytes but %T", v)
	}
	return b, nil
}

// garbageOverGRPC sends what no service may take, each to all three.
func garbageOverGRPC(t *testing.T, s *rig.Server, noise []byte) {
	t.Helper()
	c := dialGRPC(t, s)
	for _, service := range []string{"logs.v1.LogsService", "metrics.v1.MetricsService", "trace.v1.TraceService"} {
		f := func(name string, body []byte, opts ...grpc.CallOption) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			err := c.Invoke(ctx, "/opentelemetry.proto.collector."+service+"/Export", body, nil, append(opts, grpc.ForceCodec(rawCodec{}))...)
			if code := status.Code(err); (code != codes.InvalidArgument && code != codes.ResourceExhausted) || status.Convert(err).Message() == "" {
				t.Errorf("%s, %s: %v", service, name, err)
			}
		}
		f("noise", noise)
		f("cut off", rig.LogsBody("json", []string{"where protobuf is due"}))
		f("oversized", make([]byte, tooLarge))
		f("bomb", make([]byte, 2*tooLarge), grpc.UseCompressor(grpcgzip.Name))
	}
}
