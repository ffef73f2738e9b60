package http1

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
)

// always is a listener that gives the same again and again.
type always struct {
	net.Listener
	conn net.Conn
	err  error
}

func (l always) Accept() (net.Conn, error) { return l.conn, l.err }

type passing struct{ error }

func (passing) Temporary() bool { return true }

// TestAcceptEnds: net/http, which has stopped to accept, gets an error and no
// connection, which it would use, from whatever the accepting was at.
func TestAcceptEnds(t *testing.T) {
	one, other := net.Pipe()
	defer other.Close()
	for name, ln := range map[string]always{"not TCP": {conn: one}, "too many files": {err: passing{errors.New("too many files")}}} {
		h := &handed{Listener: ln, conns: make(chan net.Conn), failed: make(chan struct{}), closed: make(chan struct{})}
		close(h.closed)
		f := &Front{Server: &http.Server{ErrorLog: log.New(io.Discard, "", 0)}}
		f.accept(t.Context(), h) // ends
		for range 100 {          // which of two ends it sees is not said
			if c, err := h.Accept(); c != nil || !errors.Is(err, net.ErrClosed) {
				t.Fatalf("%s: %v, %v", name, c, err)
			}
		}
	}
}
