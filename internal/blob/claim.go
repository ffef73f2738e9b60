package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"terrarium/internal/errs"
)

// maxMark is the most bytes of a mark that are read.
const maxMark = 200

// Claim marks the store as belonging to owner, where nobody has it yet, and fails
// with errs.Conflict where somebody else has. Whoever sweeps by what their rows
// name must have claimed the store, or they take all that others put there.
func (s *Store) Claim(ctx context.Context, owner string) error {
	has, err := s.place.mark(ctx)
	if err == nil && has == "" {
		// Of two who claim at once the later mark stays, and the other learns it.
		if err = s.place.setMark(ctx, owner); err == nil {
			has, err = s.place.mark(ctx)
		}
	}
	if err != nil {
		return err
	}
	if has != owner {
		return errs.New(errs.Conflict, "The package store belongs to another instance, %s, than the database, which is of %s. "+
			"Give the database of that store, or a store of its own; nothing was changed. "+
			"To let this database have the store with all that is in it, first remove %q from the store.", clip(has), owner, markName).Because("store-of-another")
	}
	return nil
}

// clip shows a mark, which anybody who can write to the store has written.
func clip(mark string) string {
	if len(mark) > 40 || strings.ContainsFunc(mark, func(r rune) bool { return r < '!' || r > '~' }) {
		return "named by a mark that this program did not write"
	}
	return mark
}

func (f *folder) mark(context.Context) (string, error) {
	b, err := os.ReadFile(filepath.Join(f.root, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", diskError(err)
	}
	return readMark(b), nil
}

func (f *folder) setMark(_ context.Context, owner string) error {
	path, temp := filepath.Join(f.root, markName), filepath.Join(f.root, tempFolder, rand.Text())
	if err := f.writeMark(temp, owner); err != nil {
		_ = os.Remove(temp) // else the sweeper does
		return diskError(err)
	}
	if err := f.trace(Step{Op: Rename, Path: temp, To: path}); err != nil {
		return diskError(err)
	}
	if err := os.Rename(temp, path); err != nil {
		return diskError(err)
	}
	if err := f.syncFolder(f.root); err != nil {
		return diskError(err)
	}
	return nil
}

// writeMark writes a file of the mark and makes it last.
func (f *folder) writeMark(path, owner string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := f.trace(Step{Op: Write, Path: path}); err != nil {
		return err
	}
	if _, err := file.WriteString(owner + "\n"); err != nil {
		return err
	}
	if err := f.trace(Step{Op: Sync, Path: path}); err != nil {
		return err
	}
	return file.Sync()
}

func (b *bucket) mark(ctx context.Context) (string, error) {
	text, err := b.bucket.ReadAll(ctx, markName)
	if err != nil {
		if gcerrors.Code(err) == gcerrors.NotFound {
			return "", nil
		}
		return "", storeError(ctx, "", err)
	}
	return readMark(text), nil
}

func (b *bucket) setMark(ctx context.Context, owner string) error {
	if err := b.bucket.WriteAll(ctx, markName, []byte(owner+"\n"), &blob.WriterOptions{ContentType: "text/plain"}); err != nil {
		return storeError(ctx, "", err)
	}
	return nil
}

// readMark gives what a mark says. An empty one is damaged and says that somebody
// was here.
func readMark(b []byte) string {
	mark := strings.TrimSpace(string(bytes.ToValidUTF8(b[:min(len(b), maxMark)], []byte("?"))))
	if mark == "" {
		return "?"
	}
	return mark
}
