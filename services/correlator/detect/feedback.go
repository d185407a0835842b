package detect

import (
	"cmp"
	"maps"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// maxFeedback bounds what people said; beyond it what ends first goes.
const maxFeedback = 10_000

// feedbackKey is a signal of an entity; signal is "" for all of them.
type feedbackKey struct {
	entity model.Entity
	signal string
}

// judgement is what people said of a signal.
type judgement struct {
	kind    model.FeedbackKind
	untilMS int64 // 0 for ever.
	rejects uint8 // Each makes the detector more careful.
}

// Feedback takes what a person said of a signal of an entity, all of its signals where signal is "". Mute and expected keep findings back until
// untilMS, 0 for ever; expected also takes the level of now as the normal one. A rejection makes the next finding need ten times the evidence, a
// confirmation takes that back. It is part of the ordered input.
func (d *Detector) Feedback(entity model.Entity, signal string, kind model.FeedbackKind, untilMS int64) {
	key := feedbackKey{entity, signal}
	j, known := d.feedback[key]
	switch kind {
	case model.FeedbackMute, model.FeedbackExpected:
		j.kind, j.untilMS = kind, untilMS
		if kind == model.FeedbackExpected {
			d.accept(key)
		}
	case model.FeedbackReject:
		j.rejects = min(j.rejects+1, 4)
	case model.FeedbackConfirm:
		j = judgement{}
	default:
		return
	}
	if !known && len(d.feedback) >= maxFeedback {
		d.dropFeedback()
	}
	if j == (judgement{}) {
		delete(d.feedback, key)
		return
	}
	d.feedback[key] = j
}

// Revoke takes back what was said of a signal.
func (d *Detector) Revoke(entity model.Entity, signal string) {
	delete(d.feedback, feedbackKey{entity, signal})
}

// accept ends the episodes of a signal and takes its level as the normal one.
func (d *Detector) accept(key feedbackKey) {
	for _, g := range d.sorted {
		if g.key.entity != key.entity {
			continue
		}
		for _, s := range g.members {
			if s.ep.open() && (key.signal == "" || s.src.Name == key.signal) {
				s.settle()
				d.end(s, s.stepMS)
			}
		}
	}
}

// dropFeedback forgets the entry that ends first.
func (d *Detector) dropFeedback() {
	keys := slices.SortedFunc(maps.Keys(d.feedback), func(a, b feedbackKey) int {
		x, y := d.feedback[a].untilMS, d.feedback[b].untilMS
		if x == 0 {
			x = 1 << 62
		}
		if y == 0 {
			y = 1 << 62
		}
		return cmp.Or(cmp.Compare(x, y), a.compare(b))
	})
	delete(d.feedback, keys[0])
}

func (k feedbackKey) compare(o feedbackKey) int {
	return cmp.Or(k.entity.Compare(o.entity), cmp.Compare(k.signal, o.signal))
}

// caution is the factor on the level of a series that rejections left.
func (d *Detector) caution(s *series) float32 {
	if len(d.feedback) == 0 {
		return 1
	}
	f := float32(1)
	for range max(d.feedback[feedbackKey{s.group.key.entity, s.src.Name}].rejects, d.feedback[feedbackKey{s.group.key.entity, ""}].rejects) {
		f /= 10
	}
	return f
}

// mutedAt reports whether a person asked not to hear of a series.
func (d *Detector) mutedAt(s *series, ms int64) bool {
	return d.mutedKey(feedbackKey{s.group.key.entity, s.src.Name}, ms) || d.mutedEntity(s.group, ms)
}

func (d *Detector) mutedEntity(g *group, ms int64) bool {
	return d.mutedKey(feedbackKey{g.key.entity, ""}, ms)
}

func (d *Detector) mutedKey(k feedbackKey, ms int64) bool {
	j, ok := d.feedback[k]
	return ok && (j.kind == model.FeedbackMute || j.kind == model.FeedbackExpected) && (j.untilMS == 0 || ms < j.untilMS)
}

// expire forgets mutes that are over, and instances that began long ago.
func (d *Detector) expire() {
	w := d.mark.WatermarkMS
	for k, j := range d.feedback {
		if j.untilMS != 0 && w > j.untilMS {
			j.kind, j.untilMS = "", 0
			if d.feedback[k] = j; j.rejects == 0 {
				delete(d.feedback, k)
			}
		}
	}
	for p, at := range d.births {
		if w-at > hourMS {
			delete(d.births, p)
		}
	}
}
