package index

import (
	"context"
	"encoding/json/v2"
	"maps"
	"slices"
	"strconv"
	"sync"

	"terrarium/internal/conda"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
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
	st, err := x.stateAt(ctx, open, at)
	if err != nil {
		return nil, err
	}
	hidden, err := x.sight(ctx, open, st)
	if err != nil {
		return nil, err
	}
	return st.whole.get("channeldata."+open.Channel.ID+"."+open.ViewKey, func() (*Document, error) {
		parts, err := x.dataParts(ctx, open, st)
		if err != nil {
			return nil, err
		}
		b, err := channeldata(parts, st.names(hidden), hidden.hides)
		if err != nil {
			return nil, err
		}
		d := &Document{ETag: st.etag(open, "channeldata"), Modified: st.modified(open)}
		return d.bytes("application/json", b), nil
	})
}

// channelFiles reads the records of a state that lists has, with what their
// archives say about themselves. Where names is not nil, only theirs are read.
func (x *Index) channelFiles(ctx context.Context, open registry.Opened, st *state, names []string, lists func(subdir, name, fileName string) bool) ([]repodata.ChannelFile, error) {
	var out []repodata.ChannelFile
	among, args := "", []any{open.Records().ID, st.generation}
	if names != nil {
		among = " AND r.subdir IN (SELECT value FROM " + x.db.EachText("$3") + " AS there) AND r.name IN (SELECT value FROM " + x.db.EachText("$4") + " AS wanted)"
		args = append(args, st.sorted(), names)
	}
	err := x.db.EachRow(ctx, func(r *sqldb.Rows) error {
		var name, fileName string
		var js, exports, about, flags []byte
		f := repodata.ChannelFile{}
		if err := r.Scan(&f.Subdir, &name, &fileName, &js, &exports, &about, &flags); err != nil {
			return err
		}
		if !lists(f.Subdir, name, fileName) {
			return nil
		}
		var err error
		if f.Record, err = conda.ParseRecord(js); err != nil {
			return err
		}
		if exports != nil {
			re, err := conda.ParseRunExports(exports)
			if err != nil {
				return err
			}
			f.Record.RunExports = &re
		}
		f.About = about
		if flags != nil {
			if err := json.Unmarshal(flags, &f.Flags); err != nil {
				return err
			}
		}
		out = append(out, f)
		return nil
	}, `
		SELECT r.subdir, r.name, r.file_name, r.json, r.run_exports, i.about, i.flags
		FROM records r LEFT JOIN file_info i ON i.file_id = r.file_id
		WHERE r.channel_id = $1 AND r.added <= $2 AND (r.removed IS NULL OR r.removed > $2)`+among, args...)
	return out, err
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
