package limits

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

func pack(t testing.TB, encoding string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch encoding {
	case "snappy":
		return snappy.Encode(nil, b)
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	case "":
		return b
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var encodings = []string{"", "snappy", "gzip", "deflate", "zstd"}

func TestDecode(t *testing.T) {
	var d Decoder
	text := []byte(strings.Repeat("some text that repeats ", 1000))
	for _, enc := range encodings {
		for _, n := range []int{0, 1, 5000, len(text)} {
			lease := Lease{Budget: NewBudget(1 << 20)}
			got, err := d.Decode(make([]byte, 0, 16), pack(t, enc, text[:n]), enc, int64(len(text)), &lease)
			if err != nil || !bytes.Equal(got, text[:n]) {
				t.Errorf("%q of %d bytes: %d bytes, %v", enc, n, len(got), err)
			}
		}
		lease := Lease{Budget: NewBudget(1 << 20)}
		if _, err := d.Decode(nil, pack(t, enc, text), enc, int64(len(text))-1, &lease); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%q beyond the limit: %v", enc, err)
		}
		if enc == "" {
			continue
		}
		for name, bad := range map[string][]byte{"garbage": []byte("no such format"), "truncated": pack(t, enc, text)[:20], "empty": {}} {
			lease := Lease{Budget: NewBudget(1 << 20)}
			if _, err := d.Decode(nil, bad, enc, 1<<20, &lease); err == nil && name != "empty" || err != nil && errs.KindOf(err) != errs.Invalid {
				t.Errorf("%q %s: %v", enc, name, err)
			}
		}
	}
	if _, err := d.Decode(nil, nil, "br", 10, nil); !errors.Is(err, ErrEncoding) {
		t.Errorf("brotli: %v", err)
	}
}

// A bomb costs no more memory than the limit, however far it would open.
func TestBombsStayBounded(t *testing.T) {
	var d Decoder
	const limit = 1 << 20
	for _, enc := range []string{"gzip", "deflate", "zstd"} {
		bomb := pack(t, enc, make([]byte, 64<<20))
		budget := NewBudget(4 << 20)
		lease := Lease{Budget: budget}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := d.Decode(nil, bomb, enc, limit, &lease)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLarge) || budget.Peak() > limit+1 {
			t.Errorf("%s: %v, peak %d", enc, err, budget.Peak())
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 16*limit {
			t.Errorf("%s: %d bytes were allocated", enc, grown)
		}
		lease.Release()
		if budget.Used() != 0 {
			t.Errorf("%s: %d bytes are held", enc, budget.Used())
		}
	}
	// With less budget than limit, the budget stops it.
	lease := Lease{Budget: NewBudget(100_000)}
	if _, err := d.Decode(nil, pack(t, "gzip", make([]byte, 1<<20)), "gzip", 1<<20, &lease); errs.KindOf(err) != errs.Exhausted {
		t.Errorf("beyond the budget: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for i, enc := range encodings {
		f.Add(pack(f, enc, []byte(strings.Repeat("seed ", 100))), i)
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, body []byte, enc int) {
		budget := NewBudget(1 << 20)
		lease := Lease{Budget: budget}
		out, err := d.Decode(nil, body, encodings[uint(enc)%uint(len(encodings))], 1<<16, &lease)
		if len(out) > 1<<16+1 || err == nil && len(out) > 1<<16 {
			t.Fatalf("%d bytes", len(out))
		}
		if lease.Release(); budget.Used() != 0 {
			t.Fatal("bytes are held")
		}
	})
}

func TestBudget(t *testing.T) {
	b := NewBudget(100)
	if err := b.Acquire(60); err != nil {
		t.Fatal(err)
	}
	if err := b.Acquire(41); errs.KindOf(err) != errs.Exhausted || errs.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	l := Lease{Budget: b}
	if err := errors.Join(l.Grow(10), l.Grow(5), l.Grow(40)); err != nil || b.Used() != 100 {
		t.Errorf("%v, %d used", err, b.Used())
	}
	if err := l.Grow(41); errs.KindOf(err) != errs.Exhausted || l.Held() != 40 {
		t.Errorf("%v, %d held", err, l.Held())
	}
	l.Release()
	if b.Used() != 60 || b.Peak() != 100 {
		t.Errorf("%d used, %d peak", b.Used(), b.Peak())
	}
}

func TestWindow(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	l := Default()
	for _, c := range []struct {
		age    time.Duration
		offset time.Duration
		want   string
	}{
		{0, 0, ""}, {0, 10 * time.Minute, ""}, {0, 10*time.Minute + time.Millisecond, TooFarInFuture}, {0, -20 * 365 * 24 * time.Hour, ""},
		{time.Hour, -time.Hour, ""}, {time.Hour, -time.Hour - time.Millisecond, TooOld},
	} {
		l.MaxAge = c.age
		if got := l.Window(now).Reason(now.Add(c.offset).UnixMilli()); got != c.want {
			t.Errorf("age %v, offset %v: %q, want %q", c.age, c.offset, got, c.want)
		}
	}
	if got := l.Window(now).Reason(0); got != TooOld {
		t.Errorf("no time: %q", got)
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Limits){
		"max_labels":         func(l *Limits) { l.MaxLabels = 0 },
		"max_series":         func(l *Limits) { l.MaxSeries = -1 },
		"max_inflight_bytes": func(l *Limits) { l.MaxInflightBytes = l.MaxDecodedBytes - 1 },
		"max_future":         func(l *Limits) { l.MaxFuture = -1 },
	} {
		l := Default()
		change(&l)
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Senders choose their names, but not how much memory counting them takes; and no count is lost.
func TestRejectionsAreBounded(t *testing.T) {
	r := NewRejections()
	const n = maxRejectionKeys + 500
	for i := range n {
		r.Add(&model.Origin{Tenant: 1, Source: fmt.Sprint("agent:", i)}, model.SignalLogs, TooOld, 2)
	}
	sum := func(rs []Rejection) (n uint64) {
		for _, x := range rs {
			n += x.Count
		}
		return n
	}
	taken := r.Take()
	if len(taken) != maxRejectionKeys+1 || sum(taken) != 2*n {
		t.Errorf("%d keys, %d counted", len(taken), sum(taken))
	}
	if len(r.Take()) != 0 {
		t.Error("taken twice")
	}
	r.Restore(taken[:10])
	if got := r.Take(); sum(got) != sum(taken[:10]) {
		t.Errorf("restored %v", got)
	}
	if sum(r.Total()) != 2*n {
		t.Errorf("total %d", sum(r.Total()))
	}
}
