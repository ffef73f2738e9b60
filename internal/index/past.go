package index

import (
	"context"

	"terrarium/internal/registry"
)

// pastState gives the channel as it was at a generation that is committed, for somebody
// who asks for it by its address. Of shards it holds the hashes: who looks at the past
// now and then can wait until one is made.
func (x *Index) pastState(ctx context.Context, channel string, generation int64) (*state, error) {
	ch, key := x.channel(channel), pastKey{channel, generation}
	if cur := ch.current.Load(); cur != nil && cur.generation == generation {
		return cur, nil
	}
	if st := x.frozen.find(key); st != nil {
		return st, nil
	}
	return x.past.get(ctx, key, func() (*state, error) {
		defer x.loads.begin()()
		return x.loadPast(ctx, channel, generation, func(_ string, e *entry) *entry {
			e.shard = e.shard.bare()
			return e
		})
	})
}

// frozenState is pastState for what a frozen channel or a snapshot serves. These are kept
// apart, so that nobody who walks through the past makes others wait for what they serve,
// and hold their shards, as the current state does.
func (x *Index) frozenState(ctx context.Context, channel string, generation int64) (*state, error) {
	ch, key := x.channel(channel), pastKey{channel, generation}
	if cur := ch.current.Load(); cur != nil && cur.generation == generation {
		// The next change puts another in its place, and it is served on.
		if x.frozen.keep(key, cur) && ch.current.Load() != cur {
			x.frozen.forget(channel) // perhaps it was a saved one that proved to be wrong
		}
		return cur, nil
	}
	return x.frozen.get(ctx, key, func() (*state, error) {
		defer x.loads.begin()()
		var own int64
		st, err := x.loadPast(ctx, channel, generation, func(subdir string, e *entry) *entry {
			if same, ok := ch.shards.get(subdir, e.shard.hash); ok {
				e.shard = same
			} else {
				own += int64(len(e.shard.bytes()))
			}
			return e
		})
		if err != nil {
			return nil, err
		}
		st.own = own
		return st, nil
	})
}

// loadPast is load, and notes the rights that the state is judged by: inTime.
func (x *Index) loadPast(ctx context.Context, channel string, generation int64, each func(subdir string, e *entry) *entry) (*state, error) {
	st, err := x.load(ctx, channel, generation, each)
	if err == nil {
		err = x.judgedUnder(ctx, channel, st, nil)
	}
	if err != nil {
		return nil, err
	}
	return st, nil
}

// At gives a subdir of the channel as it was. spec is a generation (digits
// only), a date (the end of that day, UTC) or an RFC 3339 time; what was private
// then or is now stays closed by the rights of now.
func (x *Index) At(ctx context.Context, open registry.Opened, spec, subdir string) (*View, error) {
	st, stale, err := x.stateAt(ctx, &open, spec)
	if err != nil {
		return nil, err
	}
	return x.viewOf(ctx, open, st, subdir, stale)
}

// stateAt gives the state that spec names, and whether it is one that was known before the
// database went away; "" is what the channel serves now. It brings open up to it.
func (x *Index) stateAt(ctx context.Context, open *registry.Opened, spec string) (st *state, stale bool, err error) {
	if spec == "" {
		return x.stateFor(ctx, open)
	}
	generation, err := x.GenerationAt(ctx, *open, spec)
	if err != nil {
		return nil, false, err
	}
	asked := x.pastState
	if g := open.Channel.FrozenAt; g != nil && *g == generation {
		asked = x.frozenState
	}
	if st, err = asked(ctx, open.Records().ID, generation); err != nil {
		return nil, false, err
	}
	return st, open.LastKnown, x.inTime(ctx, open, st)
}

// GenerationAt finds the generation that spec names, see registry.GenerationAt.
func (x *Index) GenerationAt(ctx context.Context, open registry.Opened, spec string) (int64, error) {
	return x.reg.GenerationAt(ctx, open, spec)
}
