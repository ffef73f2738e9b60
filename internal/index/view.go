package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

// Form is one of the documents of a subdir.
type Form string

// The forms of a subdir's index.
const (
	RepodataJSON   Form = "json"
	RepodataZstd   Form = "zst"
	ShardIndex     Form = "shards"
	CurrentJSON    Form = "current"
	CurrentZstd    Form = "current-zst"
	RunExportsJSON Form = "run-exports"
	RunExportsZstd Form = "run-exports-zst"
)

// Document is one form, ready to be sent.
type Document struct {
	ETag        string // strong, quoted; equal on every replica, differs between forms
	Modified    time.Time
	ContentType string
	Size        int64 // bytes
	Open        func() io.ReadSeeker
	Stale       bool // made from the last known state while the database is away
}

// View is a subdir as one caller sees it.
type View struct {
	x     *Index
	snap  *snapshot
	stale bool

	base     *snapshot // of a filtered view: what it is made of
	filtered *filtered
}

// Generation is the last generation that changed the subdir.
func (v *View) Generation() int64 { return v.snap.generation }

// Modified is when that was.
func (v *View) Modified() time.Time { return v.snap.modified }

// Names gives the number of package names that the caller sees.
func (v *View) Names() int { return v.snap.count() }

// noarch is the subdir that every channel has.
const noarch = "noarch"

// View gives the subdir at the channel's current generation. noarch is always
// there, empty if need be; another subdir is errs.NotFound until it has had a
// file that the caller may know of.
func (x *Index) View(ctx context.Context, open registry.Opened, subdir string) (*View, error) {
	st, stale, err := x.stateFor(ctx, &open)
	if err != nil {
		return nil, err
	}
	return x.viewOf(ctx, open, st, subdir, stale)
}

// stateFor gives the state that the channel serves now: the current one, or the
// frozen one. While the database is away it is the last one known, and stale. It
// brings open up to the state.
func (x *Index) stateFor(ctx context.Context, open *registry.Opened) (st *state, stale bool, err error) {
	st, stale, err = x.servedBy(ctx, *open)
	if err == nil {
		err = x.inTime(ctx, open, st)
	}
	return st, stale, err
}

func (x *Index) servedBy(ctx context.Context, open registry.Opened) (st *state, stale bool, err error) {
	if g := open.Channel.FrozenAt; g != nil {
		st, err := x.frozenState(ctx, open.Records().ID, *g)
		return st, open.LastKnown, err
	}
	ch := x.channel(open.Records().ID)
	generation, err := x.reg.Generation(ctx, ch.id)
	if err == nil {
		st, err = x.upTo(ctx, ch, generation)
	}
	if errs.Is(err, errs.Unavailable) {
		if known := ch.current.Load(); known != nil {
			return known, true, nil
		}
	}
	return st, open.LastKnown, err
}

func (x *Index) viewOf(ctx context.Context, open registry.Opened, st *state, subdir string, stale bool) (*View, error) {
	hidden, err := x.sight(ctx, open, st)
	if err != nil {
		return nil, err
	}
	s := st.subdirs[subdir]
	if s == nil || hidden.subdirs[subdir] {
		if subdir != noarch {
			return nil, errs.New(errs.NotFound, "%s/%s has nothing for %s.", open.Channel.OwnerName, open.Channel.Name, subdir)
		}
		s = &snapshot{channel: open.Records().ID, subdir: subdir, modified: open.Channel.CreatedAt}
	}
	return &View{x: x, snap: s.without(hidden.names), stale: stale}, nil
}

// Subdirs gives the names of the subdirs that the channel has for the caller,
// sorted, noarch always among them.
func (x *Index) Subdirs(ctx context.Context, open registry.Opened) ([]string, error) {
	st, _, err := x.stateFor(ctx, &open)
	if err != nil {
		return nil, err
	}
	hidden, err := x.sight(ctx, open, st)
	if err != nil {
		return nil, err
	}
	return st.names(hidden), nil
}

// without gives the snapshot less the hidden names. What it makes is kept with
// the snapshot, for all who see the same.
func (s *snapshot) without(hidden []string) *snapshot {
	gone := map[string]bool{}
	sum := sha256.New()
	for _, n := range hidden {
		if s.has(n) {
			gone[n] = true
			_, _ = io.WriteString(sum, n+"\n") // a hash never fails
		}
	}
	if len(gone) == 0 {
		return s
	}
	key := hex.EncodeToString(sum.Sum(nil)[:8])
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[key]; v != nil {
		return v
	}
	v := &snapshot{channel: s.channel, subdir: s.subdir, generation: s.generation, modified: s.modified, viewKey: key, list: s.listParts(), whole: s}
	for _, e := range s.entries {
		if !gone[e.name] {
			v.entries = append(v.entries, e)
		}
	}
	if s.views == nil {
		s.views = map[string]*snapshot{}
	}
	s.views[key] = v
	return v
}

// etag names the bytes of a form: the channel by its id, which is never used
// again, the subdir's generation, what is hidden, the form, and the number of
// the encoder that would make the same records into other bytes.
func (s *snapshot) etag(form Form) string {
	return `"` + s.channel + "." + s.subdir + "." + strconv.FormatInt(s.generation, 10) + "." + s.viewKey + "." + string(form) + "." + strconv.Itoa(repodata.Revision) + `"`
}

// Document gives a form of the view. It is made when first asked for and kept
// as long as the generation is the current one.
func (v *View) Document(ctx context.Context, form Form) (*Document, error) {
	d, err := v.snap.document(form, func() (*Document, error) {
		if v.snap.lay != nil && (form == RepodataJSON || form == RepodataZstd) {
			if err := v.x.layFiltered(ctx, v.snap, v.base); err != nil {
				return nil, err
			}
		}
		if v.snap.lay != nil && (form == RunExportsJSON || form == RunExportsZstd) {
			if _, err := v.x.layExports(ctx, v.snap, v.base); err != nil {
				return nil, err
			}
		}
		return v.x.make(ctx, v.snap, form)
	})
	if err != nil {
		return nil, err
	}
	return d.staleIf(v.stale), nil
}

// staleIf gives the document, which others share, and where it is to be told a copy that
// says that it is stale.
func (d *Document) staleIf(stale bool) *Document {
	if d == nil || !stale {
		return d
	}
	told := *d
	told.Stale = true
	return &told
}

// making is a form of a snapshot: each has a lock of its own, so that nobody waits
// for a large one who wants a small one.
type making struct {
	mu   sync.Mutex
	made atomic.Pointer[Document]
}

// document gives a form, made by f if it is not there yet.
func (s *snapshot) document(form Form, f func() (*Document, error)) (*Document, error) {
	s.mu.Lock()
	m := s.forms[form]
	if m == nil {
		if s.forms == nil {
			s.forms = map[Form]*making{}
		}
		m = &making{}
		s.forms[form] = m
	}
	s.mu.Unlock()
	if d := m.made.Load(); d != nil {
		return d, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.made.Load(); d != nil {
		return d, nil
	}
	d, err := f()
	if err == nil {
		m.made.Store(d)
	}
	return d, err
}
