// Package http1 answers plain requests of HTTP/1.1 on a connection itself, and
// hands every other one to net/http with what has been read of it.
//
// A client of a channel asks for the index and then for hundreds of small shards,
// one GET after the other. net/http starts a goroutine to read ahead for each of
// these, stops it again, and makes two maps and a request; more than the answer
// takes. Here a connection is one goroutine that reads, answers and writes, and
// reuses what it has.
//
// A request is plain if nobody can read it in two ways: GET or HEAD, a path of
// unreserved letters, each header a token and visible ASCII, one Host, no body, no
// word about the connection but keep-alive (RFC 9112). What is anything else, or is
// not here in whole within a few KiB, is net/http's, and so is the connection from
// then on. So there is no second opinion on what a doubtful request means.
package http1

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Front serves a handler on a listener in front of net/http.
type Front struct {
	// Server answers what is not plain. Its Handler, ErrorLog (which must be there),
	// BaseContext, ReadHeaderTimeout and IdleTimeout count here, too.
	Server *http.Server
	// Plain says which of the plain requests are answered here. Their handler must
	// keep neither request nor headers when it has returned.
	Plain func(path string) bool
	// Key is the key under which the context of a plain request has what the request
	// put in its Room() *any. Only the request itself may ask for it, nobody who goes
	// on behind it.
	Key any

	date     atomic.Pointer[date]
	draining atomic.Bool

	mu    sync.Mutex
	conns map[*conn]struct{}
	none  chan struct{} // since draining; closed when no connection is left
}

// date is the text of a second for the header Date.
type date struct {
	second int64
	text   string
}

// Serve accepts connections until the listener fails or Shutdown or Close is
// called, as http.Server.Serve does, with its errors.
func (f *Front) Serve(ln net.Listener) error {
	h := &handed{Listener: ln, conns: make(chan net.Conn), failed: make(chan struct{}), closed: make(chan struct{})}
	ctx := context.Background()
	if f.Server.BaseContext != nil {
		ctx = f.Server.BaseContext(ln)
	}
	ctx = context.WithValue(ctx, http.ServerContextKey, f.Server)
	go f.accept(ctx, h)
	return f.Server.Serve(h)
}

// accept starts a goroutine for each connection.
func (f *Front) accept(ctx context.Context, h *handed) {
	defer close(h.failed)
	wait := time.Duration(0)
	for {
		c, err := h.Listener.Accept()
		if err != nil {
			if again, ok := err.(interface{ Temporary() bool }); ok && again.Temporary() { // as net/http: too many files, a connection that is gone
				wait = min(max(2*wait, 5*time.Millisecond), time.Second)
				f.Server.ErrorLog.Printf("http1: accept: %v; again in %v", err, wait)
				select {
				case <-time.After(wait):
					continue
				case <-h.closed:
					err = net.ErrClosed
				}
			}
			h.err = err
			return
		}
		wait = 0
		tcp, ok := c.(*net.TCPConn)
		if !ok { // TLS, and whatever else is not ours
			if !h.give(c) {
				h.err = net.ErrClosed
				return
			}
			continue
		}
		if p := newConn(ctx, f, tcp); f.add(p) {
			go p.serve(h)
		} else {
			_ = tcp.Close() // it came too late
		}
	}
}

func (f *Front) add(c *conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining.Load() {
		return false
	}
	if f.conns == nil {
		f.conns = map[*conn]struct{}{}
	}
	f.conns[c] = struct{}{}
	return true
}

func (f *Front) forget(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.conns[c]; !there {
		return
	}
	delete(f.conns, c)
	if len(f.conns) == 0 && f.none != nil {
		close(f.none)
	}
}

// Shutdown takes no more connections, ends those that wait for a request and
// waits for the others, those of the Server included, until ctx ends.
func (f *Front) Shutdown(ctx context.Context) error {
	none := f.drain()
	err := f.Server.Shutdown(ctx)
	select {
	case <-none:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// drain wakes whoever waits for a request; the channel it gives is closed when
// nobody is left.
func (f *Front) drain() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.draining.Store(true)
	if f.none == nil {
		f.none = make(chan struct{})
		if len(f.conns) == 0 {
			close(f.none)
		}
	}
	for c := range f.conns {
		_ = c.tcp.SetReadDeadline(time.Unix(1, 0)) // a connection that is gone needs none
	}
	return f.none
}

// Close ends everything at once.
func (f *Front) Close() error {
	f.drain()
	f.mu.Lock()
	for c := range f.conns {
		_ = c.tcp.Close()
	}
	f.mu.Unlock()
	return f.Server.Close()
}

// now gives the text for the header Date.
func (f *Front) now() string {
	now := time.Now()
	if d := f.date.Load(); d != nil && d.second == now.Unix() {
		return d.text
	}
	d := &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
	f.date.Store(d)
	return d.text
}
