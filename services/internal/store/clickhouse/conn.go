package clickhouse

import (
	"context"
	"log/slog"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Options says which server to use and how.
type Options struct {
	// DSN is clickhouse://user:password@host:port/database, native protocol.
	DSN string
	// MaxConns bounds the open connections; 0 means 8.
	MaxConns int
	Log      *slog.Logger
}

// DB is a pool of connections to one database. It is safe for concurrent use.
type DB struct {
	conn driver.Conn
	log  *slog.Logger
	name string
	bulk *bulkPool
	// resources remembers which resources of logs and spans are in the store already.
	resources seenResources
}

// Open returns a pool for o.DSN; it does not connect yet. Errors: errs.Invalid for a DSN that cannot be read.
func Open(o Options) (*DB, error) {
	opts, err := ch.ParseDSN(o.DSN)
	if err != nil {
		// The DSN holds a password, so it is not repeated here, nor is the parser's message.
		return nil, errs.WithHint(errs.Invalid, "use clickhouse://user:password@host:9000/faultline", "the ClickHouse address cannot be read")
	}
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	opts.MaxOpenConns, opts.MaxIdleConns = o.MaxConns, o.MaxConns
	opts.ConnMaxLifetime = time.Hour
	opts.DialTimeout = dialTimeout
	if opts.TLS == nil {
		opts.DialContext = dialPolitely
	}
	opts.ReadTimeout = 5 * time.Minute
	if opts.Compression == nil {
		opts.Compression = &ch.Compression{Method: ch.CompressionLZ4}
	}
	conn, err := ch.Open(opts)
	if err != nil {
		return nil, errs.New(errs.Invalid, "open the ClickHouse pool: %w", err)
	}
	return &DB{conn: conn, log: o.Log, name: opts.Auth.Database, bulk: newBulkPool(opts)}, nil
}

// Conn returns the driver's connection pool, for the readers and writers of this package's callers in internal/store.
func (d *DB) Conn() driver.Conn { return d.conn }

// Database returns the name of the database.
func (d *DB) Database() string { return d.name }

// Ping asks whether the server answers. Errors: errs.Unavailable.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.conn.Ping(ctx); err != nil {
		return errs.New(errs.Unavailable, "ping ClickHouse: %w", err)
	}
	return nil
}

// Close closes the pool.
func (d *DB) Close() error {
	d.bulk.close()
	return d.conn.Close()
}

// withSettings returns a context whose queries run under the given ClickHouse settings.
func withSettings(ctx context.Context, s ch.Settings) context.Context {
	return ch.Context(ctx, ch.WithSettings(s))
}

// chParams returns a context whose query has the given named parameters.
func chParams(ctx context.Context, p map[string]string) context.Context {
	return ch.Context(ctx, ch.WithParameters(p))
}

// Addr returns the address of the server, without credentials.
func (d *DB) Addr() string { return d.bulk.opts.Address }
