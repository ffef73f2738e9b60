package index

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"

	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

// wholeDocuments are documents of a channel as a whole, kept with its state.
type wholeDocuments struct {
	mu   sync.Mutex
	made map[string]*Document
}

// get gives the document under a key, made by f when first asked for.
func (w *wholeDocuments) get(key string, f func() (*Document, error)) (*Document, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.made[key]; d != nil {
		return d, nil
	}
	d, err := f()
	if err != nil {
		return nil, err
	}
	if w.made == nil {
		w.made = map[string]*Document{}
	}
	w.made[key] = d
	return d, nil
}

// Channeldata gives channeldata.json (CEP 38) of the channel as it is (at "")
// or was. It is made when first asked for and kept with the generation.
func (x *Index) Channeldata(ctx context.Context, open registry.Opened, at string) (*Document, error) {
	st, stale, err := x.stateAt(ctx, &open, at)
	if err != nil {
		return nil, err
	}
	hidden, err := x.sight(ctx, open, st)
	if err != nil {
		return nil, err
	}
	d, err := st.whole.get("channeldata."+open.Channel.ID+"."+open.ViewKey, func() (*Document, error) {
		parts, err := x.dataParts(ctx, open, st)
		if err != nil {
			return nil, err
		}
		j, err := channeldata(parts, st.names(hidden), hidden.hides)
		if err != nil {
			return nil, err
		}
		d := &Document{ETag: st.etag(open, "channeldata"), Modified: st.modified(open)}
		d.ContentType, d.Size, d.Open = "application/json", j.Size(), j.Open
		return d, nil
	})
	return d.staleIf(stale), err
}

// names gives the subdirs of a state that are not hidden, sorted; noarch is
// always among them.
func (st *state) names(hidden sight) []string {
	list := slices.DeleteFunc(slices.Collect(maps.Keys(st.subdirs)), func(subdir string) bool { return hidden.subdirs[subdir] })
	if _, ok := st.subdirs[noarch]; !ok {
		list = append(list, noarch)
	}
	slices.Sort(list)
	return list
}

// etag names a document of the whole channel.
func (st *state) etag(open registry.Opened, form string) string {
	return `"` + open.Channel.ID + "." + strconv.FormatInt(st.generation, 10) + "." + open.ViewKey + "." + form + "." + strconv.Itoa(repodata.Revision) + `"`
}
