package clickhouse

import (
	"context"
	"strconv"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// LedgerReader reads the ledger. It is safe for concurrent use.
type LedgerReader struct {
	db *DB
}

// NewLedgerReader returns a reader of db.
func NewLedgerReader(db *DB) *LedgerReader { return &LedgerReader{db: db} }

// asTenant returns a context whose queries see one tenant's rows.
func asTenant(ctx context.Context, tenant model.TenantID) context.Context {
	return withSettings(ctx, ch.Settings{tenantSetting: strconv.FormatUint(uint64(tenant), 10)})
}

// LedgerSource sums up what one sender's messages of a signal became.
type LedgerSource struct {
	Source       string
	Protocol     string
	Signal       string
	Accepted     uint64
	Stored       uint64
	DeadLetter   uint64
	LastBatch    uint64
	AgentSent    uint64
	LastReceived time.Time
	// Lag is how long the newest message took from reception to the store.
	Lag time.Duration
}

// A batch of an agent may have become several messages, so its rows are added up first: what the agent sent before the window is the
// counter at the first batch less all that this batch brought.
const selectLedgerSources = `
SELECT
    source,
    protocol,
    signal,
    sum(batch_accepted)                                                     AS total_accepted,
    sum(batch_stored)                                                       AS total_stored,
    sum(batch_dead)                                                         AS total_dead,
    toUInt64(greatest(0, toInt64(max(batch_sent)) - toInt64(argMin(batch_sent, agent_batch)) + toInt64(argMin(batch_accepted, agent_batch)))) AS sent,
    max(agent_batch)                                                        AS last_batch,
    max(last)                                                               AS last_received,
    greatest(0, toInt64(dateDiff('millisecond', max(last), argMax(last_stored, last)))) AS lag_ms
FROM
(
    SELECT
        source,
        protocol,
        signal,
        agent_batch,
        sum(accepted)                  AS batch_accepted,
        sum(stored)                    AS batch_stored,
        sum(dead_letter)               AS batch_dead,
        max(agent_sent)                AS batch_sent,
        max(received_at)               AS last,
        argMax(stored_at, received_at) AS last_stored
    FROM ledger
    WHERE tenant_id = {tenant:UInt32}
      AND received_at BETWEEN fromUnixTimestamp64Milli({start:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
    GROUP BY source, protocol, signal, agent_batch
)
GROUP BY source, protocol, signal
ORDER BY source, protocol, signal
LIMIT {limit:UInt64}`

// Sources returns the sums by sender for messages received between start and end.
func (r *LedgerReader) Sources(ctx context.Context, tenant model.TenantID, start, end time.Time, limit int) ([]LedgerSource, error) {
	rows, err := r.db.conn.Query(asTenant(ctx, tenant), selectLedgerSources,
		ch.Named("tenant", uint32(tenant)), ch.Named("start", start.UnixMilli()), ch.Named("end", end.UnixMilli()), ch.Named("limit", uint64(limit)))
	if err != nil {
		return nil, withQueryHint(queryError(err))
	}
	defer rows.Close()
	var out []LedgerSource
	for rows.Next() {
		var s LedgerSource
		var lagMS int64
		if err := rows.Scan(&s.Source, &s.Protocol, &s.Signal, &s.Accepted, &s.Stored, &s.DeadLetter, &s.AgentSent, &s.LastBatch, &s.LastReceived, &lagMS); err != nil {
			return nil, errs.New(errs.Internal, "scan ledger: %w", err)
		}
		s.Lag = time.Duration(lagMS) * time.Millisecond
		out = append(out, s)
	}
	return out, rowsError(rows.Err())
}

// Rejection counts what the gateway refused from a sender for one reason.
type Rejection struct {
	Source   string
	Protocol string
	Signal   string
	Reason   string
	Count    uint64
	Last     time.Time
}

const selectRejections = `
SELECT source, protocol, signal, reason, sum(count) AS total, max(minute) AS last_minute
FROM ledger_rejected
WHERE tenant_id = {tenant:UInt32}
  AND minute BETWEEN toStartOfMinute(toDateTime({start:Int64})) AND toDateTime({end:Int64})
GROUP BY source, protocol, signal, reason
ORDER BY total DESC, source, protocol, signal, reason
LIMIT {limit:UInt64}`

// Rejections returns what was refused between start and end, by reason.
func (r *LedgerReader) Rejections(ctx context.Context, tenant model.TenantID, start, end time.Time, limit int) ([]Rejection, error) {
	rows, err := r.db.conn.Query(asTenant(ctx, tenant), selectRejections,
		ch.Named("tenant", uint32(tenant)), ch.Named("start", start.Unix()), ch.Named("end", end.Unix()), ch.Named("limit", uint64(limit)))
	if err != nil {
		return nil, withQueryHint(queryError(err))
	}
	defer rows.Close()
	var out []Rejection
	for rows.Next() {
		var j Rejection
		if err := rows.Scan(&j.Source, &j.Protocol, &j.Signal, &j.Reason, &j.Count, &j.Last); err != nil {
			return nil, errs.New(errs.Internal, "scan rejections: %w", err)
		}
		out = append(out, j)
	}
	return out, rowsError(rows.Err())
}

// LedgerStream says which sequences of a stream the ledger has.
type LedgerStream struct {
	Stream   string
	Epoch    uint64
	FirstSeq uint64
	// Rows counts rows, Distinct the sequences among them, and Below the sequences up to the floor that was asked about.
	Rows     uint64
	Distinct uint64
	Below    uint64
	// Balanced says that accepted = stored + dead letter over all rows.
	Balanced bool
}

const selectLedgerStreams = `
SELECT
    stream,
    epoch,
    min(seq)                                                     AS first_seq,
    count()                                                      AS all_rows,
    uniqExact(seq)                                               AS sequences,
    uniqExactIf(seq, seq <= {floors:Map(String, UInt64)}[stream]) AS below,
    sum(accepted) = sum(stored) + sum(dead_letter)               AS sums_match
FROM ledger
WHERE received_at >= fromUnixTimestamp64Milli({since:Int64})
  AND (stream, epoch) IN
  (
      SELECT stream, max(epoch)
      FROM ledger
      WHERE received_at >= fromUnixTimestamp64Milli({since:Int64})
      GROUP BY stream
  )
GROUP BY stream, epoch
ORDER BY stream
LIMIT 1000`

// Streams returns what the ledger has of the current epoch of each stream, for messages received since a time. floors are the
// acknowledgement floors by stream. It looks at all tenants, so it needs a user without row policies to be complete.
func (r *LedgerReader) Streams(ctx context.Context, tenant model.TenantID, since time.Time, floors map[string]uint64) ([]LedgerStream, error) {
	if floors == nil {
		floors = map[string]uint64{}
	}
	rows, err := r.db.conn.Query(asTenant(ctx, tenant), selectLedgerStreams, ch.Named("since", since.UnixMilli()), ch.Named("floors", floors))
	if err != nil {
		return nil, withQueryHint(queryError(err))
	}
	defer rows.Close()
	var out []LedgerStream
	for rows.Next() {
		var s LedgerStream
		var match uint8
		if err := rows.Scan(&s.Stream, &s.Epoch, &s.FirstSeq, &s.Rows, &s.Distinct, &s.Below, &match); err != nil {
			return nil, errs.New(errs.Internal, "scan ledger streams: %w", err)
		}
		s.Balanced = match != 0
		out = append(out, s)
	}
	return out, rowsError(rows.Err())
}

const selectSenders = `
SELECT protocol, if(startsWith(source, 'agent:'), 1, 0) AS agent, min(received_at) AS first, max(received_at) AS last, sum(accepted) AS total
FROM ledger
WHERE tenant_id = {tenant:UInt32}
GROUP BY protocol, agent
ORDER BY protocol, agent
LIMIT 1000`

// Sender sums up everything that arrived over one protocol, our own agents apart.
type Sender struct {
	Protocol string
	Agent    bool
	First    time.Time
	Last     time.Time
	Accepted uint64
}

// Senders returns what has arrived ever (as far as the ledger reaches), by protocol.
func (r *LedgerReader) Senders(ctx context.Context, tenant model.TenantID) ([]Sender, error) {
	rows, err := r.db.conn.Query(asTenant(ctx, tenant), selectSenders, ch.Named("tenant", uint32(tenant)))
	if err != nil {
		return nil, withQueryHint(queryError(err))
	}
	defer rows.Close()
	var out []Sender
	for rows.Next() {
		var s Sender
		var agent uint8
		if err := rows.Scan(&s.Protocol, &agent, &s.First, &s.Last, &s.Accepted); err != nil {
			return nil, errs.New(errs.Internal, "scan senders: %w", err)
		}
		s.Agent = agent != 0
		out = append(out, s)
	}
	return out, rowsError(rows.Err())
}

// rowsError gives the error that ended a list its kind.
func rowsError(err error) error {
	if err == nil {
		return nil
	}
	return withQueryHint(queryError(err))
}
