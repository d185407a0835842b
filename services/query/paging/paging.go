// Package paging makes and reads the opaque cursors of lists. A cursor holds the sort key of the last item of a page and a hash of
// the filters, so that a cursor is refused when the filters changed under it. Cursors are not secret and not signed: what they hold is
// only ever used as a bound on the sort key, under the tenant of the request.
package paging

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/problem"
)

// Limits of a page, as in the contract.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// maxCursor bounds what is decoded; ours are far shorter.
const maxCursor = 4096

// envelope is the decoded cursor.
type envelope struct {
	Filter string          `json:"f"`
	Key    json.RawMessage `json:"k"`
}

// FilterHash returns the hash of the filters of a list, in the order in which the caller names them.
func FilterHash(filters ...string) string {
	var buf []byte
	for _, f := range filters {
		buf = model.AppendIdentity(buf, "", f)
	}
	return strconv.FormatUint(model.Hash64(string(buf)), 36)
}

// Encode returns the cursor after an item with sort key key, for a list filtered by filter (FilterHash).
func Encode[K any](filter string, key K) (string, error) {
	k, err := json.Marshal(key)
	if err != nil {
		return "", errs.New(errs.Internal, "encode cursor: %w", err)
	}
	b, err := json.Marshal(envelope{Filter: filter, Key: k})
	if err != nil {
		return "", errs.New(errs.Internal, "encode cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// Decode returns the sort key in cursor; ok is false when cursor is empty, that is, for the first page. Errors: errs.Invalid with code
// bad_cursor when it is not one of ours, or belongs to a list with other filters.
func Decode[K any](cursor, filter string) (key K, ok bool, err error) {
	if cursor == "" {
		return key, false, nil
	}
	bad := func(msg string) (K, bool, error) {
		var zero K
		return zero, false, problem.WithCode("bad_cursor", problem.InvalidField("query.cursor", msg, nil))
	}
	if len(cursor) > maxCursor {
		return bad("is not a cursor of this list")
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return bad("is not a cursor of this list")
	}
	var e envelope
	if json.Unmarshal(b, &e) != nil {
		return bad("is not a cursor of this list")
	}
	if e.Filter != filter {
		return bad("belongs to other filters: start again without it")
	}
	if json.Unmarshal(e.Key, &key) != nil {
		return bad("is not a cursor of this list")
	}
	return key, true, nil
}

// Limit returns the page size for the limit that was asked for; 0 is the default.
func Limit(asked int) int {
	if asked <= 0 {
		return DefaultLimit
	}
	return min(asked, MaxLimit)
}
