package app

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/blob"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

// A backup is a tar: first manifest.json, then database.jsonl (all rows in one
// consistent state), then every blob, as blobs/SHA256, at last end.json, which
// only a whole one has: a tar that is cut off between two members looks whole to
// who reads it.
// Rows are read before bytes: bytes never change and go only a day after the
// last row that named them, so what the rows name is still there.
const (
	manifestName = "manifest.json"
	databaseName = "database.jsonl"
	blobPrefix   = "blobs/"
	endName      = "end.json"
	backupFormat = 2 // 1 had no end
)

// ending says what a whole backup holds.
type ending struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"` // of the blobs
}

type manifest struct {
	Format int       `json:"format"`
	Schema int64     `json:"schema"`
	At     time.Time `json:"at"`
}

// Backup writes everything into the new file at path and gives its size in
// bytes. A server may go on meanwhile. What was written is synced before it
// bears its name.
func (a *App) Backup(ctx context.Context, path string) (n int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, errs.New(errs.Exists, "%s exists already. Name a new file.", path)
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".backup-*")
	if err != nil {
		return 0, errs.Wrap(errs.Unavailable, err, "The backup cannot be written beside %s.", path)
	}
	defer func() {
		err = errors.Join(err, closeOnce(out))
		if err != nil {
			_ = os.Remove(out.Name()) // a half backup is none
		}
	}()
	if err := a.writeBackup(ctx, out, func() error { return nil }); err != nil {
		return 0, err
	}
	if err := out.Sync(); err != nil {
		return 0, errs.Wrap(errs.Unavailable, err, "The backup could not be written to the disk.")
	}
	if n, err = out.Seek(0, io.SeekEnd); err != nil {
		return 0, err
	}
	if err := out.Close(); err != nil {
		return 0, errs.Wrap(errs.Unavailable, err, "The backup could not be written to the disk.")
	}
	if err := os.Link(out.Name(), path); err != nil { // unlike a rename, never over another file
		return 0, errs.Wrap(errs.Exists, err, "%s cannot be made.", path)
	}
	if err := os.Remove(out.Name()); err != nil {
		return 0, err
	}
	return n, syncFolder(filepath.Dir(path))
}

func closeOnce(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// writeBackup writes a backup. It calls begin when the rows have been read, and
// writes nothing before.
func (a *App) writeBackup(ctx context.Context, w io.Writer, begin func() error) error {
	have, _, err := a.DB.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	m, err := json.Marshal(manifest{Format: backupFormat, Schema: have, At: a.now().UTC()})
	if err != nil {
		return err
	}
	rows, err := os.CreateTemp("", "terrarium-rows-*")
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "There is no room for a temporary file.")
	}
	defer os.Remove(rows.Name())
	defer rows.Close()
	if err := a.DB.Dump(ctx, rows); err != nil {
		return err
	}
	size, err := rows.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := rows.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	t := tar.NewWriter(w)
	if err := writeMember(t, manifestName, int64(len(m)), bytes.NewReader(m)); err != nil {
		return err
	}
	if err := writeMember(t, databaseName, size, rows); err != nil {
		return err
	}
	// The rows may have changed since the dump; what they name now beyond it
	// does no harm, and what the dump names cannot have been swept yet.
	var end ending
	err = a.Blobs.List(ctx, func(key blob.Key, size int64, _ time.Time) error {
		r, err := a.Blobs.Open(ctx, key)
		if err != nil {
			return fmt.Errorf("back up the bytes %s: %w", key, err)
		}
		defer r.Close()
		end.Blobs, end.Bytes = end.Blobs+1, end.Bytes+size
		return writeMember(t, blobPrefix+string(key), size, r)
	})
	if err != nil {
		return err
	}
	e, err := json.Marshal(end)
	if err != nil {
		return err
	}
	if err := writeMember(t, endName, int64(len(e)), bytes.NewReader(e)); err != nil {
		return err
	}
	return t.Close()
}

func writeMember(t *tar.Writer, name string, size int64, r io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, Format: tar.FormatPAX}); err != nil {
		return err
	}
	n, err := io.Copy(t, r)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes instead of %d", name, n, size)
	}
	return err
}

