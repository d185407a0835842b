package spanstage

import "github.com/faultline-io/faultline/services/correlator/snapshot"

// Of few requests no share can be told: one error in one request is all of them. A share is therefore of the window, and of those before it as long as
// there were fewer than fewRequests, for a minute at most.
const (
	fewRequests = 10
	recentSpan  = 6
)

// recent are the counts of the last windows, newest first.
type recent struct {
	n, failed, origins [recentSpan]uint32
}

// push begins with the counts of the window that ends.
func (r *recent) push(n, failed, origins uint32) {
	for _, v := range []struct {
		list *[recentSpan]uint32
		now  uint32
	}{{&r.n, n}, {&r.failed, failed}, {&r.origins, origins}} {
		copy(v.list[1:], v.list[:recentSpan-1])
		v.list[0] = v.now
	}
}

// sums returns the counts of as many windows as are needed.
func (r *recent) sums() (n, failed, origins uint32) {
	for i := 0; i < recentSpan && n < fewRequests; i++ {
		n, failed, origins = n+r.n[i], failed+r.failed[i], origins+r.origins[i]
	}
	return n, failed, origins
}

func (r *recent) write(w *snapshot.Writer) {
	for i := range recentSpan {
		w.Uint(uint64(r.n[i]))
		w.Uint(uint64(r.failed[i]))
		w.Uint(uint64(r.origins[i]))
	}
}

func (r *recent) read(from *snapshot.Reader) {
	for i := range recentSpan {
		r.n[i], r.failed[i], r.origins[i] = from.Uint32(), from.Uint32(), from.Uint32()
	}
}
