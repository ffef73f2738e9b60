package index

import (
	"bytes"
	"context"
	"io"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// currentLimit is the number of names above which current_repodata.json is not
// made: picking from more would take longer than the clients that ask for it
// wait. conda's classic solver then takes the whole index.
const currentLimit = 20_000

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
		laid, err := x.lay(ctx, s)
		if err != nil {
			return nil, err
		}
		l, err := repodata.NewRepodata(s.subdir, laid.pieces(groupTarBz2), laid.pieces(groupConda), nil)
		if err != nil {
			return nil, err
		}
		return d.layout(l, form == RepodataZstd), nil
	case ShardIndex:
		f := s.shardIndex()
		d.ContentType, d.Size, d.Open = "application/zstd", f.Size(), f.Open
		return d, nil
	case CurrentJSON, CurrentZstd:
		l, err := x.currentRepodata(ctx, s)
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

// currentRepodata picks the newest records out of the snapshot's.
func (x *Index) currentRepodata(ctx context.Context, s *snapshot) (*repodata.Layout, error) {
	if s.count() > currentLimit {
		return nil, errs.New(errs.NotFound, "%s is too large for a current_repodata.json; use repodata.json.zst or shards.", s.subdir)
	}
	var files []repodata.FileRecord
	err := x.each(ctx, s.channel, s.subdir, s.generation, "", "", func(r row) error {
		if !s.lists(r.name, r.fileName) {
			return nil
		}
		rec, err := conda.ParseRecord(r.json)
		if err != nil {
			return err
		}
		files = append(files, repodata.FileRecord{FileName: r.fileName, Record: rec})
		return nil
	})
	if err != nil {
		return nil, err
	}
	var entries []repodata.Entry
	for _, f := range repodata.Current(files, nil) {
		enc, err := repodata.EncodeRecord(f.Record)
		if err != nil {
			return nil, err
		}
		entries = append(entries, repodata.Entry{FileName: f.FileName, JSON: enc.JSON})
	}
	return repodata.NewDocument(s.subdir, entries, nil)
}
