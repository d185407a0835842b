package live

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// journalKey is the key of the journal; what it holds ends at the next snapshot.
const journalKey = "journal"

// entry is one mark with what had been read before it.
type entry struct {
	Mark eventtime.Mark `json:"mark"`
	// Places has the last sequence of each reader, by placeKey.
	Places map[string]uint64 `json:"places"`
	// Outside are the findings of others that came with it.
	Outside []model.Finding `json:"outside,omitempty"`
}

// maxJournaled bounds the findings of others that one mark keeps in the journal: about a kilobyte each.
const maxJournaled = 500

// journal has the marks since the last snapshot. The loop appends to it while snapshots shorten it.
type journal struct {
	kv bus.KV
	// mu guards entries and their order in the bucket.
	mu      sync.Mutex
	entries []entry
}

func openJournal(ctx context.Context, kv bus.KV) (*journal, error) {
	j := &journal{kv: kv}
	data, err := kv.Get(ctx, journalKey)
	if errs.KindOf(err) == errs.NotFound {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &j.entries); err != nil {
		return nil, fmt.Errorf("journal of marks: %w", err)
	}
	return j, nil
}

// append writes a mark down before it is made.
func (j *journal) append(ctx context.Context, e entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	return j.write(ctx)
}

// trim forgets what a snapshot holds.
func (j *journal) trim(ctx context.Context, seq uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for n < len(j.entries) && j.entries[n].Mark.Seq <= seq {
		n++
	}
	j.entries = slices.Clone(j.entries[n:])
	return j.write(ctx)
}

func (j *journal) write(ctx context.Context) error {
	data, err := json.Marshal(j.entries)
	if err != nil {
		return fmt.Errorf("journal of marks: %w", err)
	}
	return j.kv.Put(ctx, journalKey, data)
}

func placeKey(p place) string { return fmt.Sprintf("%s-%d", p.signal, p.shard) }

// places are the positions of all readers.
func places(shards int) []place {
	var out []place
	for _, s := range signals {
		for shard := range shards {
			out = append(out, place{s, shard})
		}
	}
	return append(out, place{signal: signalCommands})
}
