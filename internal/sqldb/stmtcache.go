package sqldb

import (
	"container/list"
	"context"
	"database/sql/driver"
	"strings"
)

// maxStatements is how many prepared statements a connection keeps. One takes a
// few kilobytes; Terrarium has some hundreds of texts.
const maxStatements = 200

// sqliteConn is what the SQLite driver's connections can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// cachingConn is a connection that keeps the statements it has run, the least
// recently used ones falling out. A connection is used by one goroutine at a
// time, hence no lock.
type cachingConn struct {
	sqliteConn
	byText map[string]*list.Element // of *cachedStmt
	recent *list.List               // front: just used
}

type cachedStmt struct {
	text string
	stmt interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	busy bool // its rows are being read; a statement has one cursor
}

func newCachingConn(inner sqliteConn) *cachingConn {
	return &cachingConn{sqliteConn: inner, byText: map[string]*list.Element{}, recent: list.New()}
}

// ExecContext implements driver.ExecerContext.
func (c *cachingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s := c.statement(ctx, query)
	if s == nil {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	return s.stmt.ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (c *cachingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s := c.statement(ctx, query)
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	rows, err := s.stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &cachedRows{rows, s}, nil
}

// Close implements driver.Conn.
func (c *cachingConn) Close() error {
	for e := c.recent.Front(); e != nil; e = e.Next() {
		e.Value.(*cachedStmt).stmt.Close()
	}
	c.recent.Init()
	clear(c.byText)
	return c.sqliteConn.Close()
}

// statement gives the prepared form of a text, or nil where it must or can do
// without: a text that is no single statement on rows, one whose cursor is
// open, or one that does not parse (running it says why).
func (c *cachingConn) statement(ctx context.Context, query string) *cachedStmt {
	if e := c.byText[query]; e != nil {
		s := e.Value.(*cachedStmt)
		if s.busy {
			return nil
		}
		c.recent.MoveToFront(e)
		return s
	}
	if !worthKeeping(query) {
		return nil
	}
	prepared, err := c.sqliteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil
	}
	s := &cachedStmt{text: query}
	var ok bool
	if s.stmt, ok = prepared.(interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}); !ok {
		prepared.Close()
		return nil
	}
	c.byText[query] = c.recent.PushFront(s)
	for e := c.recent.Back(); c.recent.Len() > maxStatements && e != nil; {
		before := e.Prev()
		if old := e.Value.(*cachedStmt); !old.busy {
			old.stmt.Close()
			delete(c.byText, old.text)
			c.recent.Remove(e)
		}
		e = before
	}
	return s
}

// worthKeeping reports whether a text is a statement on rows. Migrations and
// other scripts run once, and the driver takes them apart itself.
func worthKeeping(query string) bool {
	query = strings.TrimLeft(query, " \t\r\n(")
	for _, word := range []string{"select", "insert", "update", "delete", "with", "pragma"} {
		if firstWordIs(query, word) {
			return !strings.Contains(query, ";")
		}
	}
	return false
}

// cachedRows frees its statement for the next use when it is closed.
type cachedRows struct {
	driver.Rows
	stmt *cachedStmt
}

// Close implements driver.Rows.
func (r *cachedRows) Close() error {
	err := r.Rows.Close()
	r.stmt.busy = false
	return err
}

// ColumnTypeDatabaseTypeName gives the declared type of a column, which Dump
// needs.
func (r *cachedRows) ColumnTypeDatabaseTypeName(index int) string {
	if t, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(index)
	}
	return ""
}
