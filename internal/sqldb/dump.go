package sqldb

import (
	"bufio"
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"terrarium/internal/errs"
)

// A dump is a sequence of JSON values, one a line: a dumpHead; for each table a
// dumpTable and its rows, each a list of values in the order of the columns; and
// at the end a dumpEnd, by which a dump that was cut off is known. Texts and JSON
// are strings, bytes are base64, times are RFC 3339.

const dumpFormat = 1

type dumpHead struct {
	Format int   `json:"terrarium-rows"`
	Schema int64 `json:"schema"`
}

type dumpTable struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

type dumpEnd struct {
	Rows *int64 `json:"end"`
}

// Dump writes all rows in one consistent state, in a form that Load reads into
// either engine. The queue's own tables are not part of it: its jobs follow from
// the rows, or are about things that have happened.
func (db *DB) Dump(ctx context.Context, w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 1<<16)
	out := jsontext.NewEncoder(buffered, jsontext.AllowDuplicateNames(true))
	err := db.ReadTx(ctx, func(tx *DB) error {
		version, _, err := tx.SchemaVersion(ctx)
		if err != nil {
			return err
		}
		tables, err := tx.tables(ctx)
		if err != nil {
			return err
		}
		if err := json.MarshalEncode(out, dumpHead{dumpFormat, version}); err != nil {
			return err
		}
		var rows int64
		for _, t := range tables {
			n, err := tx.dumpTable(ctx, out, t)
			if err != nil {
				return fmt.Errorf("dump the table %s: %w", t.name, err)
			}
			rows += n
		}
		return json.MarshalEncode(out, dumpEnd{&rows})
	})
	if err != nil {
		return err
	}
	return buffered.Flush()
}

func (db *DB) dumpTable(ctx context.Context, out *jsontext.Encoder, t table) (rows int64, err error) {
	if err := json.MarshalEncode(out, dumpTable{t.name, t.columnNames()}); err != nil {
		return 0, err
	}
	line := make([]any, len(t.columns))
	dest := make([]any, len(t.columns))
	for i := range line {
		dest[i] = &line[i]
	}
	err = db.EachRow(ctx, func(r *Rows) error {
		if err := r.Scan(dest...); err != nil {
			return err
		}
		for i, column := range t.columns {
			v, err := column.dumped(line[i])
			if err != nil {
				return err
			}
			line[i] = v
		}
		rows++
		return json.MarshalEncode(out, line)
	}, t.selectText())
	return rows, err
}

// dumped makes a value as a driver gives it the same for both engines.
func (c column) dumped(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil //nolint:nilnil // NULL is a value
	case []byte:
		if c.kind == kindText { // JSON, on PostgreSQL
			return string(v), nil
		}
		if c.kind == kindBytes {
			return v, nil // which JSON makes base64
		}
	case string:
		if c.kind == kindText {
			return v, nil
		}
	case time.Time:
		if c.kind == kindTime {
			return v.UTC(), nil
		}
	case bool:
		if c.kind == kindBool {
			return v, nil
		}
	case int64:
		switch c.kind {
		case kindInt, kindFloat:
			return v, nil
		case kindBool:
			return v != 0, nil
		}
	case float64:
		if c.kind == kindFloat {
			return v, nil
		}
	}
	return nil, fmt.Errorf("the column %s, which holds %s, has a %T", c.name, c.kind, v)
}

// Load replaces all rows by those of a dump, in one transaction. The schema must
// be the one that the dump was made of, else errs.Conflict; a dump that is not
// whole is errs.Invalid. Then nothing has changed.
func (db *DB) Load(ctx context.Context, r io.Reader) error {
	in := jsontext.NewDecoder(bufio.NewReaderSize(r, 1<<16))
	return db.Tx(ctx, func(tx *DB) error {
		var head dumpHead
		if err := json.UnmarshalDecode(in, &head); err != nil || head.Format != dumpFormat {
			return badDump(err)
		}
		have, _, err := tx.SchemaVersion(ctx)
		if err != nil {
			return err
		}
		if head.Schema != have {
			return errs.New(errs.Conflict, "The backup has schema %d and this database has schema %d. Restore it with the Terrarium that wrote it.", head.Schema, have)
		}
		tables, err := tx.tables(ctx)
		if err != nil {
			return err
		}
		for i := range tables {
			// Those that point to others go before them.
			if _, err := tx.Exec(ctx, "DELETE FROM "+pgx.Identifier{tables[len(tables)-1-i].name}.Sanitize()); err != nil {
				return fmt.Errorf("empty the table %s: %w", tables[len(tables)-1-i].name, err)
			}
		}
		var rows int64
		for _, t := range tables {
			n, err := tx.loadTable(ctx, in, t)
			if err != nil {
				return err
			}
			rows += n
		}
		var end dumpEnd
		if err := json.UnmarshalDecode(in, &end); err != nil || end.Rows == nil || *end.Rows != rows {
			return badDump(err)
		}
		return nil
	})
}

func badDump(cause error) error {
	return errs.Wrap(errs.Invalid, cause, "The rows of the backup are not whole, or are no backup. Nothing was restored.")
}

func (db *DB) loadTable(ctx context.Context, in *jsontext.Decoder, t table) (int64, error) {
	var head dumpTable
	if err := json.UnmarshalDecode(in, &head); err != nil {
		return 0, badDump(err)
	}
	if head.Table != t.name {
		return 0, badDump(fmt.Errorf("the table %q stands where %q should", head.Table, t.name))
	}
	columns, err := t.pick(head.Columns)
	if err != nil {
		return 0, badDump(err)
	}
	var line []jsontext.Value
	var broken error // CopyFrom keeps only the text of an error
	n, err := db.CopyIn(ctx, t.name, head.Columns, func() ([]any, bool, error) {
		if in.PeekKind() != jsontext.KindBeginArray {
			return nil, false, nil // the next table, the end, or a fault that the caller finds
		}
		if err := json.UnmarshalDecode(in, &line); err != nil {
			broken = badDump(err)
			return nil, false, broken
		}
		if len(line) != len(columns) {
			broken = badDump(fmt.Errorf("a row of %s has %d values for %d columns", t.name, len(line), len(columns)))
			return nil, false, broken
		}
		row := make([]any, len(line))
		for i, c := range columns {
			var err error
			if row[i], err = c.loaded(line[i]); err != nil {
				broken = badDump(fmt.Errorf("the column %s of %s: %w", c.name, t.name, err))
				return nil, false, broken
			}
		}
		return row, true, nil
	})
	if broken != nil {
		return 0, broken
	}
	return n, err
}

func (c column) loaded(v jsontext.Value) (any, error) {
	if v.Kind() == jsontext.KindNull {
		return nil, nil //nolint:nilnil // NULL is a value
	}
	switch c.kind {
	case kindText:
		return read[string](v)
	case kindBytes:
		return read[[]byte](v)
	case kindTime:
		return read[time.Time](v)
	case kindBool:
		return read[bool](v)
	case kindInt:
		return read[int64](v)
	case kindFloat:
		return read[float64](v)
	}
	return nil, errors.New("it is of no known kind")
}

func read[T any](v jsontext.Value) (any, error) {
	var into T
	err := json.Unmarshal(v, &into)
	return into, err
}
