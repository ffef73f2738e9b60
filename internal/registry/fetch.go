package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"terrarium/internal/blob"
	"terrarium/internal/errs"
)

// fetchTime bounds the fetching of one file from its source.
const fetchTime = time.Hour

// fetching is one file on its way from its source; everybody who asks for it
// meanwhile waits for the same one.
type fetching struct {
	done chan struct{}
	err  error
}

// OpenFile opens the bytes of a file; the caller closes the reader. A file of
// which only metadata was imported is fetched from its source first, and served
// and kept only if size and SHA-256 are those of its record: a source that is
// away or gives other bytes is errs.Unavailable. A file whose bytes were swept is
// errs.Gone.
func (r *Registry) OpenFile(ctx context.Context, f File) (*blob.Reader, error) {
	reader, err := r.blobs.Open(ctx, blob.Key(f.SHA256))
	if f.Stored && errs.Is(err, errs.NotFound) {
		// The file is there as far as anybody was told, so "not found" would be
		// a lie, and would stand in no operator's log.
		return nil, errs.Wrap(errs.Unavailable, err,
			"The bytes of %s are missing from the package store. The operator must restore them, or its owner upload the same file again.", f.Name).Because("bytes-missing")
	}
	if err == nil || !errs.Is(err, errs.NotFound) {
		if err != nil {
			return nil, fmt.Errorf("open the bytes of %s: %w", f.FullName(), err)
		}
		return reader, nil
	}
	if f.SourceURL == "" {
		return nil, errs.New(errs.Gone, "The bytes of %s were removed.", f.Name).Because("deleted")
	}
	if err := r.fetch(ctx, f); err != nil {
		return nil, err
	}
	return r.blobs.Open(ctx, blob.Key(f.SHA256))
}

// fetch brings the bytes of a file into the blob store, once for all who wait.
func (r *Registry) fetch(ctx context.Context, f File) error {
	mine := &fetching{done: make(chan struct{})}
	other, running := r.fetches.LoadOrStore(f.SHA256, mine)
	if running {
		mine = other.(*fetching)
	} else {
		// Others may wait for it too, so it does not end with this request.
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
			defer cancel()
			mine.err = r.fetchNow(ctx, f)
			r.fetches.Delete(f.SHA256)
			close(mine.done)
		}()
	}
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Registry) fetchNow(ctx context.Context, f File) (err error) {
	away := func(cause error) error {
		if errors.Is(cause, context.Canceled) {
			return cause
		}
		return errs.Wrap(errs.Unavailable, cause, "%s could not be fetched from where it was imported. Try again later.", f.Name).Because("source-away")
	}
	if r.opts.Fetch == nil {
		return away(errors.New("no client for sources was given"))
	}
	body, err := r.opts.Fetch(ctx, f.SourceURL)
	if err != nil {
		return away(err)
	}
	defer body.Close()
	w, err := r.blobs.Create(ctx)
	if err != nil {
		return fmt.Errorf("make a temporary file: %w", err)
	}
	defer r.abort(w)
	n, err := io.Copy(w, io.LimitReader(body, f.Size+1))
	if err != nil {
		return away(err)
	}
	d, err := w.Digest()
	if err != nil {
		return fmt.Errorf("hash %s: %w", f.Name, err)
	}
	if n != f.Size || !strings.EqualFold(d.SHA256Hex(), f.SHA256) {
		r.opts.Log.ErrorContext(ctx, "a source gave other bytes than its record says", "file", f.FullName(), "url", f.SourceURL,
			"size", n, "want_size", f.Size, "sha256", d.SHA256Hex(), "want_sha256", f.SHA256)
		return errs.New(errs.Unavailable, "The source of %s gave other bytes than its index says, so they are not served.", f.Name).Because("source-differs")
	}
	if _, err := w.Commit(ctx); err != nil {
		return fmt.Errorf("keep the bytes of %s: %w", f.Name, err)
	}
	// Other files of the same bytes find them all the same, see OpenFile.
	if _, err := r.db.Exec(ctx, "UPDATE file_rows SET stored = $2 WHERE id = $1 AND source_url <> ''", f.ID, true); err != nil {
		return fmt.Errorf("note that %s is here: %w", f.Name, err)
	}
	return nil
}