// Restore loads a backup into an empty database and blob store: bytes first,
// rows last, so that an interrupted restore leaves no row without its bytes.
func (a *App) Restore(ctx context.Context, path string) error {
	empty, err := a.Accounts.Empty(ctx, "")
	if err != nil {
		return err
	}
	if !empty {
		return errs.New(errs.Conflict, "There are accounts in this place already. Restore into an empty one.")
	}
	in, err := os.Open(path)
	if err != nil {
		return errs.Wrap(errs.NotFound, err, "%s cannot be opened.", path)
	}
	defer in.Close()
	bad := func(err error) error { return errs.Wrap(errs.Invalid, err, "%s is not a whole backup.", path) }
	t := tar.NewReader(in)
	h, err := t.Next()
	if err != nil || h.Name != manifestName || h.Size > 1<<16 {
		return bad(err)
	}
	var m manifest
	if err := json.UnmarshalRead(t, &m); err != nil {
		return bad(err)
	}
	have, known, err := a.DB.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if m.Format > backupFormat || m.Schema > known {
		return errs.New(errs.Conflict, "%s was written by a newer Terrarium (schema %d, this one knows %d). Restore it with that one.", path, m.Schema, known)
	}
	if m.Schema != have {
		return errs.New(errs.Conflict, "%s has schema %d, this program has %d. Restore it with the Terrarium that wrote it, then start this one.", path, m.Schema, have)
	}
	if h, err = t.Next(); err != nil || h.Name != databaseName {
		return bad(err)
	}
	rows, err := os.CreateTemp("", "terrarium-rows-*")
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "There is no room for a temporary file.")
	}
	defer os.Remove(rows.Name())
	defer rows.Close()
	if _, err := io.Copy(rows, t); err != nil {
		return bad(err)
	}
	if err := a.restoreBlobs(ctx, t, m.Format, bad); err != nil {
		return err
	}
	// The place stays itself: its store has its mark, and the backup's instance
	// may live on elsewhere.
	id, err := a.Accounts.InstanceID(ctx)
	if err != nil {
		return err
	}
	return a.DB.Tx(ctx, func(tx *sqldb.DB) error {
		if _, err := rows.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := tx.Load(ctx, rows); err != nil {
			return err
		}
		return a.Accounts.SetInstanceID(ctx, tx, id)
	})
}

// claim refuses a blob store that belongs to another instance than the database:
// whatever this database does not name would be swept.
func (a *App) claim(ctx context.Context) error {
	id, err := a.Accounts.InstanceID(ctx)
	if err != nil {
		return err
	}
	return a.Blobs.Claim(ctx, id)
}

// restoreBlobs reads the blobs and the end of a backup.
func (a *App) restoreBlobs(ctx context.Context, t *tar.Reader, format int, bad func(error) error) error {
	var got ending
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) && format == 1 {
			return nil
		}
		if err != nil {
			return bad(err)
		}
		if h.Name == endName {
			var want ending
			if err := json.UnmarshalRead(t, &want); err != nil {
				return bad(err)
			}
			if got != want {
				return bad(fmt.Errorf("it has %d blobs with %d bytes instead of %d with %d", got.Blobs, got.Bytes, want.Blobs, want.Bytes))
			}
			return nil
		}
		key, ok := strings.CutPrefix(h.Name, blobPrefix)
		if !ok {
			return bad(fmt.Errorf("unexpected member %q", h.Name))
		}
		switch err := a.restoreBlob(ctx, key, t); {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return bad(err)
		case err != nil:
			return err
		}
		got.Blobs, got.Bytes = got.Blobs+1, got.Bytes+h.Size
	}
}

func (a *App) restoreBlob(ctx context.Context, key string, r io.Reader) error {
	w, err := a.Blobs.Create(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = w.Abort() }() // what led here is the error to tell; after Commit this does nothing
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	d, err := w.Commit(ctx)
	if err != nil {
		return err
	}
	if string(d.Key()) != key {
		return errs.New(errs.Invalid, "The backup's bytes of %s have the digest %s.", key, d.Key())
	}
	return nil
}

// Fsck compares rows and bytes; with digests it reads every file.
func (a *App) Fsck(ctx context.Context, digests bool) (registry.Report, error) {
	return a.Registry.Fsck(ctx, digests)
}

// Sweeping says what Sweep may do.
type Sweeping struct {
	DryRun bool
	Grace  time.Duration // how old what nothing names must be
	// KeepOwners leaves deleted owners to the job that erases them.
	KeepOwners bool
}

// Sweep erases owners whose deletion can be undone no more, empties the trash and
// removes what nothing names any more.
func (a *App) Sweep(ctx context.Context, actor access.Actor, s Sweeping) (registry.Swept, error) {
	if s.Grace <= 0 {
		return registry.Swept{}, errs.New(errs.Invalid, "The grace must be more than nothing: an upload whose rows are still to come must not lose its bytes.").On("grace")
	}
	if err := a.claim(ctx); err != nil {
		return registry.Swept{}, err
	}
	var owners int
	var err error
	switch {
	case s.KeepOwners:
	case s.DryRun:
		owners, err = a.Accounts.CountDue(ctx)
	default:
		owners, err = a.EraseOwners(ctx, actor)
	}
	if err != nil {
		return registry.Swept{}, err
	}
	swept, err := a.Registry.GC(ctx, actor, s.DryRun, s.Grace)
	swept.Owners = owners
	return swept, err
}
