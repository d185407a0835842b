package responder

import (
	"time"

	"github.com/prometheus/prometheus/rules"

	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
)

// maxMissed bounds how many evaluations of a group are made up for at once: those of the longest takeover at an interval of half a second.
const maxMissed = 64

// seen is when a group was evaluated last before this term, as the leader before published it.
type seen struct {
	at time.Time
	// short says that nobody led for a takeover only, so that what was missed is made up for and all goes on as if somebody had looked all the time.
	short bool
}

// firstTime returns what is known of a group from before this term, when it is asked for the first time; later versions of the group have
// nothing to make up for.
func (e *evaluator) firstTime(g *rules.Group) seen {
	key := alertstate.GroupKey(g.File(), g.Name())
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.before.seen[key]
	delete(e.before.seen, key)
	return s
}

// unseen reports whether the leader before evaluated a group and this one has not yet.
func (e *evaluator) unseen(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.before.seen[key]
	return ok
}

// moments returns when a group is to be evaluated: at, and before it what was due while one leader was gone and the next had not begun, so that
// what is recorded has no gap. The evaluation during which the leader died is among them, since it was not published; one that was recorded
// and not published is repeated at its own moment, which makes the same samples again. All processes have the same moments for a group: they
// follow from its name and file.
func (s seen) moments(g *rules.Group, at time.Time) []time.Time {
	var out []time.Time
	if s.short {
		for t := g.EvalTimestamp(s.at.UnixNano()).Add(g.Interval()); t.Before(at) && len(out) < maxMissed; t = t.Add(g.Interval()) {
			out = append(out, t)
		}
	}
	return append(out, at)
}
