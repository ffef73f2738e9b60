package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

// FilteredChanneldata gives channeldata.json of the files that the predicate
// keeps, as Channeldata does for all.
func (x *Index) FilteredChanneldata(ctx context.Context, open registry.Opened, p *Predicate) (*Document, error) {
	st, _, err := x.stateFor(ctx, open)
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
		v, err := x.Filtered(ctx, open, p, subdir)
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
	return st.whole.get(form+"."+open.ViewKey, func() (*Document, error) {
		files, err := x.channelFiles(ctx, open, st, func(subdir, name, fileName string) bool {
			return views[subdir] != nil && views[subdir].lists(name, fileName)
		})
		if err != nil {
			return nil, err
		}
		b, err := repodata.NewChannelData(subdirs, files).Encode()
		if err != nil {
			return nil, err
		}
		d := &Document{ETag: st.etag(open, form), Modified: modified}
		return d.bytes("application/json", b), nil
	})
}
