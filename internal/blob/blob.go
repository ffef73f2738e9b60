// Package blob keeps the bytes of uploaded files, each under its SHA-256, in a
// folder or in an S3 bucket. What has been committed is on the disk, or with the
// object store, before Commit answers. Bytes are never changed. Which of them are
// still wanted, and by whom, is the business of others.
package blob

import (
	"context"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"gocloud.dev/blob/memblob"

	"terrarium/internal/blob/s3blob"
	"terrarium/internal/dial"
	"terrarium/internal/errs"
	"terrarium/internal/trace"
)

// Store is a place for bytes. It is safe for concurrent use, by many processes
// too.
type Store struct {
	place place
}

// place is one kind of store. Its errors have their kinds already.
type place interface {
	create(ctx context.Context) (*Writer, error)
	open(ctx context.Context, key Key) (*Reader, error)
	stat(ctx context.Context, key Key) (size int64, modified time.Time, err error)
	delete(ctx context.Context, key Key) error
	list(ctx context.Context, f func(Key, int64, time.Time) error) error
	presign(ctx context.Context, key Key, opts PresignOptions) (string, bool, error)
	temps(ctx context.Context, before time.Time) (int, error)
	mark(ctx context.Context) (string, error) // "" where there is none
	setMark(ctx context.Context, owner string) error
	ping(ctx context.Context) error
	close() error
}

// Options are the choices of Open. The zero value is right where the store is a
// folder.
type Options struct {
	// Dialer connects to an object store; nil means one that knows only
	// public addresses. The endpoint in the URL is allowed in any case.
	Dialer *dial.Dialer
	// Spool is the folder in which an upload to an object store lies until it
	// is whole; "" means the system's temporary folder.
	Spool string
	// Trace, if not nil, is told of every step that a folder store takes to
	// make bytes last, before it is taken, and may forbid it. It is for tests
	// that imitate a power cut or a full disk.
	Trace func(Step) error
}

// Step is something that a folder store does to its disk.
type Step struct {
	Op   Op
	Path string
	To   string // the new path of a Rename
}

// Op is the kind of a Step.
type Op string

// The operations that a Step can be. What was written lasts from the Sync of its
// file; a name lasts from the SyncFolder of its folder.
const (
	Make       Op = "make a folder"
	Write      Op = "write"
	Sync       Op = "sync"
	Rename     Op = "rename"
	SyncFolder Op = "sync the folder"
	Remove     Op = "remove"
)

// Open opens the store that url names: "file:DIR" (made if it is not there),
// "s3://BUCKET?endpoint=…&region=…&use_path_style=true" with credentials from
// where the AWS SDK finds them, or "mem:" for tests. A url of another kind is
// errs.Invalid, a store that does not answer errs.Unavailable.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "file":
		f, err := openFolder(strings.TrimPrefix(rest, "//"), opts.Trace)
		if err != nil {
			return nil, err
		}
		return &Store{f}, nil
	case "mem":
		return &Store{&bucket{bucket: memblob.OpenBucket(nil), spool: opts.Spool}}, nil
	case "s3":
		dialer := opts.Dialer
		if dialer == nil {
			dialer = dial.New(dial.Options{})
		}
		opened, err := s3blob.Open(ctx, url, dialer)
		if err != nil {
			return nil, err
		}
		b := &bucket{bucket: opened.Bucket, presigner: opened.Presign, spool: opts.Spool}
		if err := b.ping(ctx); err != nil {
			opened.Bucket.Close()
			return nil, err
		}
		return &Store{b}, nil
	case "gs", "azblob":
		return nil, errs.New(errs.Invalid, "Google Cloud Storage and Azure are not supported yet. Use file:DIR or s3://BUCKET.").On("blobs")
	default:
		return nil, errs.New(errs.Invalid, "The address of the package store begins with %q. Use file:DIR or s3://BUCKET.", scheme+":").On("blobs")
	}
}

