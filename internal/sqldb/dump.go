package sqldb

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"terrarium/internal/errs"
)

// tables is every table of the schema but those of the queue and of migrations,
// in an order in which foreign keys find what they name. A test compares it with
// the schema.
func tables() []string {
	return []string{
		"access_state", "instance", "owners", "users", "organizations", "memberships", "groups", "group_members", "grants",
		"tokens", "sessions", "links", "limits", "audit", "channels", "generations", "generation_names", "packages", "releases",
		"files", "file_info", "file_channels", "records", "shards", "uploads", "download_days", "notices", "idempotency",
	}
}

// dumpTable begins a table in a dump; its rows follow, a line each.
type dumpTable struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

// dumpValue is one value: at most one field is set, none is NULL.
type dumpValue struct {
	Text  *string    `json:"s,omitzero"`
	Int   *int64     `json:"i,omitzero"`
	Bool  *bool      `json:"b,omitzero"`
	Float *float64   `json:"f,omitzero"`
	Time  *time.Time `json:"t,omitzero"`
	Bytes *string    `json:"x,omitzero"` // base64
}

// Dump writes all rows, but for those of the queue, as JSON lines in one
// consistent state, in a form that Load reads into either engine.
func (db *DB) Dump(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	err := db.ReadTx(ctx, func(tx *DB) error {
		for _, table := range tables() {
			if err := tx.dumpTable(ctx, out, table); err != nil {
				return fmt.Errorf("dump table %s: %w", table, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

func (db *DB) dumpTable(ctx context.Context, out *bufio.Writer, table string) error {
	rows, err := db.query(ctx, "SELECT * FROM "+table, nil)
	if err != nil {
		return err
	}
	defer rows.close()
	types, err := rows.rows.ColumnTypes()
	if err != nil {
		return classify(err)
	}
	head := dumpTable{Table: table}
	for _, t := range types {
		head.Columns = append(head.Columns, t.Name())
	}
	if err := dumpLine(out, head); err != nil {
		return err
	}
	raw := make([]any, len(types))
	dest := make([]any, len(types))
	line := make([]dumpValue, len(types))
	for rows.rows.Next() {
		for i := range raw {
			dest[i] = &raw[i]
		}
		if err := rows.rows.Scan(dest...); err != nil {
			return classify(err)
		}
		for i, v := range raw {
			if line[i], err = dumped(v, types[i]); err != nil {
				return err
			}
		}
		if err := dumpLine(out, line); err != nil {
			return err
		}
	}
	return classify(rows.rows.Err())
}

func dumpLine(out *bufio.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := out.Write(b); err != nil {
		return err
	}
	return out.WriteByte('\n')
}

// dumped turns a value as the driver gives it into one that means the same on
// both engines; the declared type of the column decides where drivers differ.
func dumped(v any, t *sql.ColumnType) (dumpValue, error) {
	kind := strings.ToUpper(t.DatabaseTypeName())
	switch v := v.(type) {
	case nil:
		return dumpValue{}, nil
	case int64:
		if strings.HasPrefix(kind, "BOOL") {
			yes := v != 0
			return dumpValue{Bool: &yes}, nil
		}
		return dumpValue{Int: &v}, nil
	case bool:
		return dumpValue{Bool: &v}, nil
	case float64:
		return dumpValue{Float: &v}, nil
	case time.Time:
		at := v.UTC()
		return dumpValue{Time: &at}, nil
	case string:
		return dumpValue{Text: &v}, nil
	case []byte:
		if kind == "BYTEA" || kind == "BLOB" {
			s := base64.StdEncoding.EncodeToString(v)
			return dumpValue{Bytes: &s}, nil
		}
		s := string(v)
		return dumpValue{Text: &s}, nil
	}
	return dumpValue{}, fmt.Errorf("column %s holds a %T", t.Name(), v)
}

func (v dumpValue) value() (any, error) {
	switch {
	case v.Text != nil:
		return *v.Text, nil
	case v.Int != nil:
		return *v.Int, nil
	case v.Bool != nil:
		return *v.Bool, nil
	case v.Float != nil:
		return *v.Float, nil
	case v.Time != nil:
		return *v.Time, nil
	case v.Bytes != nil:
		return base64.StdEncoding.DecodeString(*v.Bytes)
	}
	return nil, nil
}

// Load replaces all rows by those of a dump, in one transaction: it is whole or
// nothing. The schema must be the one that the dump was made of.
func (db *DB) Load(ctx context.Context, r io.Reader) error {
	in := &dumpReader{r: bufio.NewReaderSize(r, 1<<16)}
	err := db.Tx(ctx, func(tx *DB) error {
		for _, table := range slices.Backward(tables()) {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		for {
			head, err := in.table()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if _, err := tx.CopyIn(ctx, head.Table, head.Columns, func() ([]any, bool, error) { return in.row(len(head.Columns)) }); err != nil {
				return err
			}
		}
	})
	if in.bad != nil {
		return errs.Wrap(errs.Invalid, in.bad, "The rows of the backup cannot be read. Nothing was restored.")
	}
	return err
}

// dumpReader reads a dump line by line.
type dumpReader struct {
	r    *bufio.Reader
	next []byte // a line that was looked at and belongs to what follows
	bad  error  // why the dump cannot be read
}

func (d *dumpReader) line() ([]byte, error) {
	if b := d.next; b != nil {
		d.next = nil
		return b, nil
	}
	b, err := d.r.ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(b) > 0 {
		d.bad = io.ErrUnexpectedEOF
		return nil, d.bad
	}
	return b, err
}

func (d *dumpReader) table() (dumpTable, error) {
	b, err := d.line()
	if err != nil {
		return dumpTable{}, err
	}
	var head dumpTable
	if err := json.Unmarshal(b, &head); err != nil {
		d.bad = err
		return head, err
	}
	if !slices.Contains(tables(), head.Table) {
		d.bad = fmt.Errorf("there is no table %q", head.Table)
		return head, d.bad
	}
	return head, nil
}

// row gives the next row of the table, or false at its end.
func (d *dumpReader) row(columns int) ([]any, bool, error) {
	b, err := d.line()
	if errors.Is(err, io.EOF) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if b[0] == '{' {
		d.next = b
		return nil, false, nil
	}
	var line []dumpValue
	if err := json.Unmarshal(b, &line); err != nil {
		d.bad = err
		return nil, false, err
	}
	if len(line) != columns {
		d.bad = fmt.Errorf("a row has %d values for %d columns", len(line), columns)
		return nil, false, d.bad
	}
	out := make([]any, len(line))
	for i, v := range line {
		if out[i], err = v.value(); err != nil {
			d.bad = err
			return nil, false, err
		}
	}
	return out, true, nil
}
