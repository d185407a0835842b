package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// sqlTenantPrefix begins a statement's query id, before the tenant: the row policies of the engine's user sql read it there.
const sqlTenantPrefix = "sql-"

// maxErrorBytes bounds what is read of the server's error message.
const maxErrorBytes = 8 << 10

// SQL runs people's own statements over the server's HTTP interface, which answers in every format there is, Parquet and Arrow
// included, without a row passing through our hands. The user in its address must be confined by the server: see docs/api/sql.md.
// It is safe for concurrent use.
type SQL struct {
	base     url.URL
	database string
	user     string
	password string
	client   *http.Client
}

// OpenSQL returns a client for an address http://user:password@host:port/database; it does not connect yet. Errors: errs.Invalid.
func OpenSQL(address string) (*SQL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || len(u.Path) < 2 {
		return nil, errs.WithHint(errs.Invalid, "use http://user:password@host:8123/faultline", "the address for SQL cannot be read")
	}
	s := &SQL{base: url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}, database: strings.TrimPrefix(u.Path, "/"), user: u.User.Username()}
	s.password, _ = u.User.Password()
	t := &http.Transport{MaxIdleConns: 4, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, DisableCompression: true}
	t.DialContext = politeDialer{}.DialContext
	s.client = &http.Client{Transport: t}
	return s, nil
}

// Close closes idle connections.
func (s *SQL) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// SQLAnswer is an answer that is still being written by the server. Body must be closed; an error while it is read means that the
// answer is not whole.
type SQLAnswer struct {
	Body io.ReadCloser
	// Format is the server's name of the format, which a FORMAT clause may have chosen.
	Format string
}

// Run starts a statement for a tenant; format is the server's name of one. Ending ctx or closing the body ends it on the server too.
// Errors: errs.Invalid, errs.Forbidden, errs.Exhausted, errs.Timeout or errs.Unavailable.
func (s *SQL) Run(ctx context.Context, tenant model.TenantID, statement, format string) (*SQLAnswer, error) {
	var nonce [8]byte
	_, _ = rand.Read(nonce[:]) // never fails
	u := s.base
	u.RawQuery = url.Values{
		"database":       {s.database},
		"default_format": {format},
		"query_id":       {sqlTenantPrefix + strconv.FormatUint(uint64(tenant), 10) + "-" + hex.EncodeToString(nonce[:])},
	}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(statement))
	if err != nil {
		return nil, errs.New(errs.Internal, "ask ClickHouse: %w", err)
	}
	req.Header.Set("X-ClickHouse-User", s.user)
	req.Header.Set("X-ClickHouse-Key", s.password)
	resp, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, errs.New(errs.KindOf(ctx.Err()), "ask ClickHouse: %w", ctx.Err())
		}
		return nil, errs.WithHint(errs.Unavailable, "try again; the log says what happened to the engine", "ask ClickHouse: %v", err)
	}
	if resp.StatusCode == http.StatusOK {
		return &SQLAnswer{Body: resp.Body, Format: resp.Header.Get("X-ClickHouse-Format")}, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	return nil, sqlError(resp.Header.Get("X-ClickHouse-Exception-Code"), string(text))
}

// sqlError turns the server's message into an error. In a statement of a person's own what the server complains of is the statement,
// unless the code is known to mean something else.
func sqlError(codeText, text string) error {
	code, err := strconv.Atoi(codeText)
	if err != nil {
		return errs.New(errs.Unavailable, "ClickHouse answered: %.300s", text)
	}
	kind, ok := exceptionKinds[proto.Error(code)]
	switch {
	case code == 164: // The readonly mode: it is about a setting or a change.
		kind = errs.Forbidden
	case !ok:
		kind = errs.Invalid
	case kind == errs.Unauthenticated:
		kind = errs.Unavailable // Our own password is wrong, not the asker's.
	}
	text = strings.TrimSpace(text)
	if i := strings.LastIndex(text, " (version "); i > 0 {
		text = text[:i]
	}
	text = strings.Replace(text, "Code: "+codeText+". DB::Exception: ", "", 1)
	hint := "see docs/api/sql.md"
	switch kind {
	case errs.Exhausted, errs.Timeout:
		hint = "ask for a shorter time, fewer columns or fewer rows"
	case errs.Forbidden:
		hint = "statements read the product's tables; settings cannot be changed"
	default:
	}
	return &errs.Error{Kind: kind, Msg: text, Hint: hint}
}
