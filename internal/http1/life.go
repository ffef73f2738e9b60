package http1

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// life is the context of a request: it ends when the client goes, or when the
// handler has returned. Whether the client is there is looked at only once somebody
// asks for the end, as who waits does; most requests come to theirs before. So the
// next request may have the same one.
type life struct {
	context.Context //nolint:containedctx // of the connection, of which it has the values
	conn            *conn

	mu      sync.Mutex
	running bool          // a request is
	done    chan struct{} // nil before somebody asks
	err     error

	room  any  // see Room
	taken bool // the room, by the request that runs
}

// Room gives the place for one value that the layers around a handler may leave with
// a request without a copy of it: [Front.Key] finds it from then on. In the place is
// what a request before this one left there. It is given once for each request; who
// asks again gets nil.
func (l *life) Room() *any {
	if l.taken {
		return nil
	}
	l.taken = true
	return &l.room
}

// Value implements context.Context.
func (l *life) Value(key any) any {
	if key != l.conn.front.Key { // taken is not looked at, as who outlives the request may ask for another
		return l.Context.Value(key)
	}
	if !l.taken {
		return nil // what is there is another request's
	}
	return l.room
}

// Done implements context.Context.
func (l *life) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.running {
			l.conn.watch(l)
		} else {
			l.finish()
		}
	}
	return l.done
}

// Err implements context.Context.
func (l *life) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// begin lets a request begin, and reports false where somebody holds the end of one
// before.
func (l *life) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running, l.taken = l.done == nil, false
	return l.running
}

// end ends the request, and reports whether somebody asked for that.
func (l *life) end() (asked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = false
	if l.done == nil {
		return false
	}
	l.finish()
	return true
}

// gone ends the request since its client has gone.
func (l *life) gone() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finish()
}

// finish tells those who asked; the life is locked.
func (l *life) finish() {
	if l.err == nil {
		l.err = context.Canceled
		close(l.done)
	}
}

// watch reads ahead while a request runs, until unwatch: a client that goes ends it.
func (c *conn) watch(l *life) {
	c.enough.Store(false)
	c.watched = make(chan struct{})
	go func() {
		defer close(c.watched)
		for {
			// A deadline is that of waiting for this request, or drain's.
			if err := c.tcp.SetReadDeadline(time.Time{}); err == nil && c.enough.Load() {
				return
			}
			n, err := c.tcp.Read(c.ahead[:])
			switch c.read1 = n; {
			case n > 0:
				return
			case !errors.Is(err, os.ErrDeadlineExceeded):
				l.gone()
				return
			}
		}
	}()
}

// unwatch ends what watch began; what came meanwhile is of the next request.
func (c *conn) unwatch() {
	c.enough.Store(true)
	past := time.Unix(1, 0)
	_ = c.tcp.SetReadDeadline(past) // fails where the connection has ended, and reading with it
	<-c.watched
	c.in = append(c.in, c.ahead[:c.read1]...)
	c.read1, c.deadline = 0, past // so that the next read sets its own, if that is none
}
