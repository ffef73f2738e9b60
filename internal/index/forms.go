package index

import (
	"bytes"
	"context"
	"io"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// bytes fills in a document that is held as a whole.
func (d *Document) bytes(contentType string, b []byte) *Document {
	d.ContentType, d.Size = contentType, int64(len(b))
	d.Open = func() io.ReadSeeker { return bytes.NewReader(b) }
	return d
}

// layout fills in a document in one of the two forms of a layout.
func (d *Document) layout(l *repodata.Layout, zstd bool) *Document {
	if zstd {
		d.ContentType, d.Size, d.Open = "application/zstd", l.ZstdSize(), l.Zstd
	} else {
		d.ContentType, d.Size, d.Open = "application/json", l.JSONSize(), l.JSON
	}
	return d
}

// make makes a form.
func (x *Index) make(ctx context.Context, s *snapshot, form Form) (*Document, error) {
	d := &Document{ETag: s.etag(form), Modified: s.modified}
	switch form {
	case RepodataJSON, RepodataZstd:
		l, err := s.text.document(ctx, s, x.lay)
		if err != nil {
			return nil, err
		}
		return d.layout(l, form == RepodataZstd), nil
	case ShardIndex:
		f := s.shardIndex()
		d.ContentType, d.Size, d.Open = "application/zstd", f.Size(), f.Open
		return d, nil
	case CurrentJSON, CurrentZstd:
		l, err := s.current.document(ctx, s, x.layCurrent)
		if err != nil {
			return nil, err
		}
		return d.layout(l, form == CurrentZstd), nil
	case RunExportsJSON, RunExportsZstd:
		l, err := x.runExports(ctx, s)
		if err != nil {
			return nil, err
		}
		return d.layout(l, form == RunExportsZstd), nil
	}
	return nil, errs.New(errs.NotFound, "There is no %s here.", form)
}
