// Package limits says how much a receiver takes from a sender and what it answers beyond that: sizes, counts and times, the
// memory that requests may hold at once, decompression that cannot explode, and the count of everything refused by reason.
package limits

import (
	"errors"
	"fmt"
	"time"
)

// Limits are the bounds that every receiver applies. Zero values of the two times mean no bound.
type Limits struct {
	// MaxBodyBytes bounds a request as it comes over the wire, MaxDecodedBytes after decompression.
	MaxBodyBytes    int64
	MaxDecodedBytes int64
	// MaxInflightBytes bounds what all requests being handled hold together; beyond it senders are asked to come back.
	MaxInflightBytes int64
	// MaxLabels, MaxLabelNameBytes and MaxLabelValueBytes bound a series; a series beyond them is refused.
	MaxLabels          int
	MaxLabelNameBytes  int
	MaxLabelValueBytes int
	// MaxAttributes bounds the attributes of a log record, a span or a resource; more are cut off and counted.
	MaxAttributes int
	// MaxAttributeBytes bounds one attribute value of a log record or span; longer ones are cut off and counted.
	MaxAttributeBytes int
	// MaxLineBytes bounds a log body; a longer one is cut off and counted.
	MaxLineBytes int
	// MaxSeries bounds the active series of a tenant.
	MaxSeries int
	// MaxFuture is how far ahead of our clock a timestamp may be.
	MaxFuture time.Duration
	// MaxAge is how far back a timestamp may be; 0 takes everything, so that history can be imported.
	MaxAge time.Duration
}

// Default returns the limits of a fresh installation.
func Default() Limits {
	return Limits{
		MaxBodyBytes:       32 << 20,
		MaxDecodedBytes:    64 << 20,
		MaxInflightBytes:   256 << 20,
		MaxLabels:          64,
		MaxLabelNameBytes:  256,
		MaxLabelValueBytes: 4 << 10,
		MaxAttributes:      128,
		MaxAttributeBytes:  16 << 10,
		MaxLineBytes:       256 << 10,
		MaxSeries:          5_000_000,
		MaxFuture:          10 * time.Minute,
	}
}

// Validate names the first bound that makes no sense.
func (l Limits) Validate() error {
	for _, c := range []struct {
		name string
		v    int64
	}{
		{"max_body_bytes", l.MaxBodyBytes}, {"max_decoded_bytes", l.MaxDecodedBytes}, {"max_inflight_bytes", l.MaxInflightBytes},
		{"max_labels", int64(l.MaxLabels)}, {"max_label_name_bytes", int64(l.MaxLabelNameBytes)},
		{"max_label_value_bytes", int64(l.MaxLabelValueBytes)}, {"max_attributes", int64(l.MaxAttributes)},
		{"max_attribute_bytes", int64(l.MaxAttributeBytes)}, {"max_line_bytes", int64(l.MaxLineBytes)},
		{"max_series", int64(l.MaxSeries)},
	} {
		if c.v <= 0 {
			return fmt.Errorf("%s is %d, must be above 0", c.name, c.v)
		}
	}
	if l.MaxFuture < 0 || l.MaxAge < 0 {
		return fmt.Errorf("max_future and max_age must not be negative")
	}
	if l.MaxInflightBytes < l.MaxDecodedBytes {
		return fmt.Errorf("max_inflight_bytes is %d, must be at least max_decoded_bytes (%d)", l.MaxInflightBytes, l.MaxDecodedBytes)
	}
	return nil
}

// Window is the span of timestamps taken now, in Unix milliseconds.
type Window struct {
	MinMS int64
	MaxMS int64
}

// Window returns the timestamps that l takes at now.
func (l Limits) Window(now time.Time) Window {
	w := Window{MinMS: minTimeMS, MaxMS: now.Add(l.MaxFuture).UnixMilli()}
	if l.MaxAge > 0 {
		w.MinMS = now.Add(-l.MaxAge).UnixMilli()
	}
	return w
}

// minTimeMS is 1970-01-02: a timestamp before it is a sender that sent none, or seconds for milliseconds of a young clock.
const minTimeMS = 24 * 3600 * 1000

// Reason returns why a timestamp is refused, or "".
func (w Window) Reason(ms int64) string {
	if ms > w.MaxMS {
		return TooFarInFuture
	}
	if ms < w.MinMS {
		return TooOld
	}
	return ""
}

// Reasons under which items are refused or cut; they are the ledger's keys and stay as they are.
const (
	TooFarInFuture  = "too_far_in_future"
	TooOld          = "too_old"
	SeriesLimit     = "series_limit"
	MissingName     = "missing_name"
	DuplicateLabel  = "duplicate_label"
	TooManyLabels   = "too_many_labels"
	LabelTooLong    = "label_too_long"
	InvalidUTF8     = "invalid_utf8"
	InvalidData     = "invalid_data"
	InvalidID       = "invalid_id"
	InvalidType     = "unsupported_type"
	OutOfOrderDelta = "out_of_order_delta"
	StateLimit      = "delta_state_limit"
	BodyTooLarge    = "body_too_large"
	BusFull         = "bus_full"
	BusUnavailable  = "bus_unavailable"
	Unauthenticated = "unauthenticated"
	CrossOrigin     = "cross_origin"
	MemoryFull      = "memory_full"
	// IncompleteChunks counts messages whose other chunks never came.
	IncompleteChunks = "incomplete_chunks"
	// Truncated and AttributesDropped count items that were stored, but not whole.
	Truncated         = "truncated"
	AttributesDropped = "attributes_dropped"
	// Redacted counts items in which secrets were replaced.
	Redacted = "redacted"
	// Dropped, Sampled, RateLimited and Aggregated count items that the operator's pipeline let go no further.
	Dropped     = "dropped"
	Sampled     = "sampled"
	RateLimited = "rate_limited"
	Aggregated  = "aggregated"
)

// ErrRateLimited is wrapped by the refusal of a whole request because its sender is over its rate.
var ErrRateLimited = errors.New("over the rate that the pipeline allows")
