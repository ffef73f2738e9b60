package registry

import (
	"context"
	"errors"
	"time"

	"terrarium/internal/access"
)

var errStub = errors.New("registry: not there yet")

// Import loads an existing channel, one generation a subdir. Files that are
// there already with the same bytes are kept as they are.
func (r *Registry) Import(ctx context.Context, actor access.Actor, owner, channel string, src ImportSource, progress ImportProgress) (ImportReport, error) {
	return ImportReport{}, errStub
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
