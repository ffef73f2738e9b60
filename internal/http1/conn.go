package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
)

// maxHead is how long the head of a plain request may be; those of clients of
// channels are of a few hundred bytes.
const maxHead = 4 << 10

// renew is how old the deadline of a waiting connection may be; to set one for
// each request would cost a tenth of it.
const renew = 5 * time.Second

// conn is one connection.
type conn struct {
	front  *Front
	tcp    *net.TCPConn
	remote string

	in       []byte // read and not yet answered
	used     bool   // a request was answered
	deadline time.Time

	watched chan struct{} // closed when watch has ended
	enough  atomic.Bool   // it shall
	ahead   [1]byte       // what that has read,
	read1   int           // if it has

	// These are used again for each request: by contract a handler keeps neither
	// request nor headers when it has returned.
	ctx    context.Context //nolint:containedctx // what the lives of requests have their values from
	life   *life
	fresh  *http.Request // what each request begins as
	req    http.Request
	fields fields // of the request before
	header http.Header
	values []string // of header
	url    url.URL
	out    response
}

func newConn(ctx context.Context, f *Front, tcp *net.TCPConn) *conn {
	c := &conn{front: f, tcp: tcp, remote: tcp.RemoteAddr().String(), header: http.Header{}}
	c.ctx = context.WithValue(ctx, http.LocalAddrContextKey, tcp.LocalAddr())
	c.out = response{conn: c, header: http.Header{}}
	c.in = make([]byte, 0, maxHead)
	c.live()
	return c
}

// live makes the life of the requests to come.
func (c *conn) live() {
	c.life = &life{Context: c.ctx, conn: c}
	c.fresh = (&http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: c.remote}).WithContext(c.life)
}

// serve answers requests until one comes that is not plain, or none.
func (c *conn) serve(h *handed) {
	kept := true
	defer func() {
		if v := recover(); v != nil {
			c.front.Server.ErrorLog.Printf("http1: panic serving %s: %v\n%s", c.remote, v, debug.Stack())
		}
		if kept {
			_ = c.tcp.Close()
			c.front.forget(c)
		}
	}()
	for {
		end, ok := c.read()
		if end < 0 {
			return
		}
		if !ok || !c.answer(end) {
			kept = false
			c.hand(h)
			return
		}
		again, err := c.out.finish()
		if err != nil { // half an answer must not look whole
			return
		}
		if !again {
			c.linger()
			return
		}
		c.in, c.used = slices.Delete(c.in, 0, end), true
	}
}

// hand makes the connection net/http's.
func (c *conn) hand(h *handed) {
	c.front.forget(c)                              // first, or drain would set a deadline that is net/http's by then
	if c.tcp.SetReadDeadline(time.Time{}) != nil { // net/http sets its own
		_ = c.tcp.Close()
		return
	}
	h.give(&begun{TCPConn: c.tcp, rest: c.in})
}

// linger lets the client read the answer behind which the connection ends. What it
// sends meanwhile is read, or else the system would take the answer back (RFC 9112
// §9.6).
func (c *conn) linger() {
	if c.tcp.CloseWrite() != nil || c.tcp.SetReadDeadline(time.Now().Add(500*time.Millisecond)) != nil {
		return
	}
	for c.in = c.in[:cap(c.in)]; ; {
		if _, err := c.tcp.Read(c.in); err != nil {
			return
		}
	}
}

var blank = []byte("\r\n\r\n")

// read reads up to the end of the head of a request. The end is negative where the
// connection has ended, or waited too long; ok is false where what comes is not
// plain, or ends before its time, which is net/http's to answer.
func (c *conn) read() (end int, ok bool) {
	for begun, seen := false, 0; ; {
		if !plainStart(c.in) || bare(c.in, seen) {
			return 0, false
		}
		if i := bytes.Index(c.in, blank); i >= 0 {
			return i + len(blank), true
		}
		if len(c.in) == cap(c.in) {
			return 0, false
		}
		seen = len(c.in)
		var err error
		switch {
		case seen == 0 && c.used:
			err = c.within(c.front.Server.IdleTimeout, renew)
		case !begun:
			begun = true
			err = c.within(c.front.Server.ReadHeaderTimeout, 0)
		}
		if err != nil || c.front.draining.Load() { // asked behind the deadline that drain would have set
			return -1, false
		}
		n, err := c.tcp.Read(c.in[seen:cap(c.in)])
		c.in = c.in[:seen+n]
		switch {
		case n > 0 || err == nil:
		case errors.Is(err, io.EOF) && seen > 0:
			return 0, false
		default:
			return -1, false
		}
	}
}

// bare reports whether there is a line at or behind a place that ends without a
// return. net/http takes these, and so an end that is not looked for here.
func bare(b []byte, from int) bool {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return false
		}
		if from += i; from == 0 || b[from-1] != '\r' {
			return true
		}
		from++
	}
}

// within lets reads fail after so long, or up to slack earlier; 0 is never.
func (c *conn) within(limit, slack time.Duration) error {
	if limit == 0 {
		if c.deadline.IsZero() {
			return nil
		}
		c.deadline = time.Time{}
		return c.tcp.SetReadDeadline(c.deadline)
	}
	to := time.Now().Add(limit)
	if !c.deadline.After(to) && c.deadline.After(to.Add(-min(slack, limit/2))) {
		return nil
	}
	c.deadline = to
	return c.tcp.SetReadDeadline(to)
}

// answer calls the handler with the request whose head ends there, and reports
// whether it is one that is answered here.
func (c *conn) answer(end int) bool {
	head, ok := parse(c.in[:end], &c.fields)
	if !ok || !c.front.Plain(head.path) {
		return false
	}
	clear(c.header)
	c.values = c.fields.fill(c.header, c.values[:0])
	c.url = url.URL{Path: head.path}
	if !c.life.begin() {
		c.live()
		c.life.begin()
	}
	c.req = *c.fresh
	c.req.Method, c.req.URL, c.req.RequestURI, c.req.Host, c.req.Header = head.method, &c.url, head.path, c.fields.host, c.header
	c.out.begin(head.method == http.MethodHead)
	c.call(&c.req)
	return true
}

// call calls the handler. A panic cuts the answer off, as in net/http.
func (c *conn) call(r *http.Request) {
	defer func() {
		if c.life.end() {
			c.unwatch()
		}
		if v := recover(); v != nil {
			c.out.failed = http.ErrAbortHandler
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				c.front.Server.ErrorLog.Printf("http1: panic serving %s: %v\n%s", c.remote, v, debug.Stack())
			}
		}
	}()
	c.front.Server.Handler.ServeHTTP(&c.out, r)
}
