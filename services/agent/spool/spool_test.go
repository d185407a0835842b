package spool

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func options(max int64) Options {
	return Options{MaxBytes: max, SegmentBytes: max / 8, MemoryBytes: 1 << 20, Log: slog.New(slog.DiscardHandler), Now: time.Now}
}

func open(t *testing.T, dir string, o Options) *Spool {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t *testing.T, s *Spool, items int, body string, marks map[string]string) uint64 {
	t.Helper()
	seq, err := s.Append(items, Plain, len(body), []byte(body), marks)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// take delivers everything and returns the bodies.
func take(s *Spool) []string {
	var out []string
	for r := s.Next(); r != nil; r = s.Next() {
		out = append(out, string(r.Payload))
		s.Ack(r)
	}
	return out
}

func bodies(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("batch %d", i))
	}
	return out
}

func TestOrderAndReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, options(1<<20))
	for i, b := range bodies(0, 10) {
		add(t, s, i+1, b, map[string]string{"position": strconv.Itoa(i), "gone": map[bool]string{true: "x", false: ""}[i < 5]})
	}
	r := s.Next()
	if r.Cumulative != 1 || r.Items != 1 {
		t.Fatalf("first record counts %d of %d, want 1 of 1", r.Items, r.Cumulative)
	}
	s.Ack(r)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, options(1<<20))
	if got := s.Stats(); got.Cumulative != 55 || got.Pending != 54 {
		t.Fatalf("after reopening cumulative %d, pending %d; want 55, 54", got.Cumulative, got.Pending)
	}
	if d := cmp.Diff(map[string]string{"position": "9"}, s.Marks()); d != "" {
		t.Fatal("marks differ:", d)
	}
	last := r.Seq
	next := s.Next()
	if next.Seq != last+1 {
		t.Fatalf("number %d follows %d", next.Seq, last)
	}
	if d := cmp.Diff(bodies(1, 10), take(s)); d != "" {
		t.Fatal("delivered batches differ:", d)
	}
	seq := add(t, s, 1, "more", nil)
	if seq != last+10 {
		t.Fatalf("number after a clean end is %d, want %d", seq, last+10)
	}
}

func TestNumbersNeverRepeatAfterCrash(t *testing.T) {
	dir := t.TempDir()
	seen := map[uint64]bool{}
	clock := time.Now()
	o := options(1 << 20)
	o.Now = func() time.Time { return clock }
	for round := range 5 {
		s := open(t, dir, o) // never closed: the process was killed
		for i := range 20 {
			seq := add(t, s, 1, fmt.Sprint(round, i), nil)
			if seen[seq] {
				t.Fatalf("number %d was given twice", seq)
			}
			seen[seq] = true
		}
		take(s)
		clock = clock.Add(-time.Hour) // a clock that steps back must not matter
	}
	// The folder is lost with everything in it: the clock keeps the numbers apart.
	clock = time.Now().Add(time.Minute)
	s := open(t, t.TempDir(), o)
	if seq := add(t, s, 1, "x", nil); seen[seq] {
		t.Fatalf("number %d came back after the folder was lost", seq)
	}
}

func TestBoundDropsOldest(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, options(64<<10))
	body := strings.Repeat("x", 1000)
	for i := range 200 {
		add(t, s, 10, fmt.Sprintf("%03d%s", i, body), map[string]string{"last": strconv.Itoa(i)})
	}
	st := s.Stats()
	if st.Bytes > 64<<10 {
		t.Fatalf("spool has %d bytes, bound is %d", st.Bytes, 64<<10)
	}
	if st.Dropped == 0 || st.Dropped+st.Pending != 2000 {
		t.Fatalf("dropped %d + pending %d is not 2000", st.Dropped, st.Pending)
	}
	s = open(t, dir, options(64<<10)) // killed
	got := take(s)
	if uint64(len(got))*10 != st.Pending || !strings.HasPrefix(got[len(got)-1], "199") {
		t.Fatalf("%d batches delivered, want %d with the newest last", len(got), st.Pending/10)
	}
	if s.Stats().Dropped != st.Dropped || s.Marks()["last"] != "199" {
		t.Fatalf("dropped %d, marks %v after reopening; want %d", s.Stats().Dropped, s.Marks(), st.Dropped)
	}
}