// Ping asks the store for a sign of life.
func (s *Store) Ping(ctx context.Context) error { return s.place.ping(ctx) }

// Close gives up the store's connections. Readers and writers must be closed
// before.
func (s *Store) Close() error { return s.place.close() }

// Create begins to write. Exactly one of the Writer's Commit and Abort must be
// called; both may.
func (s *Store) Create(ctx context.Context) (*Writer, error) {
	ctx, span := trace.Child(ctx, "blob.Write")
	w, err := s.place.create(ctx)
	if err != nil {
		span.End(err)
		return nil, err
	}
	w.span = span
	return w, nil
}

// Open opens the bytes of a key for reading; errs.NotFound where there are none.
// ctx must last as long as the reader.
func (s *Store) Open(ctx context.Context, key Key) (*Reader, error) {
	if err := key.check(); err != nil {
		return nil, err
	}
	ctx, span := trace.Child(ctx, "blob.Read")
	r, err := s.place.open(ctx, key)
	if err != nil {
		span.End(err)
		return nil, err
	}
	span.Number("size", r.size)
	r.span = span
	return r, nil
}

// Stat gives the size of the bytes of a key and when they were last committed;
// errs.NotFound where there are none.
func (s *Store) Stat(ctx context.Context, key Key) (size int64, modified time.Time, err error) {
	if err := key.check(); err != nil {
		return 0, time.Time{}, err
	}
	return s.place.stat(ctx, key)
}

// Exists reports whether there are bytes under a key.
func (s *Store) Exists(ctx context.Context, key Key) (bool, error) {
	_, _, err := s.Stat(ctx, key)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Delete takes the bytes of a key away. Where there are none it does nothing.
func (s *Store) Delete(ctx context.Context, key Key) error {
	if err := key.check(); err != nil {
		return err
	}
	return s.place.delete(ctx, key)
}

// List calls f for all keys in order, with size in bytes and the time of the last
// commit. An error of f ends it and is its answer.
func (s *Store) List(ctx context.Context, f func(key Key, size int64, modified time.Time) error) error {
	return s.place.list(ctx, f)
}

// PresignOptions say what a presigned URL allows and what its answer looks like.
type PresignOptions struct {
	Expires            time.Duration // how long it works; 0 means 15 minutes
	ContentDisposition string        // the header of this name in the answer, if not empty
	ContentType        string        // the header of this name in the answer, if not empty
}

// Presign gives a URL from which anybody can read the bytes of a key for a while.
// ok is false where the store has no such URLs. It does not look whether there
// are bytes.
func (s *Store) Presign(ctx context.Context, key Key, opts PresignOptions) (url string, ok bool, err error) {
	if err := key.check(); err != nil {
		return "", false, err
	}
	if opts.Expires <= 0 {
		opts.Expires = 15 * time.Minute
	}
	return s.place.presign(ctx, key, opts)
}

// Temps removes what abandoned writers left behind that was last written to
// before a time, and says how many that were. A time within the longest upload
// would break uploads.
func (s *Store) Temps(ctx context.Context, before time.Time) (int, error) {
	return s.place.temps(ctx, before)
}

// Reader reads the bytes of one key. It may be read at many places at once by
// ReadAt, but Read and Seek belong to one goroutine.
type Reader struct {
	content
	file     *os.File
	size     int64
	modified time.Time
	span     *trace.Span // from Open to Close
}

// Close gives the reader up.
func (r *Reader) Close() error {
	err := r.content.Close()
	r.span.End(err)
	return err
}

type content interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// File is the open file where the store is a folder, so that a server can have
// the kernel send it; else nil.
func (r *Reader) File() *os.File { return r.file }

// Size is the number of bytes.
func (r *Reader) Size() int64 { return r.size }

// Modified is when the bytes were last committed.
func (r *Reader) Modified() time.Time { return r.modified }

func notFound(key Key) error {
	return errs.Wrap(errs.NotFound, fs.ErrNotExist, "There are no bytes with the SHA-256 %s.", key)
}
