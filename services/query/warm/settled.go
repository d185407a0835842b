package warm

import (
	"context"
	"time"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// past is a moment at which everything of a tenant before firstMS was packed.
type past struct {
	moment  *clickhouse.MetricParts
	firstMS int64
	at      time.Time
}

const (
	// pastTTL is how long a past answers for: what comes late, to a range that has ended, is seen this much later at most.
	pastTTL = time.Second
	// pastAge is how long ago a range must have ended for its samples to be packed, by and large.
	pastAge = 15 * time.Minute
	// pastRows is up to how many samples the earliest is looked for: ten milliseconds or so.
	pastRows = 10_000_000
	// pastTenants bounds the tenants that are remembered.
	pastTenants = 1000
)

// settled returns a moment at which all samples of the question's range were packed; nil when that is not known to be so.
//
// The earliest sample that is not packed is looked up before the parts: one that is earlier and was there then is packed, or is being
// packed, which the parts tell.
func (r *Reader) settled(ctx context.Context, q clickhouse.SampleQuery, m *clickhouse.MetricParts) (*clickhouse.MetricParts, error) {
	now := r.deps.Now()
	if q.MaxMS > now.Add(-pastAge).UnixMilli() || m.Packing || m.RecentRows > pastRows {
		return nil, nil
	}
	r.mu.Lock()
	p, ok := r.pasts[q.Tenant]
	r.mu.Unlock()
	if age := now.Sub(p.at); !ok || age < 0 || age >= pastTTL {
		statsOf(ctx).statement()
		first, err := r.FirstRecent(ctx, q.Tenant)
		if err != nil {
			return nil, err
		}
		after, err := r.fresh(ctx)
		if err != nil || after == nil || after.Packing {
			return nil, err
		}
		p = past{after, first, now}
		r.remember(q.Tenant, p)
	}
	if q.MaxMS >= p.firstMS {
		return nil, nil
	}
	return p.moment, nil
}

func (r *Reader) remember(tenant model.TenantID, p past) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pasts == nil || len(r.pasts) >= pastTenants {
		r.pasts = map[model.TenantID]past{}
	}
	r.pasts[tenant] = p
}
