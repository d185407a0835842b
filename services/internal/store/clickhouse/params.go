package clickhouse

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// tenantSetting is the setting in which a query names its tenant; the engine's row policies confine readers by it.
const tenantSetting = "log_comment"

// TenantTables lists the tables whose rows belong to tenants, for the engine's row policies: a reader that forgot to ask for its tenant
// sees nothing. Every table with a tenant_id is here; a test compares.
func TenantTables() []string {
	return []string{
		"series", "metric_metadata", "samples_recent", "samples_packing", "samples_packed", "samples_5m", "samples_1h", "histograms", "exemplars",
		"logs", "log_volume", "resources", "spans", "trace_index", "span_calls_1m", "ledger", "ledger_rejected", "entities", "edges",
		"log_shapes", "log_shape_counts", "log_templates", "changes", "alerts", "forecasts", "forecast_actuals",
		"findings", "incidents", "commands", "marks", "samples_aside",
	}
}

// TenantViews lists the plain views over such tables that people may read. A view asks as its reader, so the policies hold in it.
func TenantViews() []string {
	return []string{"samples", "sql_metric", "sql_spans", "sql_logs", "sql_incidents"}
}

// params are the values of a statement's {name:Type} parameters.
//
// The native protocol carries each as a quoted literal whose content is then read as a value of its type, strings in the escaping of
// tab-separated files: so strings are escaped twice and the strings of arrays are quoted inside.
type params []proto.Parameter

var (
	// escapeText escapes a string as tab-separated files do.
	escapeText = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)
	// escapeQuoted escapes what stands between single quotes.
	escapeQuoted = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)
)

func quoted(s string) string { return "'" + escapeQuoted.Replace(s) + "'" }

func (p *params) add(name, content string) {
	*p = append(*p, proto.Parameter{Key: name, Value: quoted(content)})
}

func (p *params) str(name, v string)         { p.add(name, escapeText.Replace(v)) }
func (p *params) int(name string, v int64)   { p.add(name, strconv.FormatInt(v, 10)) }
func (p *params) uint(name string, v uint64) { p.add(name, strconv.FormatUint(v, 10)) }

func (p *params) uint32s(name string, vs []uint32) { uints(p, name, vs) }
func (p *params) uint64s(name string, vs []uint64) { uints(p, name, vs) }

func uints[T uint32 | uint64](p *params, name string, vs []T) {
	b := []byte{'['}
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	p.add(name, string(append(b, ']')))
}

func (p *params) int64s(name string, vs []int64) {
	b := []byte{'['}
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, v, 10)
	}
	p.add(name, string(append(b, ']')))
}

func (p *params) strs(name string, vs []string) {
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range vs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoted(v))
	}
	b.WriteByte(']')
	p.add(name, b.String())
}

// read runs a SELECT for a tenant through the column protocol. onBlock is called with result filled by each block; what it keeps it
// must copy.
func (d *DB) read(ctx context.Context, tenant model.TenantID, q chgo.Query, onBlock func(rows int) error) error {
	q.Settings = append(q.Settings, chgo.Setting{Key: tenantSetting, Value: strconv.FormatUint(uint64(tenant), 10), Important: true})
	if deadline, ok := ctx.Deadline(); ok {
		// The engine ends the query by itself a little after nobody waits for it any more.
		left := int(time.Until(deadline).Seconds()) + 2
		q.Settings = append(q.Settings, chgo.SettingInt("max_execution_time", min(max(left, 1), 600)))
	}
	q.OnResult = func(_ context.Context, b proto.Block) error {
		if b.Rows == 0 {
			return nil
		}
		return onBlock(b.Rows)
	}
	err := d.Bulk(ctx, q)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		// Whatever broke when the time was up or the asker hung up, a dial as well as a query, that is the reason.
		return withQueryHint(errs.New(errs.KindOf(ctx.Err()), "query ClickHouse: %w", err))
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The connection has the same deadline as the context and may notice it first.
		return withQueryHint(errs.New(errs.Timeout, "query ClickHouse: %w", err))
	}
	return withQueryHint(err)
}

// withQueryHint tells the asker what to do about an error that the query itself caused.
func withQueryHint(err error) error {
	switch kind := errs.KindOf(err); kind {
	case errs.Exhausted, errs.Timeout:
		return &errs.Error{Kind: kind, Hint: "ask for a shorter time or fewer series", Err: err}
	default:
		return err
	}
}
