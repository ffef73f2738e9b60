package index

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
)

// A saved state is the list of a channel's shards at one generation: names,
// sizes and hashes, 60 bytes a name. A start that finds one needs no records but
// those of the names that changed since, and reads the others behind its first
// answers.

// savedFormat changes with the encoding of a saved state, or with that of the
// shards, whose hashes it has.
const savedFormat = 1000*repodata.Revision + 1

// savedPart is the part of all names of which more than one must have changed before a
// state is saved again: where there are many, they are the bound, and not
// Options.SaveAfter.
const savedPart = 50

var errSaved = errors.New("what was saved ends too early")

// saved gives the state that was saved for a channel, nil where there is none up
// to a generation. ch.build is held.
func (x *Index) saved(ctx context.Context, ch *channel, generation int64) (*state, error) {
	st := &state{subdirs: map[string]*snapshot{}}
	var data []byte
	err := x.db.Row(ctx, "SELECT generation, entries FROM index_states WHERE channel_id = $1 AND format = $2 AND generation <= $3",
		ch.id, savedFormat, generation).Scan(&st.generation, &data)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, nil //nolint:nilnil // the caller makes a state from rows
	}
	if err != nil {
		return nil, err
	}
	heads, err := x.heads(ctx, ch.id, 0, st.generation)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(heads, func(a, b head) int { return strings.Compare(a.subdir, b.subdir) })
	var cold []*snapshot
	for _, h := range heads {
		s := &snapshot{channel: ch.id, subdir: h.subdir, generation: h.generation, modified: h.at, picker: &picker{}}
		if s.entries, data, err = readEntries(data, h.subdir, st.generation); err != nil {
			x.opt.Log.WarnContext(ctx, "the saved state of an index cannot be read, and is made from rows", "channel", ch.id, "error", err)
			return nil, nil //nolint:nilnil // as if nothing were saved
		}
		s.text.filling = &s.text
		st.subdirs[h.subdir] = s
		cold = append(cold, s)
	}
	for _, s := range cold {
		ch.shards.add(s.subdir, s.entries)
	}
	ch.cold = cold
	return st, nil
}

