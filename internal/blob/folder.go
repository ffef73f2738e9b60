package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"terrarium/internal/errs"
)

// folder is a store in a file system. Bytes come under their key by a rename, so
// that a key is there whole or not at all, and each step is synced before the
// next: after a power cut an acknowledged upload is there.
type folder struct {
	root  string
	trace func(Step) error
}

func openFolder(path string, trace func(Step) error) (*folder, error) {
	if path == "" {
		return nil, errs.New(errs.Invalid, "The address of the package store names no folder. Use file:DIR.").On("blobs")
	}
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, diskError(err)
	}
	if trace == nil {
		trace = func(Step) error { return nil }
	}
	f := &folder{root: root, trace: trace}
	for _, name := range []string{keyFolder, tempFolder} {
		if err := f.makeFolder(filepath.Join(root, name)); err != nil {
			return nil, diskError(err)
		}
	}
	return f, nil
}

func (f *folder) path(key Key) string { return filepath.Join(f.root, filepath.FromSlash(key.path())) }

// makeFolder makes a folder and those above it, and makes them last.
func (f *folder) makeFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if above := filepath.Dir(path); above != path {
		if err := f.makeFolder(above); err != nil {
			return err
		}
	}
	if err := f.trace(Step{Op: Make, Path: path}); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.syncFolder(filepath.Dir(path))
}

func (f *folder) syncFolder(path string) error {
	if err := f.trace(Step{Op: SyncFolder, Path: path}); err != nil {
		return err
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (f *folder) remove(path string) error {
	if err := f.trace(Step{Op: Remove, Path: path}); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(err)
	}
	return nil
}

func (f *folder) create(context.Context) (*Writer, error) {
	temp := filepath.Join(f.root, tempFolder, rand.Text())
	file, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, diskError(err)
	}
	return &Writer{
		file: file,
		write: func(p []byte) error {
			if err := f.trace(Step{Op: Write, Path: temp}); err != nil {
				return err
			}
			_, err := file.Write(p)
			return err
		},
		commit: func(_ context.Context, digest Digest) error { return f.commit(file, temp, digest) },
		remove: func() error { return f.remove(temp) },
	}, nil
}

func (f *folder) commit(file *os.File, temp string, digest Digest) error {
	path := f.path(digest.Key())
	// Where the bytes are there already they are replaced by themselves: that
	// mends a damaged file, and their new time keeps a sweeper that has just
	// found them unused from taking them.
	if err := f.trace(Step{Op: Sync, Path: temp}); err != nil {
		return diskError(err)
	}
	if err := file.Sync(); err != nil {
		return diskError(err)
	}
	if err := f.makeFolder(filepath.Dir(path)); err != nil {
		return diskError(err)
	}
	if err := f.trace(Step{Op: Rename, Path: temp, To: path}); err != nil {
		return diskError(err)
	}
	if err := os.Rename(temp, path); err != nil {
		return diskError(err)
	}
	if err := f.syncFolder(filepath.Dir(path)); err != nil {
		return diskError(err)
	}
	return nil
}

func (f *folder) open(_ context.Context, key Key) (*Reader, error) {
	file, err := os.Open(f.path(key))
	if err != nil {
		return nil, f.readError(key, err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, f.readError(key, err)
	}
	return &Reader{content: file, file: file, size: info.Size(), modified: info.ModTime()}, nil
}

func (f *folder) stat(_ context.Context, key Key) (int64, time.Time, error) {
	info, err := os.Stat(f.path(key))
	if err != nil {
		return 0, time.Time{}, f.readError(key, err)
	}
	return info.Size(), info.ModTime(), nil
}

// readError tells a key that is not there from a store that is not there, such
// as a disk that is not mounted.
func (f *folder) readError(key Key, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return diskError(err)
	}
	if err := f.ping(context.Background()); err != nil {
		return err
	}
	return notFound(key)
}

func (f *folder) delete(_ context.Context, key Key) error {
	if err := f.ping(context.Background()); err != nil {
		return err
	}
	return f.remove(f.path(key))
}

func (f *folder) list(ctx context.Context, each func(Key, int64, time.Time) error) error {
	top, err := os.ReadDir(filepath.Join(f.root, keyFolder))
	if err != nil {
		return diskError(err)
	}
	for _, dir := range top {
		if !dir.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(f.root, keyFolder, dir.Name()))
		if err != nil {
			return diskError(err)
		}
		for _, file := range files {
			if err := ctx.Err(); err != nil {
				return err
			}
			key, ok := keyAt(keyFolder + "/" + dir.Name() + "/" + file.Name())
			if !ok {
				continue
			}
			info, err := file.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted meanwhile
			}
			if err != nil {
				return diskError(err)
			}
			if err := each(key, info.Size(), info.ModTime()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *folder) presign(context.Context, Key, PresignOptions) (string, bool, error) {
	return "", false, nil
}

func (f *folder) temps(ctx context.Context, before time.Time) (int, error) {
	dir := filepath.Join(f.root, tempFolder)
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, diskError(err)
	}
	removed := 0
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		info, err := file.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue // finished meanwhile, or still young
		}
		if err := f.remove(filepath.Join(dir, file.Name())); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

func (f *folder) ping(context.Context) error {
	if _, err := os.Stat(filepath.Join(f.root, keyFolder)); err != nil {
		return diskError(err)
	}
	return nil
}

func (f *folder) close() error { return nil }

// diskError gives the errors of a file system their kind and sentence.
func diskError(err error) error {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errs.Wrap(errs.Unavailable, err, "The disk of the package store has no space left. Nothing was kept; the operator must make room.").Because("no-space")
	}
	if errors.Is(err, syscall.EFBIG) {
		return errs.Wrap(errs.Unavailable, err, "The system allows the package store no files as large as this one. Nothing was kept; the operator must raise the limit.").Because("file-size-limit")
	}
	return errs.Wrap(errs.Unavailable, err, "The package store cannot be read or written. The operator finds the cause in the log.")
}
