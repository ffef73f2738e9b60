//go:build clients && postgres

package clients

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// wire stands between a server and its database and can be cut.
type wire struct {
	url string // the database by way of the wire
	to  string

	mu    sync.Mutex
	state wireState
	ends  map[net.Conn]bool // what is open
	hung  sync.WaitGroup
}

type wireState int

const (
	wireWhole   wireState = iota
	wireCut               // connections are closed
	wireHanging           // they stay open, and nothing passes
)

// newWire lays a wire to a database.
func newWire(t *testing.T, database string) *wire {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{to: u.Host, ends: map[net.Conn]bool{}}
	u.Host = l.Addr().String()
	w.url = u.String()
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.join(conn)
		}
	})
	t.Cleanup(func() {
		l.Close()
		accepting.Wait()
		w.set(wireCut)
		w.hung.Wait()
	})
	return w
}

func (w *wire) cut()  { w.set(wireCut) }
func (w *wire) hang() { w.set(wireHanging) }
func (w *wire) mend() { w.set(wireWhole) }

// set changes the state. What was open on a wire that hung is lost when it is
// mended, as after a network that was away for long.
func (w *wire) set(s wireState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = s
	if s != wireHanging {
		for conn := range w.ends {
			conn.Close()
		}
		clear(w.ends)
	}
}

// passes reports whether bytes go through now.
func (w *wire) passes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state == wireWhole
}

// join joins a new connection with the database.
func (w *wire) join(near net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == wireCut {
		near.Close()
		return
	}
	far, err := net.Dial("tcp", w.to)
	if err != nil {
		near.Close()
		return
	}
	w.ends[near], w.ends[far] = true, true
	w.hung.Go(func() { w.carry(near, far) })
	w.hung.Go(func() { w.carry(far, near) })
}

// carry copies one direction; while the wire hangs, what comes is lost.
func (w *wire) carry(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if w.passes() {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				err = failed
			}
		}
		if err != nil {
			break
		}
	}
	if w.passes() {
		to.Close()
		from.Close()
		return
	}
	_, _ = io.Copy(io.Discard, from) // until set closes it
}