// appendEntries writes the entries of a snapshot.
func appendEntries(b []byte, s *snapshot) []byte {
	b = appendText(b, s.subdir)
	b = binary.AppendUvarint(b, uint64(len(s.entries)))
	for _, e := range s.entries {
		b = appendText(b, e.name)
		for _, size := range e.sizes {
			b = binary.AppendUvarint(b, uint64(size)) //nolint:gosec // a size is not negative
		}
		b = append(b, e.shard.hash[:]...)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// readEntries reads what appendEntries wrote for a subdir and gives what follows.
func readEntries(b []byte, subdir string, generation int64) (entries []*entry, rest []byte, err error) {
	number := func() uint64 {
		n, used := binary.Uvarint(b)
		if used <= 0 {
			err, b = errSaved, nil
			return 0
		}
		b = b[used:]
		return n
	}
	text := func() string {
		n := number()
		if n > uint64(len(b)) {
			err, n = errSaved, 0
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	if got := text(); got != subdir {
		return nil, nil, errs.New(errs.Internal, "The saved state has %s where the log has %s.", got, subdir)
	}
	n := number()
	if n > uint64(len(b)) {
		return nil, nil, errSaved
	}
	entries = make([]*entry, 0, n)
	for range n {
		e := &entry{name: text()}
		for g := range e.sizes {
			e.sizes[g] = int(number()) //nolint:gosec // as it was written
		}
		e.shard = &shard{name: e.name, generation: generation}
		if len(b) < len(e.shard.hash) {
			err = errSaved
		}
		b = b[copy(e.shard.hash[:], b):]
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, e)
	}
	return entries, b, err
}

// Fill reads the records of the states that a start took from saved ones, and
// keeps their shards and texts at hand; until then each shard that is asked for
// is made from its rows. A saved state that turns out not to be what the records
// say is forgotten with the views that were made of it, and the next request makes the
// state from rows.
func (x *Index) Fill(ctx context.Context) error {
	for _, ch := range x.held() {
		ch.build.Lock()
		cold := ch.cold
		ch.cold = nil
		ch.build.Unlock()
		if err := x.fillAll(ctx, ch, cold); err != nil {
			return err
		}
		if err := x.dropWrong(ctx, ch); err != nil {
			return err
		}
	}
	return nil
}

// dropWrong takes away what is saved of a channel where that proved to be wrong. Until it
// is gone, this process does not read it, nor saves another behind it.
func (x *Index) dropWrong(ctx context.Context, ch *channel) error {
	ch.build.Lock()
	wrong := ch.wrong
	ch.build.Unlock()
	if !wrong {
		return nil
	}
	if _, err := x.db.Exec(ctx, "DELETE FROM index_states WHERE channel_id = $1", ch.id); err != nil {
		return err
	}
	ch.build.Lock()
	ch.wrong = false
	ch.build.Unlock()
	return nil
}

// fillAll fills the snapshots of one channel; what is not filled is left for the
// next time.
func (x *Index) fillAll(ctx context.Context, ch *channel, cold []*snapshot) error {
	if len(cold) == 0 {
		return nil
	}
	defer x.loads.begin()()
	for i, s := range cold {
		same, err := x.fill(ctx, ch, s)
		if err != nil {
			ch.build.Lock()
			ch.cold = append(ch.cold, cold[i:]...)
			ch.build.Unlock()
			return err
		}
		if !same {
			return nil // the state that the others are of is not served any more
		}
	}
	return nil
}

// held gives the channels of which something is in memory.
func (x *Index) held() []*channel {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]*channel, 0, len(x.channels))
	for _, ch := range x.channels {
		out = append(out, ch)
	}
	return out
}

// fill reads the records of one snapshot, and reports whether they are what was saved. If
// not, nothing of the state stays, so that the next request makes it from rows.
func (x *Index) fill(ctx context.Context, ch *channel, s *snapshot) (same bool, err error) {
	s.text.mu.Lock()
	defer s.text.mu.Unlock()
	made, err := x.scan(ctx, ch.id, head{s.subdir, s.generation, s.modified}, s.generation, sameAs(s.entries))
	if err != nil {
		return false, err
	}
	if slices.Equal(made.entries, s.entries) {
		s.text.set(made.text.laid.Load())
		return true, nil
	}
	x.opt.Log.ErrorContext(ctx, "the saved state of an index was not what the records say, and is made from rows", "channel", ch.id, "subdir", s.subdir)
	ch.build.Lock()
	defer ch.build.Unlock()
	ch.wrong = true // before it is taken away, which may fail
	ch.shards.forget()
	ch.current.Store(nil)
	x.frozen.forget(ch.id)
	// After the state: who finds a view before this line has one that goes, and who finds
	// none makes it of another state.
	x.filters.forget(ch.id)
	return false, nil
}

// Save writes the states of large channels of which enough changed since the
// last time, or with all, whatever changed. Who starts next reads it.
func (x *Index) Save(ctx context.Context, all bool) error {
	for _, ch := range x.held() {
		if err := x.save(ctx, ch, all); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) save(ctx context.Context, ch *channel, all bool) error {
	ch.build.Lock()
	st, unsaved, wrong := ch.current.Load(), ch.unsaved, ch.wrong
	ch.build.Unlock()
	if st == nil || unsaved == 0 || wrong {
		return nil
	}
	names, size := 0, 0
	for _, s := range st.subdirs {
		for _, e := range s.entries {
			size += e.sizes[groupTarBz2] + e.sizes[groupConda]
		}
		names += len(s.entries)
	}
	if size < x.opt.SaveFrom || !all && unsaved <= max(x.opt.SaveAfter, names/savedPart) {
		return nil
	}
	var data []byte
	for _, subdir := range slices.Sorted(maps.Keys(st.subdirs)) {
		data = appendEntries(data, st.subdirs[subdir])
	}
	_, err := x.db.Exec(ctx, `INSERT INTO index_states (channel_id, generation, format, entries) VALUES ($1, $2, $3, $4)
		ON CONFLICT (channel_id) DO UPDATE SET generation = excluded.generation, format = excluded.format, entries = excluded.entries
		WHERE index_states.generation < excluded.generation OR index_states.format <> excluded.format`, ch.id, st.generation, savedFormat, data)
	if err != nil {
		return err
	}
	ch.build.Lock()
	ch.unsaved -= unsaved
	ch.build.Unlock()
	return nil
}
