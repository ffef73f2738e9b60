package sqldb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// table is a table of the schema as the database itself describes it.
type table struct {
	name    string
	columns []column
	needs   []string // the tables that its foreign keys point to, itself left out
}

type column struct {
	name string
	kind kind
}

// kind is a type of the subset that both engines have. JSON counts as text: its
// very bytes are kept.
type kind string

const (
	kindText  kind = "text"
	kindInt   kind = "integers"
	kindFloat kind = "numbers"
	kindBool  kind = "truth values"
	kindBytes kind = "bytes"
	kindTime  kind = "times"
)

// kindOf knows a declared type by the names that the two engines give it.
func kindOf(declared string) (kind, bool) {
	k, ok := map[string]kind{
		"text": kindText, "json": kindText, "bigint": kindInt, "double precision": kindFloat, "boolean": kindBool,
		"bytea": kindBytes, "timestamp": kindTime, "timestamp without time zone": kindTime,
	}[strings.ToLower(declared)]
	return k, ok
}

func (t table) columnNames() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

func (t table) selectText() string {
	quoted := make([]string, len(t.columns))
	for i, c := range t.columns {
		quoted[i] = pgx.Identifier{c.name}.Sanitize()
	}
	return "SELECT " + strings.Join(quoted, ", ") + " FROM " + pgx.Identifier{t.name}.Sanitize()
}

// pick gives the columns of the names.
func (t table) pick(names []string) ([]column, error) {
	picked := make([]column, len(names))
	for i, name := range names {
		at := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if at < 0 {
			return nil, fmt.Errorf("the table %s has no column %q", t.name, name)
		}
		picked[i] = t.columns[at]
	}
	return picked, nil
}

// tables gives the tables of the schema, without those of the queue and of the
// migrations, in an order in which each comes after those that it points to.
func (db *DB) tables(ctx context.Context) ([]table, error) {
	columns := `SELECT m.name, c.name, c.type FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table' ORDER BY m.name, c.cid`
	keys := `SELECT m.name, k."table" FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS k WHERE m.type = 'table'`
	if db.postgres {
		columns = `SELECT table_name, column_name, data_type FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name, ordinal_position`
		keys = `SELECT a.relname, b.relname FROM pg_constraint AS k JOIN pg_class AS a ON a.oid = k.conrelid JOIN pg_class AS b ON b.oid = k.confrelid WHERE k.contype = 'f'`
	}
	var tables []table
	err := db.EachRow(ctx, func(r *Rows) error {
		var name, declared string
		var c column
		if err := r.Scan(&name, &c.name, &declared); err != nil {
			return err
		}
		for _, foreign := range []string{"river_", "goose_", "sqlite_"} {
			if strings.HasPrefix(name, foreign) {
				return nil
			}
		}
		var ok bool
		if c.kind, ok = kindOf(declared); !ok {
			return fmt.Errorf("the column %s of the table %s has the type %s, which is not in the common subset", c.name, name, declared)
		}
		if len(tables) == 0 || tables[len(tables)-1].name != name {
			tables = append(tables, table{name: name})
		}
		last := &tables[len(tables)-1]
		last.columns = append(last.columns, c)
		return nil
	}, columns)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	err = db.EachRow(ctx, func(r *Rows) error {
		var from, to string
		if err := r.Scan(&from, &to); err != nil {
			return err
		}
		for i := range tables {
			if tables[i].name == from && from != to {
				tables[i].needs = append(tables[i].needs, to)
			}
		}
		return nil
	}, keys)
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys: %w", err)
	}
	return ordered(tables)
}

// ordered sorts tables so that each comes after those that it needs, and
// otherwise by name.
func ordered(tables []table) ([]table, error) {
	var done []table
	placed := map[string]bool{}
	for len(done) < len(tables) {
		before := len(done)
		for _, t := range tables {
			if !placed[t.name] && !slices.ContainsFunc(t.needs, func(n string) bool { return !placed[n] }) {
				placed[t.name] = true
				done = append(done, t)
			}
		}
		if len(done) == before {
			return nil, fmt.Errorf("the foreign keys of the schema go round in a circle")
		}
	}
	return done, nil
}
