package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

// disk is what a folder store has made to last, as blob.Step defines it: the
// content of a file since its Sync, a name since the SyncFolder of its folder.
// All the rest was in the page cache and is lost with the power.
type disk struct {
	t      *testing.T
	synced map[string][]byte // content that lasts, by the path that the file has now
	names  map[string]bool   // paths whose names last
	moved  map[string]string // renames whose folders are not synced yet: to → from
	cut    func(next blob.Step)
}

// step is told of a step before it is taken; the power may go out just then.
func (d *disk) step(s blob.Step) error {
	d.cut(s)
	switch s.Op {
	case blob.Sync:
		content, err := os.ReadFile(s.Path)
		if err != nil {
			d.t.Errorf("%s %s: %v", s.Op, s.Path, err)
		}
		d.synced[s.Path] = content
	case blob.Rename:
		d.moved[s.To] = s.Path
	case blob.SyncFolder:
		for to, from := range d.moved {
			if filepath.Dir(to) == s.Path {
				d.synced[to] = d.synced[from] // nil where nobody synced it: an empty file
				d.names[to] = true
				delete(d.moved, to)
			}
		}
		for _, e := range list(s.Path) {
			if e.IsDir() {
				d.names[filepath.Join(s.Path, e.Name())] = true
			}
		}
	case blob.Remove:
		delete(d.synced, s.Path)
		delete(d.names, s.Path)
	}
	return nil
}

func list(path string) []os.DirEntry {
	entries, _ := os.ReadDir(path) // it may be gone
	return entries
}

// left writes what lasts into a new folder.
func (d *disk) left(root, to string) {
	for _, path := range slices.Sorted(maps.Keys(d.names)) {
		below, ok := strings.CutPrefix(path, root)
		if !ok {
			continue // the folders above the store were there before
		}
		content, isFile := d.synced[path]
		if !isFile {
			if err := os.MkdirAll(filepath.Join(to, below), 0o700); err != nil {
				d.t.Fatal(err)
			}
			continue
		}
		if !d.names[filepath.Dir(path)] {
			continue // its folder has no name
		}
		if err := os.WriteFile(filepath.Join(to, below), content, 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
}

// TestPowerCut cuts the power before each step that an upload takes on the disk
// and after each answer. SQLite is taken at its word: its writer syncs at each
// commit, which is looked at, and no transaction runs at those moments, so the
// database and its log are what lasts of it.
func TestPowerCut(t *testing.T) {
	ctx := t.Context()
	folder := t.TempDir()
	database := filepath.Join(folder, "terrarium.db")
	db := open(t, database)
	defer db.Close()
	var level int
	if err := db.Tx(ctx, func(tx *sqldb.DB) error { return tx.Row(ctx, "PRAGMA synchronous").Scan(&level) }); err != nil || level != 2 {
		t.Fatalf("the writer's PRAGMA synchronous is %d (%v), want 2, FULL", level, err)
	}

	acknowledged := map[string]string{} // blob key → upload
	cuts, uploading := 0, false
	root := filepath.Join(folder, "blobs")
	d := &disk{t: t, synced: map[string][]byte{}, names: map[string]bool{}, moved: map[string]string{}}
	look := func(at string) {
		cuts++
		after := t.TempDir()
		d.left(root, filepath.Join(after, "blobs"))
		for _, suffix := range []string{"", "-wal"} {
			copyFile(t, database+suffix, filepath.Join(after, "terrarium.db"+suffix))
		}
		inspect(t, after, acknowledged, at)
	}
	d.cut = func(next blob.Step) {
		if uploading {
			look("before: " + string(next.Op) + " " + strings.TrimPrefix(next.Path, root))
		}
	}
	blobs, err := blob.Open(ctx, "file:"+root, blob.Options{Trace: d.step})
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	reg := registry.New(db, blobs, registry.Options{})
	alice := person(t, db)
	for i := range 4 {
		s := spec("alpha", i)
		body := condatest.Make(t, s)
		uploading = true
		f, _, err := reg.Upload(ctx, alice, registry.UploadRequest{Owner: "alice", FileName: s.FileName(), Body: bytes.NewReader(body), Size: int64(len(body))})
		uploading = false
		if err != nil {
			t.Fatal(err)
		}
		acknowledged[f.SHA256] = s.FileName()
		look("after the answer for " + s.FileName())
	}
	if least := 4 * 5; cuts < least { // write, sync, rename, sync of the folder, answer
		t.Errorf("the power was cut %d times, want at least %d: does the store tell of its steps?", cuts, least)
	}
}

// inspect opens what is left after a power cut: what was acknowledged is there,
// byte for byte, and no row names bytes that are not.
func inspect(t *testing.T, folder string, acknowledged map[string]string, at string) {
	t.Helper()
	ctx := t.Context()
	db := open(t, filepath.Join(folder, "terrarium.db"))
	defer db.Close()
	blobs, err := blob.Open(ctx, "file:"+filepath.Join(folder, "blobs"), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	report, err := registry.New(db, blobs, registry.Options{}).Fsck(ctx, true)
	if err != nil {
		t.Fatalf("%s: fsck: %v", at, err)
	}
	for _, f := range report.Faults {
		t.Errorf("%s: %s: %s: %s", at, f.Kind, f.Object, f.Detail)
	}
	if report.Records < len(acknowledged) {
		t.Errorf("%s: %d records, and %d uploads were acknowledged", at, report.Records, len(acknowledged))
	}
	for key, name := range acknowledged {
		if got, err := digest(ctx, blobs, blob.Key(key)); err != nil || got != key {
			t.Errorf("%s: the bytes of %s, which was acknowledged, have the SHA-256 %q (%v), want %s", at, name, got, err, key)
		}
	}
}

func digest(ctx context.Context, blobs *blob.Store, key blob.Key) (string, error) {
	r, err := blobs.Open(ctx, key)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func open(t *testing.T, path string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite:"+path, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// person makes a user with the channel main, as package account does.
func person(t *testing.T, db *sqldb.DB) access.Actor {
	t.Helper()
	now := time.Now().UTC()
	for _, q := range []struct {
		query string
		args  []any
	}{
		{"INSERT INTO owners (id, name, name_key, kind, created_at) VALUES ($1, $2, $2, 'user', $3)", []any{"id-alice", "alice", now}},
		{`INSERT INTO channels (id, owner_id, name, kind, visibility, locked, generation, created_at)
			VALUES ($1, $2, 'main', 'local', 'public', $3, 0, $4)`, []any{"main-alice", "id-alice", false, now}},
	} {
		if _, err := db.Exec(t.Context(), q.query, q.args...); err != nil {
			t.Fatal(err)
		}
	}
	return access.Actor{Kind: access.KindPerson, ID: "id-alice", Name: "alice", Verified: true, Credential: "session"}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
