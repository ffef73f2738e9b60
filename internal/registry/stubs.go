package registry

import (
	"context"
	"errors"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/blob"
)

var errStub = errors.New("registry: not there yet")

type (
	counter struct{}
)

// Packages lists packages that the caller may read.
func (r *Registry) Packages(ctx context.Context, actor access.Actor, f PackageFilter) (PackageList, error) {
	return PackageList{}, errStub
}

// Search finds packages that the caller may read.
func (r *Registry) Search(ctx context.Context, actor access.Actor, q Query) (SearchResult, error) {
	return SearchResult{}, errStub
}

// OpenFile opens the bytes of a file. A file of which only metadata was imported
// is fetched from its source first and verified against size and SHA-256; a
// source that is away or gives other bytes is errs.Unavailable.
func (r *Registry) OpenFile(ctx context.Context, f File) (*blob.Reader, error) {
	return nil, errStub
}

// Copy gives files of one owner to another, or another label to files of the
// same owner. It gives the copies.
func (r *Registry) Copy(ctx context.Context, actor access.Actor, c CopyRequest) ([]File, error) {
	return nil, errStub
}

// Import loads an existing channel, one generation a subdir. Files that are
// there already with the same bytes are kept as they are.
func (r *Registry) Import(ctx context.Context, actor access.Actor, owner, channel string, src ImportSource, progress ImportProgress) (ImportReport, error) {
	return ImportReport{}, errStub
}

// CountDownload counts one download of a file. It only takes a lock in memory;
// rows follow within a second.
func (r *Registry) CountDownload(f File) {}

// FlushDownloads writes the counts that are still in memory.
func (r *Registry) FlushDownloads(ctx context.Context) error { return errStub }

// Downloads is the series of downloads of a package over the last days, oldest
// first, days without any included.
func (r *Registry) Downloads(ctx context.Context, actor access.Actor, owner, pkg string, days int) ([]Day, error) {
	return nil, errStub
}

// Stats counts what the caller may read.
func (r *Registry) Stats(ctx context.Context, actor access.Actor) (Stats, error) {
	return Stats{}, errStub
}

// GC empties the trash of what is over its time, forgets uploads that were never
// committed and removes bytes that no row names and that are older than grace.
func (r *Registry) GC(ctx context.Context, dryRun bool, grace time.Duration) (Swept, error) {
	return Swept{}, errStub
}

// Fsck compares rows, records and bytes. With digests it reads every blob.
func (r *Registry) Fsck(ctx context.Context, digests bool) (Report, error) {
	return Report{}, errStub
}
