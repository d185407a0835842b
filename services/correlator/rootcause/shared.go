package rootcause

import (
	"math"
)

// sharedVerdict says that several dependents of one resource are in trouble and others are not.
type sharedVerdict struct {
	hit, dependents, hitElsewhere, elsewhere int
	p                                        float64
}

// shared finds what several troubled entities have in common: the host they run on, the database they call. The probability is that of as many
// troubled ones among its dependents if trouble were spread by chance (hypergeometric).
func (c *incident) shared() {
	troubled := make([]bool, len(c.nodes))
	total, all := 0, 0
	for i := range c.nodes {
		n := &c.nodes[i]
		if n.whole >= 0 || len(n.tenants) > 0 || c.blind(i) {
			continue
		}
		all++
		if c.ownTrouble(i) >= troubleFrom {
			troubled[i] = true
			total++
		}
	}
	for i := range c.nodes {
		n := &c.nodes[i]
		dependents := n.tenants
		if len(dependents) == 0 && c.blind(i) {
			dependents = n.callers
		}
		if len(dependents) < 2 {
			continue
		}
		hit, size := 0, 0
		for _, d := range dependents {
			if c.blind(d) {
				continue
			}
			size++
			if troubled[d] {
				hit++
			}
		}
		if hit < 2 {
			continue
		}
		p := hypergeometric(all, total, size, hit)
		n.shared = &sharedVerdict{hit: hit, dependents: size, hitElsewhere: total - hit, elsewhere: all - size, p: p}
	}
}

// troubleFrom is the evidence from which an entity counts as troubled: one in a hundred.
const troubleFrom = 2

// ownTrouble is what a node has that its dependencies do not explain.
func (c *incident) ownTrouble(i int) float64 {
	most := 0.0
	for col := range c.nodes[i].cells {
		if column(col) != colTraffic {
			most = max(most, c.nodes[i].cells[col].w)
		}
	}
	return most
}

// hypergeometric returns the probability that among size drawn of all there are hit or more of the total marked ones.
func hypergeometric(all, total, size, hit int) float64 {
	p := 0.0
	for k := hit; k <= min(size, total); k++ {
		if size-k > all-total {
			continue
		}
		p += math.Exp(logChoose(total, k) + logChoose(all-total, size-k) - logChoose(all, size))
	}
	return min(1, p)
}

func logChoose(n, k int) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	d, _ := math.Lgamma(float64(n - k + 1))
	return a - b - d
}
