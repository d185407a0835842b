package pack

// Rollup sums up the samples of one series within one bucket of time, stale markers left out.
type Rollup struct {
	BucketMS int64
	Count    uint64
	Sum      float64
	Min      float64
	Max      float64
	FirstMS  int64
	First    float64
	LastMS   int64
	Last     float64
}

// AppendRollups appends one Rollup for each bucket of sizeMS that times (ascending, Unix ms) touch. NaN values count, and make sum,
// and nothing else, NaN.
func AppendRollups(dst []Rollup, times []int64, values []float64, sizeMS int64) []Rollup {
	start := len(dst)
	for i, t := range times {
		bucket := floorDiv(t, sizeMS) * sizeMS
		v := values[i]
		if len(dst) == start || dst[len(dst)-1].BucketMS != bucket {
			dst = append(dst, Rollup{BucketMS: bucket, Count: 1, Sum: v, Min: v, Max: v, FirstMS: t, First: v, LastMS: t, Last: v})
			continue
		}
		r := &dst[len(dst)-1]
		r.Count++
		r.Sum += v
		if v < r.Min || r.Min != r.Min {
			r.Min = v
		}
		if v > r.Max || r.Max != r.Max {
			r.Max = v
		}
		r.LastMS, r.Last = t, v
	}
	return dst
}
