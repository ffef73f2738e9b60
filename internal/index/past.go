package index

import (
	"context"
	"slices"
	"sync"

	"terrarium/internal/registry"
)

// pastKept bounds how many states of the past are held at once; they are made
// from rows when asked for, like any other.
const pastKept = 8

// pastStates holds the states of the past that were asked for last.
type pastStates struct {
	mu    sync.Mutex
	order []*pastState // least lately used first
}

type pastState struct {
	channel    string
	generation int64
	once       sync.Mutex
	state      *state
}

func (p *pastStates) get(channel string, generation int64) *pastState {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.order, func(s *pastState) bool { return s.channel == channel && s.generation == generation })
	var s *pastState
	if i >= 0 {
		s = p.order[i]
		p.order = slices.Delete(p.order, i, i+1)
	} else {
		s = &pastState{channel: channel, generation: generation}
		if len(p.order) >= pastKept {
			p.order = slices.Delete(p.order, 0, 1)
		}
	}
	p.order = append(p.order, s)
	return s
}

// pastState gives the channel as it was at a generation that is committed.
func (x *Index) pastState(ctx context.Context, channel string, generation int64) (*state, error) {
	if cur := x.channel(channel).current.Load(); cur != nil && cur.generation == generation {
		return cur, nil
	}
	p := x.past.get(channel, generation)
	p.once.Lock()
	defer p.once.Unlock()
	if p.state == nil {
		st, err := x.load(ctx, x.channel(channel), generation, false)
		if err == nil {
			st.rights, err = x.reg.Rights(ctx)
		}
		if err != nil {
			return nil, err
		}
		p.state = st
	}
	return p.state, nil
}

// At gives a subdir of the channel as it was. spec is a generation (digits
// only), a date (the end of that day, UTC) or an RFC 3339 time; what was private
// then or is now stays closed by the rights of now.
func (x *Index) At(ctx context.Context, open registry.Opened, spec, subdir string) (*View, error) {
	st, err := x.stateAt(ctx, &open, spec)
	if err != nil {
		return nil, err
	}
	return x.viewOf(ctx, open, st, subdir, false)
}

// stateAt gives the state that spec names; "" is what the channel serves now. It
// brings open up to it.
func (x *Index) stateAt(ctx context.Context, open *registry.Opened, spec string) (*state, error) {
	if spec == "" {
		st, _, err := x.stateFor(ctx, open)
		return st, err
	}
	generation, err := x.GenerationAt(ctx, *open, spec)
	if err != nil {
		return nil, err
	}
	st, err := x.pastState(ctx, open.Records().ID, generation)
	if err != nil {
		return nil, err
	}
	return st, x.inTime(ctx, open, st)
}

// GenerationAt finds the generation that spec names, see registry.GenerationAt.
func (x *Index) GenerationAt(ctx context.Context, open registry.Opened, spec string) (int64, error) {
	return x.reg.GenerationAt(ctx, open, spec)
}
