package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"terrarium/internal/errs"
)

// bucket is a store in a bucket of gocloud.dev. What is written lies in a local
// file until it is whole: its key is not known before, and object stores cannot
// rename.
type bucket struct {
	bucket    *blob.Bucket
	presigner func(ctx context.Context, key string, expires time.Duration, disposition, contentType string) (string, error) // nil if there are no such URLs
	spool     string
}

func (b *bucket) create(context.Context) (*Writer, error) {
	file, err := os.CreateTemp(b.spool, "terrarium-upload-")
	if err != nil {
		return nil, spoolError(err)
	}
	// Without a name it cannot be left behind, whatever happens to us.
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, spoolError(err)
	}
	return &Writer{
		file: file,
		write: func(p []byte) error {
			if _, err := file.Write(p); err != nil {
				return spoolError(err)
			}
			return nil
		},
		commit: func(ctx context.Context, digest Digest) error { return b.commit(ctx, file, digest) },
		remove: func() error { return nil },
	}, nil
}

// commit uploads even what is there already, for the reason that folder.commit
// gives.
func (b *bucket) commit(ctx context.Context, file *os.File, digest Digest) error {
	key := digest.Key()
	err := b.bucket.Upload(ctx, key.path(), io.NewSectionReader(file, 0, digest.Size), &blob.WriterOptions{
		ContentType:    "application/octet-stream",
		BufferSize:     8 << 20, // of which MaxConcurrency are held in memory
		MaxConcurrency: 3,
	})
	if err != nil {
		return storeError(ctx, key, err)
	}
	size, _, err := b.stat(ctx, key)
	if err != nil {
		return err
	}
	if size != digest.Size {
		return errs.New(errs.Unavailable, "The package store kept %d of %d bytes. Try again later.", size, digest.Size)
	}
	return nil
}

func (b *bucket) open(ctx context.Context, key Key) (*Reader, error) {
	size, modified, err := b.stat(ctx, key)
	if err != nil {
		return nil, err
	}
	return &Reader{content: &object{ctx: ctx, bucket: b, key: key, size: size}, size: size, modified: modified}, nil
}

func (b *bucket) stat(ctx context.Context, key Key) (int64, time.Time, error) {
	attrs, err := b.bucket.Attributes(ctx, key.path())
	if err != nil {
		return 0, time.Time{}, storeError(ctx, key, err)
	}
	return attrs.Size, attrs.ModTime, nil
}

func (b *bucket) delete(ctx context.Context, key Key) error {
	if err := b.bucket.Delete(ctx, key.path()); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return storeError(ctx, key, err)
	}
	return nil
}

func (b *bucket) list(ctx context.Context, each func(Key, int64, time.Time) error) error {
	objects := b.bucket.List(&blob.ListOptions{Prefix: keyFolder + "/"})
	for {
		object, err := objects.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return storeError(ctx, "", err)
		}
		key, ok := keyAt(object.Key)
		if !ok {
			continue
		}
		if err := each(key, object.Size, object.ModTime); err != nil {
			return err
		}
	}
}

func (b *bucket) presign(ctx context.Context, key Key, opts PresignOptions) (string, bool, error) {
	if b.presigner == nil {
		return "", false, nil
	}
	url, err := b.presigner(ctx, key.path(), opts.Expires, opts.ContentDisposition, opts.ContentType)
	if err != nil {
		return "", false, storeError(ctx, key, err)
	}
	return url, true, nil
}

// temps has nothing to do: the local files have no names. The parts of an upload
// that broke off are the bucket's to expire, by a rule of its own.
func (b *bucket) temps(context.Context, time.Time) (int, error) { return 0, nil }

func (b *bucket) ping(ctx context.Context) error {
	there, err := b.bucket.IsAccessible(ctx)
	if err != nil {
		return storeError(ctx, "", err)
	}
	if !there {
		return errs.New(errs.Unavailable, "The bucket of the package store is not there.")
	}
	return nil
}

func (b *bucket) close() error { return b.bucket.Close() }

// object reads one key by range requests, opened only when something is read, so
// that seeking about costs nothing.
type object struct {
	ctx    context.Context
	bucket *bucket
	key    Key
	size   int64
	at     int64         // where the next Read reads
	body   io.ReadCloser // stands at at, if not nil
}

// Read implements io.Reader.
func (o *object) Read(p []byte) (int, error) {
	if o.at >= o.size {
		return 0, io.EOF
	}
	if o.body == nil {
		body, err := o.bucket.bucket.NewRangeReader(o.ctx, o.key.path(), o.at, -1, nil)
		if err != nil {
			return 0, storeError(o.ctx, o.key, err)
		}
		o.body = body
	}
	n, err := o.body.Read(p)
	o.at += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, storeError(o.ctx, o.key, err)
	}
	if err != nil && o.at < o.size {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("blob: seek to %d", offset)
	}
	if offset != o.at && o.body != nil {
		o.body.Close()
		o.body = nil
	}
	o.at = offset
	return offset, nil
}

// ReadAt implements io.ReaderAt.
func (o *object) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("blob: read at %d", offset)
	}
	want := min(int64(len(p)), o.size-offset)
	if want <= 0 {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	body, err := o.bucket.bucket.NewRangeReader(o.ctx, o.key.path(), offset, want, nil)
	if err != nil {
		return 0, storeError(o.ctx, o.key, err)
	}
	defer body.Close()
	n, err := io.ReadFull(body, p[:want])
	if err != nil {
		return n, storeError(o.ctx, o.key, err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (o *object) Close() error {
	if o.body == nil {
		return nil
	}
	body := o.body
	o.body = nil
	return body.Close()
}

// storeError gives the errors of an object store their kind and sentence.
func storeError(ctx context.Context, key Key, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("use the package store: %w", ctx.Err())
	}
	if gcerrors.Code(err) == gcerrors.NotFound && key != "" {
		return notFound(key)
	}
	return errs.Wrap(errs.Unavailable, err, "The package store is away. Try again in a moment.")
}

// spoolError is diskError for the disk on which uploads wait.
func spoolError(err error) error {
	err = diskError(err)
	if errs.Reason(err) == "no-space" {
		return errs.Wrap(errs.Unavailable, err, "The disk for uploads has no space left. Nothing was kept; the operator must make room.").Because("no-space")
	}
	return errs.Wrap(errs.Unavailable, err, "The folder for uploads cannot be written. The operator finds the cause in the log.")
}
