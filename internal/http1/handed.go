package http1

import (
	"net"
	"sync"
)

// handed is the listener that net/http accepts from: of the connections of
// another one, those that are its.
type handed struct {
	net.Listener
	conns  chan net.Conn
	failed chan struct{} // closed when nothing more comes
	err    error         // why; set before failed is closed
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.failed:
		return nil, h.err
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.closed) })
	return h.Listener.Close()
}

// give hands a connection over, or closes it where nobody takes it any more.
func (h *handed) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.closed:
		_ = c.Close() // there is nobody to tell
		return false
	}
}

// begun is a connection of which something has been read. It is a TCP connection
// in all else: net/http sends files over it without copying them.
type begun struct {
	*net.TCPConn
	rest []byte // read and not yet answered
}

// Read gives what has been read before, then what comes.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return b.TCPConn.Read(p)
	}
	n := copy(p, b.rest)
	if b.rest = b.rest[n:]; len(b.rest) == 0 {
		b.rest = nil
	}
	return n, nil
}
