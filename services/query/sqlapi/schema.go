package sqlapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// selectSchema asks for what the user of statements may read; the engine leaves the rest out of its own tables.
const selectSchema = `
SELECT c.table, t.comment, c.name, c.type, c.comment, c.is_in_sorting_key
FROM system.columns AS c
INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database = currentDatabase()
ORDER BY c.table, c.position
LIMIT 5000`

// Schema is what statements can read.
type Schema struct {
	Tables []Table `json:"tables"`
}

// Table is one table or view.
type Table struct {
	Name    string   `json:"name"`
	Comment string   `json:"comment"`
	Columns []Column `json:"columns"`
}

// Column is one column of a table.
type Column struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Comment string `json:"comment"`
	Sorted  bool   `json:"sorted" doc:"Conditions on it are fast, the first of the table's most"`
}

type schemaOutput struct {
	Body Schema
}

func (h *handlers) schema(ctx context.Context, _ *struct{}) (*schemaOutput, error) {
	sql, err := h.ready()
	if err != nil {
		return nil, err
	}
	a, err := sql.Run(ctx, reqctx.Tenant(ctx), selectSchema, "JSONCompactEachRow")
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	out := &schemaOutput{Body: Schema{Tables: []Table{}}}
	for dec := json.NewDecoder(a.Body); ; {
		var table, comment string
		var c Column
		var sorted uint8
		err := dec.Decode(&[]any{&table, &comment, &c.Name, &c.Type, &c.Comment, &sorted})
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, errs.New(errs.Unavailable, "read the schema: %w", err)
		}
		c.Sorted = sorted == 1
		ts := &out.Body.Tables
		if n := len(*ts); n == 0 || (*ts)[n-1].Name != table {
			*ts = append(*ts, Table{Name: table, Comment: comment})
		}
		last := &(*ts)[len(*ts)-1]
		last.Columns = append(last.Columns, c)
	}
}
