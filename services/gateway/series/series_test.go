package series

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/model"
)

const now = 1_800_000_000

func labels(kv ...string) *Labels {
	l := &Labels{}
	l.Reset()
	for i := 0; i < len(kv); i += 2 {
		l.Add(kv[i], kv[i+1])
	}
	return l
}

// The identity is the hash of the sorted pairs in model's encoding, whatever the order they came in and the sizes they have.
func TestHashIsCanonical(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n := 1 + rng.IntN(40)
		var pairs []model.Label
		for i := range n {
			pairs = append(pairs, model.Label{Name: fmt.Sprintf("n%d_%s", i, strings.Repeat("x", rng.IntN(200))), Value: strings.Repeat("v", rng.IntN(200))})
		}
		var want []byte
		sorted := slices.Clone(pairs)
		slices.SortFunc(sorted, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
		for _, p := range sorted {
			if p.Value != "" {
				want = model.AppendIdentity(want, p.Name, p.Value)
			}
		}
		for range 5 {
			rng.Shuffle(n, func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
			l := labels()
			for _, p := range pairs {
				l.Add(p.Name, p.Value)
			}
			if got := l.Hash(); got != xxhash.Sum64(want) {
				t.Fatalf("%v hashes to %x, want %x", pairs, got, xxhash.Sum64(want))
			}
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add("a", "1", "b", "2")
	f.Add("", "", "b", "")
	f.Add("a", "1", "a", "1")
	f.Fuzz(func(t *testing.T, a, av, b, bv string) {
		one, two := labels(a, av, b, bv), labels(b, bv, a, av)
		if a != b && one.Hash() != two.Hash() {
			t.Errorf("order of %q and %q matters", a, b)
		}
		if three := labels(a+av, "x", b, bv); av != "" && three.Hash() == one.Hash() {
			t.Errorf("%q=%q and %q are the same", a, av, a+av)
		}
		lim := limits.Default()
		one.Hash()
		if one.Check(&lim) == "" && (one.Get(model.LabelName) == "" || a == b && av != "" && bv != "") {
			t.Errorf("%q=%q %q=%q passes", a, av, b, bv)
		}
	})
}

func TestCheck(t *testing.T) {
	lim := limits.Default()
	lim.MaxLabels = 2
	for _, c := range []struct {
		want string
		l    *Labels
	}{
		{"", labels("__name__", "m")},
		{"", labels("__name__", "m", "a", "1", "b", "2")},
		{limits.TooManyLabels, labels("__name__", "m", "a", "1", "b", "2", "c", "3")},
		{limits.MissingName, labels("a", "1")},
		{limits.MissingName, labels("__name__", "", "a", "1")},
		{limits.MissingName, labels("__name__", "m", "", "1")},
		{limits.DuplicateLabel, labels("__name__", "m", "a", "1", "a", "2")},
		{limits.LabelTooLong, labels("__name__", "m", "a", strings.Repeat("x", 5000))},
		{limits.LabelTooLong, labels("__name__", "m", strings.Repeat("x", 300), "1")},
		{limits.InvalidUTF8, labels("__name__", "m", "a", "\xff")},
		{limits.InvalidUTF8, labels("__name__", "m\xc3")},
	} {
		c.l.Hash()
		if got := c.l.Check(&lim); got != c.want {
			t.Errorf("%v: %q, want %q", c.l.Pairs(), got, c.want)
		}
	}
}

// resolve resolves a series and says whether it was announced.
func resolve(t *Table, l *Labels, at uint32) (ref Ref, announced bool, reason string) {
	ref, reason = t.Resolve(l, at, TargetHash, func(s model.Series) {
		announced = s.ID == l.Hash() && s.MetricID == model.MetricID(s.Name)
	})
	return ref, announced, reason
}

func TestAnnouncement(t *testing.T) {
	lim := limits.Default()
	tab := NewIndex(&lim).Tenant(1)
	l := labels("__name__", "m", "job", "j", "instance", "i")
	raw := []byte("how it is written")
	if _, announced, _ := resolve(tab, l, now); !announced {
		t.Fatal("a new series is not announced")
	}
	ref, announced, _ := resolve(tab, l, now)
	if announced || ref.ID != l.Hash() || ref.MetricID != model.MetricID("m") {
		t.Fatalf("%v %v", ref, announced)
	}
	tab.Remember(tab.RawKey(raw), ref, now)
	if got, ok := tab.ResolveKey(tab.RawKey(raw), now); !ok || got != ref {
		t.Fatalf("shortcut gives %v %v", got, ok)
	}
	tab.Forget([]model.Series{{ID: ref.ID}})
	if _, ok := tab.ResolveKey(tab.RawKey(raw), now); ok {
		t.Error("the shortcut survives a failed announcement")
	}
	if _, announced, _ = resolve(tab, l, now); !announced {
		t.Error("a forgotten series is not announced")
	}
	times := 0
	for s := uint32(1); s <= 10*3600; s += 10 {
		ref, announced, _ := resolve(tab, l, now+s)
		tab.Remember(tab.RawKey(raw), ref, now+s)
		if announced {
			times++
		}
		if _, ok := tab.ResolveKey(tab.RawKey(raw), now+s); !ok {
			t.Fatal("no shortcut")
		}
	}
	if times < 9 || times > 10 {
		t.Errorf("announced %d times in ten hours", times)
	}
}

// Series that came at once do not come due at once, and none is due before ten minutes or after an hour and ten.
func TestAnnouncementsAreSpread(t *testing.T) {
	perMinute := map[uint32]int{}
	const n = 70_000
	rng := rand.New(rand.NewPCG(3, 4))
	for range n {
		due := nextDue(rng.Uint64(), now)
		if due < now+600 || due > now+4200 {
			t.Fatalf("due after %d seconds", due-now)
		}
		perMinute[(due-now)/60]++
	}
	for m, c := range perMinute {
		if c > 2*n/60 {
			t.Errorf("%d of %d are due in minute %d", c, n, m)
		}
	}
}

func TestLimitAndIdle(t *testing.T) {
	lim := limits.Default()
	lim.MaxSeries = 1000
	x := NewIndex(&lim)
	tab := x.Tenant(1)
	get := func(i int, at uint32) string {
		_, _, reason := resolve(tab, labels("__name__", "m", "i", fmt.Sprint(i)), at)
		return reason
	}
	for i := range 1000 {
		if r := get(i, now); r != "" {
			t.Fatalf("series %d: %s", i, r)
		}
	}
	if r := get(1000, now+1); r != limits.SeriesLimit {
		t.Fatalf("series beyond the limit: %q", r)
	}
	if r := get(5, now+2); r != "" {
		t.Errorf("a known series at the limit: %s", r)
	}
	if _, _, r := resolve(x.Tenant(2), labels("__name__", "m"), now); r != "" {
		t.Errorf("another tenant: %s", r)
	}
	refused := 0
	for i := range 2000 { // three hours later all are idle and make room, shard by shard
		if get(2000+i, now+3*3600) != "" {
			refused++
		}
	}
	if refused != 1000 || x.Active(1) != 1000 {
		t.Errorf("%d refused, %d active", refused, x.Active(1))
	}
}

func TestConcurrentResolve(t *testing.T) {
	lim := limits.Default()
	x := NewIndex(&lim)
	const series = 5000
	var mu sync.Mutex
	announced := map[uint64]int{}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			tab := x.Tenant(1)
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for range 4 * series {
				i := rng.IntN(series)
				l := labels("__name__", "m", "i", fmt.Sprint(i))
				raw := fmt.Appendf(nil, "raw %d", i)
				if ref, ok := tab.ResolveKey(tab.RawKey(raw), now); ok {
					if ref.ID != l.Hash() || ref.MetricID != model.MetricID("m") {
						t.Errorf("series %d has the identity of another", i)
					}
					continue
				}
				ref, reason := tab.Resolve(l, now, TargetHash, func(s model.Series) {
					mu.Lock()
					announced[s.ID]++
					mu.Unlock()
				})
				if reason != "" {
					t.Error(reason)
				}
				tab.Remember(tab.RawKey(raw), ref, now)
			}
		}()
	}
	wg.Wait()
	for id, n := range announced {
		if n != 1 {
			t.Errorf("series %d announced %d times", id, n)
		}
	}
	if len(announced) != x.Active(1) {
		t.Errorf("%d announced, %d active", len(announced), x.Active(1))
	}
}

func benchLabels(n int) []*Labels {
	var out []*Labels
	for i := range n {
		out = append(out, labels("__name__", "node_network_receive_bytes_total", "device", fmt.Sprintf("eth%d", i), "env", "production", "instance", fmt.Sprintf("host-%d:9100", i), "job", "node", "region", "eu-west-1"))
	}
	return out
}

func BenchmarkResolveKnown(b *testing.B) {
	lim := limits.Default()
	tab := NewIndex(&lim).Tenant(1)
	ls := benchLabels(10_000)
	announce := func(model.Series) {}
	b.ReportAllocs()
	for i := range b.N {
		if _, reason := tab.Resolve(ls[i%len(ls)], now, TargetHash, announce); reason != "" {
			b.Fatal(reason)
		}
	}
}

func BenchmarkResolveRaw(b *testing.B) {
	lim := limits.Default()
	tab := NewIndex(&lim).Tenant(1)
	ls := benchLabels(10_000)
	var raws [][]byte
	for _, l := range ls {
		ref, _ := tab.Resolve(l, now, TargetHash, func(model.Series) {})
		raw := fmt.Appendf(nil, "%v", l.Pairs())
		raws = append(raws, raw)
		tab.Remember(tab.RawKey(raw), ref, now)
	}
	b.ReportAllocs()
	b.ResetTimer()
	hits := 0
	for i := range b.N {
		if _, ok := tab.ResolveKey(tab.RawKey(raws[i%len(raws)]), now); ok {
			hits++
		}
	}
	b.ReportMetric(float64(hits)/float64(b.N), "hits/op")
}

func BenchmarkAnnounce(b *testing.B) {
	lim := limits.Default()
	tab := NewIndex(&lim).Tenant(1)
	ls := benchLabels(1)
	b.ReportAllocs()
	for range b.N {
		tab.Resolve(ls[0], now, TargetHash, func(s model.Series) { tab.Forget([]model.Series{s}) })
	}
}
