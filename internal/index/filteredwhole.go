package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"terrarium/internal/registry"
)

// FilteredChanneldata gives channeldata.json of the files that the predicate
// keeps, as Channeldata does for all.
func (x *Index) FilteredChanneldata(ctx context.Context, open registry.Opened, p *Predicate) (*Document, error) {
	st, stale, err := x.stateFor(ctx, &open)
	if err != nil {
		return nil, err
	}
	hidden, err := x.sight(ctx, open, st)
	if err != nil {
		return nil, err
	}
	views := map[string]*snapshot{}
	subdirs := st.names(hidden)
	modified := st.modified(open)
	sum := sha256.New()
	for _, subdir := range subdirs {
		v, err := x.filteredAt(ctx, open, st, p, subdir)
		if err != nil {
			return nil, err
		}
		views[subdir] = v.snap
		_, _ = io.WriteString(sum, subdir+" "+v.snap.viewKey+"\n") // a hash never fails
		if v.snap.modified.After(modified) {
			modified = v.snap.modified
		}
	}
	form := "channeldata." + hex.EncodeToString(sum.Sum(nil)[:8])
	d, err := st.whole.get(form+"."+open.Channel.ID+"."+open.ViewKey, func() (*Document, error) {
		parts, err := x.filteredParts(ctx, open, st, views)
		if err != nil {
			return nil, err
		}
		j, err := channeldata(parts, subdirs, func(string) bool { return false }) // the views hide what is hidden
		if err != nil {
			return nil, err
		}
		d := &Document{ETag: st.etag(open, form), Modified: modified}
		d.ContentType, d.Size, d.Open = "application/json", j.Size(), j.Open
		return d, nil
	})
	return d.staleIf(stale), err
}

// FilteredCount says how many of the records of a subdir, as the channel serves
// it now, a predicate keeps, and how many there are. It looks at columns alone,
// and nothing is kept of it: a policy may be tried so before it is made.
func (x *Index) FilteredCount(ctx context.Context, open registry.Opened, p *Predicate, subdir string) (kept, of int, err error) {
	v, err := x.View(ctx, open, subdir)
	if err != nil {
		return 0, 0, err
	}
	if err := x.fillColumns(ctx, v.snap); err != nil {
		return 0, 0, err
	}
	j := judge{Predicate: p, subdir: subdir, cut: x.opt.Now().UnixMilli() - p.minAge}
	err = j.each(ctx, v.snap.entries, func(e *entry, v verdict, some bits) error {
		n := len(e.columns.Load().cells)
		of += n
		switch v {
		case whole:
			kept += n
		case partial:
			kept += some.count()
		}
		return nil
	})
	return kept, of, err
}
