package registry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/archive"
	"terrarium/internal/blob"
	"terrarium/internal/sqldb"
)

// Options are what a Registry needs beside its database and blob store. The
// zero value is usable but for Gen.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets what goes wrong behind an answer that was already right.
	Log *slog.Logger
	// Gen tells when anybody's rights changed; caches of rights hang on it.
	Gen *access.Generation
	// Renew makes an actor again in the transaction of a change, or refuses it, when
	// rights have changed since its request began (access.Actor.Current). nil means
	// that actors are what they were.
	Renew func(ctx context.Context, tx *sqldb.DB, actor access.Actor) (access.Actor, error)
	// Limits bound the reading of archives.
	Limits archive.Limits
	// MaxUpload is the largest file accepted, in bytes; 0 means 10 GiB.
	MaxUpload int64
	// Parses is how many archives are read at once; 0 means 4.
	Parses int
	// TrashFor is how long deleted files can be restored; 0 means 14 days.
	TrashFor time.Duration
	// StageFor is how long a staged upload waits for its commit; 0 means an
	// hour.
	StageFor time.Duration
	// ImportLease is how long an import may be silent before others take it for
	// dead; one that lives renews it five times as often. 0 means 15 seconds.
	ImportLease time.Duration
	// CheckNow is the largest archive whose payload is read before an upload is
	// answered, in bytes; 0 means 64 MiB of .conda and 8 MiB of .tar.bz2. The
	// payload of larger ones is read by CheckFiles.
	CheckNow int64
	// AfterUpload joins a job to the transaction that publishes a package whose
	// payload was not read: one that calls CheckFiles. nil means that it is never.
	AfterUpload func(ctx context.Context, tx *sqldb.DB) error
	// Fetch opens a source_url for the files of a channel whose metadata alone
	// was imported. It is the guarded client of package dial; nil means that
	// such files cannot be had.
	Fetch func(ctx context.Context, url string) (io.ReadCloser, error)
}

// Registry is the store of channels, packages and files. It is safe for use by
// many goroutines. Make it with New and end it with Close.
type Registry struct {
	db    *sqldb.DB
	blobs *blob.Store
	opts  Options

	parses      chan struct{} // a slot for each archive being read
	wide        chan struct{} // the one slot for an upload whose payload takes much memory to check
	checks      chan struct{} // the one slot for a payload that is checked when its file is published
	publisher   atomic.Pointer[Publisher]
	queue       queue
	opened      openedCache
	generations versionCache[string, int64] // by channel
	served      versionCache[servedKey, File]
	counter     counter
	fetches     sync.Map // sha256 → chan struct{}, files being fetched
}

// Publisher makes generations visible. Publish is called after the commit of
// the rows and before the answer, at most once at a time. An error is logged
// and no more: the rows are committed, and the next read of the index brings
// itself up to them.
type Publisher interface {
	Publish(ctx context.Context, changed []Changed) error
}

// Preparer is a Publisher that can work ahead. Prepare is called when all records of
// a generation to come are written and before it is made the current one; what it
// gives comes back in the Changed of that generation, if that is made current at all.
// It may give nil.
type Preparer interface {
	Prepare(ctx context.Context, channelID string, generation int64) (prepared any, err error)
}

// Changed says what one committed batch changed in one channel.
type Changed struct {
	ChannelID  string
	Generation int64
	Subdirs    map[string][]string // subdir → names of packages, sorted
	Prepared   any                 // what a Preparer gave for the generation, or nil
	Rewritten  map[string][]string // of Subdirs those whose records were written again after that
}

// New makes a Registry over a migrated database and a blob store.
func New(db *sqldb.DB, blobs *blob.Store, opts Options) *Registry {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Gen == nil {
		opts.Gen = access.NewGeneration(db)
	}
	if opts.MaxUpload == 0 {
		opts.MaxUpload = 10 << 30
	}
	if opts.Parses == 0 {
		opts.Parses = 4
	}
	if opts.TrashFor == 0 {
		opts.TrashFor = 14 * 24 * time.Hour
	}
	if opts.StageFor == 0 {
		opts.StageFor = time.Hour
	}
	if opts.ImportLease == 0 {
		opts.ImportLease = 15 * time.Second
	}
	return &Registry{db: db, blobs: blobs, opts: opts, parses: make(chan struct{}, opts.Parses), wide: make(chan struct{}, 1), checks: make(chan struct{}, 1)}
}

// SetPublisher names who makes generations visible; package index needs the
// Registry first, hence not an option.
func (r *Registry) SetPublisher(p Publisher) { r.publisher.Store(&p) }

// Close waits for running changes and writes the download counts that are
// still in memory.
func (r *Registry) Close(ctx context.Context) error {
	return r.FlushDownloads(ctx)
}

// MaxUpload is the largest file accepted, in bytes.
func (r *Registry) MaxUpload() int64 { return r.opts.MaxUpload }

// now is the clock at the precision that rows keep.
func (r *Registry) now() time.Time { return r.opts.Now().UTC().Truncate(time.Microsecond) }
