package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	chgo "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// bulkPool hands out connections of ch-go, the protocol layer below clickhouse-go: it reads and writes whole columns as slices,
// without reflection, which is what samples and log lines by the million need.
type bulkPool struct {
	opts chgo.Options
	idle chan *chgo.Client
}

// maxIdleBulk bounds the idle bulk connections: the writers of three signals, the packer and some queries.
const maxIdleBulk = 8

func newBulkPool(o *ch.Options) *bulkPool {
	addr := "127.0.0.1:9000"
	if len(o.Addr) > 0 {
		addr = o.Addr[0]
	}
	p := &bulkPool{
		opts: chgo.Options{
			Address: addr, Database: o.Auth.Database, User: o.Auth.Username, Password: o.Auth.Password, TLS: cloneTLS(o.TLS),
			Compression: compressionTo(addr), ClientName: "faultline", ReadTimeout: 5 * time.Minute, DialTimeout: dialTimeout,
		},
		idle: make(chan *chgo.Client, maxIdleBulk),
	}
	if o.TLS == nil {
		p.opts.Dialer = politeDialer{} // ch-go wants its own dialer for TLS, and a server with TLS is not the embedded engine
	}
	return p
}

// compressionTo returns how columns travel to addr. On the same machine nothing is compressed: LZ4 costs the writer as much as all its
// other work (4 CPU seconds a GB of logs), and memory is faster than it.
func compressionTo(addr string) chgo.Compression {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return chgo.CompressionLZ4
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return chgo.CompressionDisabled
	}
	return chgo.CompressionLZ4
}

func cloneTLS(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	return c.Clone()
}

func (p *bulkPool) close() {
	for {
		select {
		case c := <-p.idle:
			_ = c.Close()
		default:
			return
		}
	}
}

// Bulk runs q on a pooled connection. Cancelling ctx cancels the query on the server. An idle connection that turns out to be dead
// is replaced; a query that has begun is never repeated here.
func (d *DB) Bulk(ctx context.Context, q chgo.Query) error {
	c, err := d.bulk.take(ctx)
	if err != nil {
		return err
	}
	err = c.Do(ctx, q)
	if c.IsClosed() || (err != nil && !isException(err)) {
		_ = c.Close()
	} else {
		d.bulk.give(c)
	}
	if err != nil {
		return queryError(err)
	}
	return nil
}

func (p *bulkPool) take(ctx context.Context) (*chgo.Client, error) {
	for {
		select {
		case c := <-p.idle:
			if c.IsClosed() || c.Ping(ctx) != nil {
				_ = c.Close()
				continue
			}
			return c, nil
		default:
		}
		c, err := chgo.Dial(ctx, p.opts)
		if err != nil {
			if ctx.Err() != nil {
				return nil, queryError(ctx.Err())
			}
			return nil, errs.New(errs.Unavailable, "connect to ClickHouse: %w", err)
		}
		return c, nil
	}
}

func (p *bulkPool) give(c *chgo.Client) {
	select {
	case p.idle <- c:
	default:
		_ = c.Close()
	}
}

func isException(err error) bool {
	var e *chgo.Exception
	return errors.As(err, &e)
}

// ClickHouse exception codes by what the caller can do (src/Common/ErrorCodes.cpp of ClickHouse).
var exceptionKinds = map[proto.Error]errs.Kind{
	6: errs.Invalid, 27: errs.Invalid, 41: errs.Invalid, 53: errs.Invalid, 69: errs.Invalid, 70: errs.Invalid, 131: errs.Invalid,
	62: errs.Invalid, 36: errs.Invalid, 43: errs.Invalid, 427: errs.Invalid,
	158: errs.Exhausted, 159: errs.Timeout, 160: errs.Timeout, 202: errs.Exhausted, 241: errs.Exhausted, 243: errs.Exhausted, 252: errs.Exhausted, 307: errs.Exhausted, 396: errs.Exhausted,
	394: errs.Canceled, 516: errs.Unauthenticated, 497: errs.Forbidden, 164: errs.Forbidden,
}

// queryError gives an error of either driver a kind: Invalid when the data or the query is at fault, Exhausted for limits, disk and
// memory, Unavailable when the server is gone.
func queryError(err error) error {
	var e *chgo.Exception
	var e2 *ch.Exception
	code := proto.Error(0)
	switch {
	case errors.As(err, &e):
		code = e.Code
	case errors.As(err, &e2):
		code = proto.Error(e2.Code)
	case errors.Is(err, context.Canceled):
		return errs.New(errs.Canceled, "query ClickHouse: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return errs.New(errs.Timeout, "query ClickHouse: %w", err)
	default:
		return errs.New(errs.Unavailable, "query ClickHouse: %w", err)
	}
	kind, ok := exceptionKinds[code]
	if !ok {
		kind = errs.Unavailable
	}
	return errs.New(kind, "query ClickHouse: %w", err)
}
