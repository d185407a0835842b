package frames

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func all(t testing.TB, src io.Reader, max int) ([]string, []bool) {
	r := New(src, '\n', max, nil)
	var out []string
	var cut []bool
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, cut
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > max {
			t.Fatalf("a frame of %d bytes, at most %d", len(b), max)
		}
		out, cut = append(out, string(b)), append(cut, r.Cut())
	}
}

func TestNext(t *testing.T) {
	long := strings.Repeat("x", 50_000)
	for _, c := range []struct {
		in   string
		max  int
		want []string
	}{
		{"", 10, nil}, {"a", 10, []string{"a"}}, {"a\nb\n", 10, []string{"a", "b"}}, {"\n\na", 10, []string{"", "", "a"}},
		{"1234567890\nb", 10, []string{"1234567890", "b"}}, {"12345678901\nb", 10, []string{"1234567890", "b"}}, {"12345678901", 10, []string{"1234567890"}},
		{long + "\nb\n" + long, 100_000, []string{long, "b", long}}, {long + "\nb", 20_000, []string{long[:20_000], "b"}},
	} {
		for name, src := range map[string]io.Reader{"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in)), "eof": iotest.DataErrReader(strings.NewReader(c.in))} {
			got, _ := all(t, src, c.max)
			if strings.Join(got, "|") != strings.Join(c.want, "|") || len(got) != len(c.want) {
				t.Errorf("%s: %.40q of %d: %d frames, want %d", name, c.in, c.max, len(got), len(c.want))
			}
		}
	}
}

func TestRefusedGrowth(t *testing.T) {
	full := errors.New("full")
	r := New(strings.NewReader(strings.Repeat("x", 1<<20)), '\n', 1<<20, func(n int64) error {
		if n > 64<<10 {
			return full
		}
		return nil
	})
	if _, err := r.Next(); !errors.Is(err, full) {
		t.Error(err)
	}
}

func FuzzNext(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), 2)
	f.Fuzz(func(t *testing.T, in []byte, max int) {
		max = 1 + max&63
		got, _ := all(t, iotest.HalfReader(bytes.NewReader(in)), max)
		var want []string
		lines := strings.Split(string(in), "\n")
		for i, l := range lines {
			if i == len(lines)-1 && l == "" {
				break
			}
			want = append(want, l[:min(len(l), max)])
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != len(want) {
			t.Fatalf("%q of %d: %q, want %q", in, max, got, want)
		}
	})
}
