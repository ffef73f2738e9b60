//go:build postgres

package registry_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// meeting is a world on PostgreSQL with a second replica, which does something in the
// midst of a change of the first.
type meeting struct {
	*world
	other  *registry.Registry
	second *sqldb.DB
	at     atomic.Pointer[halfway]
}

// halfway is a statement of the first replica, before which the second one does
// something.
type halfway struct {
	statement string // its beginning
	do        func() error
	done      chan error
}

func newMeeting(t *testing.T) *meeting {
	t.Helper()
	address, ctx := sqldbtest.Postgres(t), context.Background()
	m := &meeting{}
	open := func(opts sqldb.Options) *sqldb.DB {
		db, err := sqldb.Open(ctx, address, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	first := open(sqldb.Options{Observe: func(_ context.Context, query string) {
		if h := m.at.Load(); h != nil && strings.HasPrefix(query, h.statement) && m.at.CompareAndSwap(h, nil) {
			m.meet(h)
		}
	}})
	if err := first.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	m.second = open(sqldb.Options{})
	m.world = newWorld(t, first, registry.Options{})
	blobs, err := blob.Open(ctx, "file:"+t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	m.other = registry.New(m.second, blobs, registry.Options{Now: m.now, Gen: access.NewGeneration(m.second)})
	return m
}

// meet lets the second replica begin, and waits until it is through, or waits for the
// first one.
func (m *meeting) meet(h *halfway) {
	through := make(chan struct{})
	go func() {
		err := h.do()
		close(through)
		h.done <- err
	}()
	for {
		select {
		case <-through:
			return
		default:
		}
		var waiting int
		if err := m.second.Row(m.ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting); err != nil || waiting > 0 {
			return
		}
	}
}

// during makes a change on the first replica, and another one on the second before the
// first one runs the statement.
func (m *meeting) during(change func() error, statement string, other func() error) {
	m.t.Helper()
	h := &halfway{statement, other, make(chan error, 1)}
	m.at.Store(h)
	if err := change(); err != nil {
		m.t.Fatal(err)
	}
	if m.at.Load() != nil {
		m.t.Fatalf("there was no %s", statement)
	}
	if err := <-h.done; err != nil {
		m.t.Fatal(err)
	}
}

// withdraws is a withdrawal on the second replica.
func (m *meeting) withdraws(f registry.File) func() error {
	return func() error {
		_, err := m.other.Withdraw(m.ctx, m.alice, f.OwnerName, f.PackageName, f.Version, f.Basename, "it is malware")
		return err
	}
}

// Of a roll-back on one replica and a withdrawal on another that meet, the later one
// sees the earlier: what was withdrawn is not listed.
func TestRollBackMeetsWithdrawal(t *testing.T) {
	m := newMeeting(t)
	f := m.must(m.alice, "alice", condatest.Spec{Name: "bad"})
	if _, err := m.RemoveLabel(m.ctx, m.alice, "alice", "main", registry.Selector{Basename: ptr(f.Basename)}); err != nil {
		t.Fatal(err)
	}
	m.during(func() error {
		_, err := m.RollBack(m.ctx, m.alice, "alice", "main", "1")
		return err
		// What comes back is listed by now, and not committed.
	}, "DELETE FROM file_channels WHERE channel_id = $1", m.withdraws(f))
	m.wantListed("alice", "main", -1)
	m.clean()
}

// A hotfix that has ended the record of a file, and not yet put another in its place,
// and a withdrawal, or a deletion, that meet it: the file is not listed.
func TestHotfixMeets(t *testing.T) {
	for name, other := range map[string]func(*meeting, registry.File) func() error{
		"withdrawal": (*meeting).withdraws,
		"deletion": func(m *meeting, f registry.File) func() error {
			return func() error {
				_, err := m.other.DeleteFile(m.ctx, m.alice, f.OwnerName, f.PackageName, f.Version, f.Basename)
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeeting(t)
			f := m.must(m.alice, "acme", condatest.Spec{Name: "bad"})
			m.during(func() error {
				_, err := m.patch("main", instructions{Version: 1, PackagesConda: map[string]map[string]any{f.Name: {"license": "MIT"}}})
				return err
			}, "INSERT INTO generation_names", other(m, f))
			m.wantListed("acme", "main", -1)
			m.clean()
		})
	}
}

// A label that is given to many files, of which another replica withdraws one when it
// has been looked which went: it is not listed.
func TestLabelOnManyMeetsWithdrawal(t *testing.T) {
	m := newMeeting(t)
	const n = 1200
	m.many("copy", n)
	f, err := m.File(m.ctx, m.alice, "acme", "package00007", "1.3", "noarch/package00007-1.3-0.conda")
	if err != nil {
		t.Fatal(err)
	}
	m.during(func() error {
		_, err := m.AddLabel(m.ctx, m.alice, "acme", "new", registry.Selector{})
		return err
	}, "INSERT INTO file_channels", m.withdraws(f))
	for _, channel := range []string{"copy", "new"} {
		if got := len(m.listed("acme", channel, -1)); got != n-1 {
			t.Errorf("%s lists %d files of %d", channel, got, n-1)
		}
	}
	m.clean()
}

// An upload of a file that is being imported, by somebody to whom the hold of the import
// seems over, since its holder is in the midst of a long transaction: it is refused, and
// the import loses nothing.
func TestUploadMeetsImport(t *testing.T) {
	m := newMeeting(t)
	const n = 1300
	h := &halfway{statement: "INSERT INTO generation_names", done: make(chan error, 1), do: func() error {
		m.pass(time.Minute)
		s := condatest.Spec{Name: "package00000"}
		_, _, err := m.other.Upload(m.ctx, m.alice, registry.UploadRequest{
			Owner: "acme", Channel: "dev", FileName: s.FileName(), Body: bytes.NewReader(condatest.Make(t, s)), Size: -1,
		})
		return err
	}}
	var once sync.Once
	_, err := m.Import(m.ctx, m.alice, "acme", "copy", madeUp(manyRecords(n)), func(string, int) {
		once.Do(func() { m.at.Store(h) }) // the first batch is written
	})
	if err != nil || m.at.Load() != nil {
		t.Fatalf("%v, and the upload is still to come: %v", err, m.at.Load() != nil)
	}
	if err := <-h.done; !errs.Is(err, errs.Unavailable) {
		t.Errorf("the upload: %v", err)
	}
	if got := len(m.listed("acme", "copy", -1)); got != n {
		t.Errorf("%d files of %d are listed", got, n)
	}
	m.clean()
}

// Two that erase the same owner: one that finds rows of its batch gone goes on with the
// others.
func TestEraseMeetsErase(t *testing.T) {
	m := newMeeting(t)
	m.must(m.alice, "alice", condatest.Spec{Name: "demo"})
	m.exec(`INSERT INTO generation_names (channel_id, number, subdir, name) SELECT c.id, n, 'noarch', 'demo' FROM channels c, generate_series(100, 999) n
		WHERE c.owner_id = 'id-alice' AND c.name = 'main'`)
	m.exec("UPDATE owners SET deleted_at = $1, erase_begun_at = $1 WHERE name = 'alice'", m.now())
	ended := make(chan error, 1)
	m.during(func() error {
		_, err := m.Erase(m.ctx, "id-alice")
		return err
	}, "DELETE FROM generation_names", func() error {
		taken := make(chan struct{})
		go func() {
			ended <- m.second.Tx(m.ctx, func(tx *sqldb.DB) error {
				_, err := tx.Exec(m.ctx, "DELETE FROM generation_names WHERE number < 110")
				close(taken)
				for waiting := 0; err == nil && waiting == 0; {
					err = m.second.Row(m.ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting)
				}
				return err
			})
		}()
		<-taken
		return nil
	})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := m.count("SELECT count(*) FROM channels WHERE owner_id = 'id-alice'"); n != 0 {
		t.Errorf("%d channels are left", n)
	}
}
