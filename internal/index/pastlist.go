package index

import (
	"container/list"
	"context"
	"slices"
	"sync"
)

// pastStates holds states of the past, up to a bound of bytes: those that were not asked
// for lately go, and are made from rows again when somebody asks. To make one takes
// seconds and many times the memory that stays, and anybody may ask for any of them: one
// is made at a time, and who wants another waits.
type pastStates struct {
	budget int64
	turn   chan struct{} // held by who makes a state

	mu    sync.Mutex
	byKey map[pastKey]*list.Element // of *pastState
	order list.List                 // the latest first
	bytes int64
}

type pastKey struct {
	channel    string
	generation int64
}

// pastState is a place for a state. It stays while anybody waits for it.
type pastState struct {
	key    pastKey
	making chan struct{} // held by who makes it: who wants the same waits

	// These belong to the lock of the list.
	wanted int // by how many callers
	state  *state
	cost   int64 // bytes
}

func newPastStates(budget int64) pastStates {
	return pastStates{budget: budget, turn: make(chan struct{}, 1), byKey: map[pastKey]*list.Element{}}
}

// get gives a state, made by f if it is not there.
func (p *pastStates) get(ctx context.Context, key pastKey, f func() (*state, error)) (*state, error) {
	s := p.enter(key)
	defer p.leave(s)
	for _, door := range []chan struct{}{s.making, p.turn} {
		if st := p.known(s); st != nil {
			return st, nil
		}
		select {
		case door <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { <-door }()
	}
	if st := p.known(s); st != nil {
		return st, nil
	}
	st, err := f()
	if err != nil {
		return nil, err
	}
	p.set(s, st)
	return st, nil
}

// find gives a state if it is there.
func (p *pastStates) find(key pastKey) *state {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byKey[key]
	if e == nil {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(*pastState).state
}

// keep takes a state that was made elsewhere, and reports whether it did: not if the
// place is taken.
func (p *pastStates) keep(key pastKey, st *state) bool {
	if p.find(key) != nil {
		return false
	}
	s := p.enter(key)
	defer p.leave(s)
	return p.set(s, st)
}

// forget lets go of the states of a channel.
func (p *pastStates) forget(channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, e := range p.byKey {
		if key.channel == channel && e.Value.(*pastState).state != nil {
			p.remove(e)
		}
	}
}

// only lets go of all states but some.
func (p *pastStates) only(keys []pastKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, e := range p.byKey {
		if e.Value.(*pastState).state != nil && !slices.Contains(keys, key) {
			p.remove(e)
		}
	}
}

// enter gives the place of a state to a caller who wants it, until leave.
func (p *pastStates) enter(key pastKey) *pastState {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byKey[key]
	if e == nil {
		e = p.order.PushFront(&pastState{key: key, making: make(chan struct{}, 1)})
		p.byKey[key] = e
	}
	p.order.MoveToFront(e)
	s := e.Value.(*pastState)
	s.wanted++
	return s
}

// leave makes room, of what nobody is at: places whose state was not made, and states
// above the bound.
func (p *pastStates) leave(s *pastState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.wanted--
	if e := p.byKey[s.key]; s.state == nil && s.wanted == 0 && e != nil && e.Value.(*pastState) == s {
		p.remove(e)
	}
	for e := p.order.Back(); e != nil && e != p.order.Front() && p.bytes > p.budget; {
		old, before := e.Value.(*pastState), e.Prev()
		if old.wanted == 0 {
			p.remove(e)
		}
		e = before
	}
}

func (p *pastStates) known(s *pastState) *state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.state
}

// set puts a state into its place, if that is empty still.
func (p *pastStates) set(s *pastState, st *state) bool {
	cost := st.size()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.state != nil {
		return false
	}
	s.state, s.cost = st, cost
	p.bytes += cost
	return true
}

// remove lets go of a place; p is locked.
func (p *pastStates) remove(e *list.Element) {
	s := e.Value.(*pastState)
	p.bytes -= s.cost
	p.order.Remove(e)
	delete(p.byKey, s.key)
}

// What a state takes in memory, in bytes, beside text and shards: by itself, and for each
// name in a subdir.
const (
	sizeOfState = 64 << 10
	sizeOfName  = 400
)

// size is about what a state takes that shares nothing. Shards count that the state alone
// holds: those of a name are listed by the current state, too, unless it has changed.
func (st *state) size() int64 {
	n := int64(sizeOfState)
	for _, s := range st.subdirs {
		n += sizeOfName * int64(len(s.entries))
		if laid := s.text.known(); laid != nil {
			for g := range laid {
				for _, p := range laid.pieces(g) {
					n += int64(len(p.Zstd))
				}
			}
		}
	}
	return n + st.own
}
