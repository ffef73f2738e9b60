package sqldb

import (
	"context"
	"database/sql"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Row is the first row of an answer, or the error that there was instead.
type Row struct {
	rows *Rows
	err  error
}

// Row runs a query of which only the first row matters. Its error waits in Scan,
// which must be called.
func (db *DB) Row(ctx context.Context, query string, args ...any) *Row {
	rows, err := db.query(ctx, query, args)
	return &Row{rows, err}
}

// Scan copies the columns of the row into dest and ends the query. Where there is
// no row it gives ErrNoRows.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.close()
	if !r.rows.rows.Next() {
		if err := r.rows.rows.Err(); err != nil {
			return classify(err)
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.close()
}

// Rows is an answer while it is read, standing on one row. The functions given
// to All and EachRow get it; they only scan.
type Rows struct {
	rows *sql.Rows
	conn *sql.Conn // given back when the rows are closed, if not nil
}

// Scan copies the columns of the row into dest. Times come as UTC; a
// *jsontext.Value takes a JSON column and is nil for NULL.
func (r *Rows) Scan(dest ...any) error {
	for i, d := range dest {
		switch d := d.(type) {
		case *time.Time:
			dest[i] = (*utc)(d)
		case **time.Time:
			dest[i] = &optionalUTC{d}
		case *jsontext.Value:
			dest[i] = (*jsonText)(d)
		}
	}
	if err := r.rows.Scan(dest...); err != nil {
		return classify(err)
	}
	return nil
}

func (r *Rows) close() error {
	err := r.rows.Close()
	if r.conn != nil {
		err = errors.Join(err, r.conn.Close())
		r.conn = nil
	}
	if err != nil {
		return classify(err)
	}
	return nil
}

// All runs a query and gives every row as scan reads it. No rows are an empty
// answer and no error.
func All[T any](ctx context.Context, db *DB, scan func(*Rows, *T) error, query string, args ...any) ([]T, error) {
	var all []T
	err := db.EachRow(ctx, func(rows *Rows) error {
		var one T
		if err := scan(rows, &one); err != nil {
			return err
		}
		all = append(all, one)
		return nil
	}, query, args...)
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Scalar is the scan function of All for queries of one column.
func Scalar[T any](rows *Rows, dest *T) error { return rows.Scan(dest) }

// EachRow runs a query and calls f on every row, for answers too large to hold.
// Inside a transaction f must not run another statement. An error of f ends it.
func (db *DB) EachRow(ctx context.Context, f func(*Rows) error, query string, args ...any) (err error) {
	rows, err := db.query(ctx, query, args)
	if err != nil {
		return err
	}
	defer rows.close()
	for rows.rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	if err := rows.rows.Err(); err != nil {
		return classify(err)
	}
	return rows.close()
}

// values makes arguments mean the same on both engines: times become UTC at
// microseconds, since PostgreSQL would store the wall clock of a zoned time;
// JSON becomes text, since SQLite would store bytes as a blob; a list of strings
// becomes the JSON that EachText unfolds; what PostgreSQL refuses in a text, a
// NUL and what is no UTF-8, becomes U+FFFD.
func values(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case time.Time:
			out[i] = timeValue(v)
		case *time.Time:
			if v != nil {
				out[i] = timeValue(*v)
			}
		case string:
			out[i] = textValue(v)
		case jsontext.Value:
			if v != nil {
				out[i] = textValue(string(v))
			}
		case []string:
			out[i] = listValue(v)
		case []byte:
			// A nil slice is NULL on both engines, an empty one is not.
			if v != nil {
				out[i] = v
			}
		default:
			out[i] = arg
		}
	}
	return out
}

func textValue(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func timeValue(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func listValue(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	// Names in other encodings come from hostile clients; they match nothing.
	text, err := json.Marshal(list, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(fmt.Sprintf("sqldb: encode a list of strings: %v", err)) // strings always encode
	}
	return string(text)
}

type utc time.Time

// Scan implements sql.Scanner.
func (t *utc) Scan(src any) error {
	v, ok := src.(time.Time)
	if !ok {
		return fmt.Errorf("sqldb: %T is no time; is the column a TIMESTAMP and not an expression?", src)
	}
	*t = utc(v.UTC())
	return nil
}

type optionalUTC struct{ dest **time.Time }

// Scan implements sql.Scanner.
func (t *optionalUTC) Scan(src any) error {
	if src == nil {
		*t.dest = nil
		return nil
	}
	var v utc
	if err := v.Scan(src); err != nil {
		return err
	}
	*t.dest = (*time.Time)(&v)
	return nil
}

type jsonText jsontext.Value

// Scan implements sql.Scanner.
func (j *jsonText) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*j = nil
	case string:
		*j = jsonText(v)
	case []byte:
		*j = append(jsonText(nil), v...)
	default:
		return fmt.Errorf("sqldb: %T is no JSON text", src)
	}
	return nil
}