func TestLateAcknowledgementOfDroppedBatch(t *testing.T) {
	s := open(t, t.TempDir(), options(32<<10))
	add(t, s, 7, "first", nil)
	r := s.Next()
	for range 100 {
		add(t, s, 1, strings.Repeat("x", 1000), nil)
	}
	before := s.Stats().Dropped
	s.Ack(r)
	if got := s.Stats().Dropped; got != before-7 {
		t.Fatalf("dropped %d after the receiver took a dropped batch, want %d", got, before-7)
	}
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(m) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	return m
}

func TestDamage(t *testing.T) {
	f := func(name string, harm func(t *testing.T, path string), wantLost uint64, wantDamages uint64, want []string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := options(1 << 20)
			s := open(t, dir, o)
			for _, b := range bodies(0, 4) {
				add(t, s, 10, b, map[string]string{"at": b})
			}
			s = open(t, dir, o) // a new segment starts
			for _, b := range bodies(4, 8) {
				add(t, s, 10, b, map[string]string{"at": b})
			}
			harm(t, segments(t, dir)[0])
			s = open(t, dir, o)
			if d := cmp.Diff(want, take(s)); d != "" {
				t.Error("delivered batches differ:", d)
			}
			if st := s.Stats(); st.Damaged != wantLost || st.Damages != wantDamages {
				t.Errorf("lost %d items in %d damages, want %d in %d", st.Damaged, st.Damages, wantLost, wantDamages)
			}
			s = open(t, dir, o)
			if st := s.Stats(); st.Damaged != wantLost {
				t.Errorf("counted %d after another start, want %d", st.Damaged, wantLost)
			}
			add(t, s, 1, "after", nil)
			if d := cmp.Diff([]string{"after"}, take(s)); d != "" {
				t.Error("spool does not go on:", d)
			}
		})
	}
	flip := func(at int64) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if at < 0 {
				at += int64(len(b))
			}
			b[at] ^= 0x55
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	f("none", func(*testing.T, string) {}, 0, 0, bodies(0, 8))
	f("magic", flip(0), 40, 1, bodies(4, 8))
	f("first record", flip(30), 40, 1, bodies(4, 8))
	f("last record", flip(-1), 10, 1, append(bodies(0, 3), bodies(4, 8)...))
	f("length", flip(int64(len(segmentMagic))+3), 40, 1, bodies(4, 8))
	f("cut", func(t *testing.T, path string) {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, fi.Size()-5); err != nil {
			t.Fatal(err)
		}
	}, 10, 1, append(bodies(0, 3), bodies(4, 8)...))
	f("state", func(t *testing.T, path string) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), stateFile), []byte("{torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}, 0, 1, bodies(0, 8))
}

func TestTornTailIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, options(1<<20))
	add(t, s, 1, "whole", map[string]string{"at": "1"})
	add(t, s, 1, "torn", map[string]string{"at": "2"})
	path := segments(t, dir)[0]
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, fi.Size()-2); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, options(1<<20))
	if st := s.Stats(); st.Damages != 0 || s.Marks()["at"] != "1" {
		t.Fatalf("%d damages, marks %v; want none and the mark of the whole record", st.Damages, s.Marks())
	}
	if d := cmp.Diff([]string{"whole"}, take(s)); d != "" {
		t.Fatal(d)
	}
}

func TestDiskThatRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	o := options(1 << 20)
	o.SegmentBytes = 1 // every record needs a new file, which a missing folder refuses
	o.MemoryBytes = 4 << 10
	s := open(t, dir, o)
	add(t, s, 1, "on disk", nil)
	if d := cmp.Diff([]string{"on disk"}, take(s)); d != "" {
		t.Fatal(d)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for i, b := range bodies(0, 100) {
		add(t, s, 1, b, map[string]string{"at": strconv.Itoa(i)})
	}
	st := s.Stats()
	if !st.DiskFailing || st.MemoryBytes > o.MemoryBytes || st.Dropped == 0 || st.Dropped+st.Pending != 100 {
		t.Fatalf("with a refusing disk: %+v", st)
	}
	if got := s.Next(); string(got.Payload) != bodies(int(st.Dropped), 100)[0] {
		t.Fatalf("oldest in memory is %q after %d were dropped", got.Payload, st.Dropped)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	if st := s.Stats(); st.MemoryBytes != 0 {
		t.Fatalf("nothing was moved to disk: %+v", st)
	}
	add(t, s, 1, "batch 100", nil)
	if st := s.Stats(); st.DiskFailing || st.MemoryBytes != 0 {
		t.Fatalf("after the disk came back: %+v", st)
	}
	if d := cmp.Diff(bodies(int(st.Dropped), 101), take(s)); d != "" {
		t.Fatal("delivered batches differ:", d)
	}
	if s.Marks()["at"] != "99" {
		t.Fatalf("marks %v, want those of the last batch", s.Marks())
	}
}

// TestModel compares a spool that is closed, dropped and reopened at random with a slice.
func TestModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	o := options(8 << 20)
	o.SegmentBytes = 2000
	s := open(t, dir, o)
	var want []string
	var cumulative uint64
	mark, n := "", 0
	for step := range 1200 {
		switch k := rng.IntN(20); {
		case k < 9:
			n++
			body := fmt.Sprintf("%d %s", n, strings.Repeat("y", rng.IntN(300)))
			mark = strconv.Itoa(n)
			add(t, s, 3, body, map[string]string{"n": mark})
			want = append(want, body)
			cumulative += 3
		case k < 18:
			r := s.Next()
			if (r == nil) != (len(want) == 0) || r != nil && string(r.Payload) != want[0] {
				t.Fatalf("step %d: next is %v, want %d batches", step, r, len(want))
			}
			if r != nil {
				s.Ack(r)
				want = want[1:]
			}
		case k == 18:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, o)
		default:
			s = open(t, dir, o) // killed
		}
		if st := s.Stats(); st.Cumulative != cumulative || st.Pending != uint64(len(want))*3 || s.Marks()["n"] != mark {
			t.Fatalf("step %d: %+v and mark %q, want cumulative %d, pending %d, mark %q", step, st, s.Marks()["n"], cumulative, len(want)*3, mark)
		}
	}
}

const childEnv = "FAULTLINE_SPOOL_TEST_DIR"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		appendForEver(dir)
	}
	os.Exit(m.Run())
}

func appendForEver(dir string) {
	s, err := Open(dir, options(64<<20))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	n := 0
	if v := s.Marks()["n"]; v != "" {
		n, _ = strconv.Atoi(v)
	}
	for {
		n++
		seq, err := s.Append(1, Plain, 1, []byte(strconv.Itoa(n)), map[string]string{"n": strconv.Itoa(n)})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(seq, n)
	}
}

// TestKill kills an appending process and checks that what it was told to be safe is there once, in order, under its number.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	promised := map[uint64]string{}
	for range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			seq, n, _ := strings.Cut(lines.Text(), " ")
			v, err := strconv.ParseUint(seq, 10, 64)
			if err != nil {
				t.Fatal(lines.Text())
			}
			promised[v] = n
			if i == 50 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
	}
	s := open(t, dir, options(64<<20))
	want := 1
	for r := s.Next(); r != nil; r = s.Next() {
		if string(r.Payload) != strconv.Itoa(want) {
			t.Fatalf("batch %d has content %s, want %d", r.Seq, r.Payload, want)
		}
		if n, ok := promised[r.Seq]; ok && n != string(r.Payload) {
			t.Fatalf("number %d was promised for %s and has %s", r.Seq, n, r.Payload)
		}
		delete(promised, r.Seq)
		want++
		s.Ack(r)
	}
	if len(promised) > 0 {
		t.Fatalf("%d promised batches are missing: %v", len(promised), promised)
	}
}

func FuzzSpoolRecord(f *testing.F) {
	f.Add(appendRecord(nil, &Record{Seq: 1, Items: 2, Cumulative: 3, Payload: []byte("abc"), Marks: map[string]string{"a": "b"}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		again, err := parseRecord(appendRecord(nil, r))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r.Marks, again.Marks); d != "" || !bytes.Equal(r.Payload, again.Payload) || r.Seq != again.Seq {
			t.Fatal("record changes when it is written again", d)
		}
	})
}

func FuzzSpoolSegment(f *testing.F) {
	good := appendRecord([]byte(segmentMagic), &Record{Seq: 5, Items: 2, Cumulative: 3, Payload: []byte("abc"), Marks: map[string]string{"a": "b"}})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, options(1<<20))
		add(t, s, 1, "tail", nil)
		got := take(s)
		if len(got) == 0 || got[len(got)-1] != "tail" {
			t.Fatalf("delivered %q, want the new batch last", got)
		}
	})
}

func BenchmarkAppendAck(b *testing.B) {
	s, err := Open(b.TempDir(), options(256<<20))
	if err != nil {
		b.Fatal(err)
	}
	payload := bytes.Repeat([]byte("x"), 16<<10)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := s.Append(1000, Zstd, 100<<10, payload, nil); err != nil {
			b.Fatal(err)
		}
		s.Ack(s.Next())
	}
}
