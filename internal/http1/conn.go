package http1

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
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
	deadline time.Time

	// These are used again for each request: by contract a handler keeps neither
	// request nor headers when it has returned.
	fresh  *http.Request // what each request begins as
	req    http.Request
	fields fields // of the request before
	header http.Header
	url    url.URL
	out    response
}

func newConn(ctx context.Context, f *Front, tcp *net.TCPConn) *conn {
	c := &conn{front: f, tcp: tcp, remote: tcp.RemoteAddr().String(), header: http.Header{}}
	c.fresh = (&http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: c.remote}).WithContext(ctx)
	c.out = response{conn: c, header: http.Header{}}
	c.in = make([]byte, 0, maxHead)
	return c
}

// serve answers requests until one comes that is not plain, or none.
func (c *conn) serve(h *handed) {
	defer c.front.forget(c)
	for {
		end, ok := c.read()
		switch {
		case end < 0: // it has ended
			_ = c.tcp.Close()
			return
		case !ok || !c.answer(end):
			c.hand(h)
			return
		}
		switch again, err := c.out.finish(); {
		case err != nil: // half an answer must not look whole
			_ = c.tcp.Close()
			return
		case !again:
			c.close()
			return
		}
		c.in = slices.Delete(c.in, 0, end)
	}
}

// hand makes the connection net/http's.
func (c *conn) hand(h *handed) {
	if c.tcp.SetReadDeadline(time.Time{}) != nil { // net/http sets its own
		_ = c.tcp.Close()
		return
	}
	h.give(&begun{TCPConn: c.tcp, rest: c.in})
}

// close ends the connection behind an answer. What the client sent meanwhile is
// read, or else the system would take the answer back (RFC 9112 §9.6).
func (c *conn) close() {
	if c.tcp.CloseWrite() == nil && c.tcp.SetReadDeadline(time.Now().Add(500*time.Millisecond)) == nil {
		for c.in = c.in[:cap(c.in)]; ; {
			if _, err := c.tcp.Read(c.in); err != nil {
				break
			}
		}
	}
	_ = c.tcp.Close()
}

var blank = []byte("\r\n\r\n")

// read reads up to the end of the head of a request. The end is negative where the
// connection has ended, or waited too long; ok is false where what comes is not
// plain.
func (c *conn) read() (end int, ok bool) {
	for begun := false; ; {
		if !plainStart(c.in) {
			return 0, false
		}
		if i := bytes.Index(c.in, blank); i >= 0 {
			return i + len(blank), true
		}
		if len(c.in) == cap(c.in) {
			return 0, false
		}
		var err error
		switch {
		case len(c.in) == 0:
			err = c.within(c.front.Server.IdleTimeout, renew)
		case !begun:
			begun = true
			err = c.within(c.front.Server.ReadHeaderTimeout, 0)
		}
		if err != nil || c.front.draining.Load() { // asked behind the deadline that drain would have set
			return -1, false
		}
		n, err := c.tcp.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+n]
		if err != nil && n == 0 {
			return -1, false
		}
	}
}

// within lets reads fail after so long, or up to slack earlier; 0 is never.
func (c *conn) within(limit, slack time.Duration) error {
	if limit == 0 {
		return nil
	}
	to := time.Now().Add(limit)
	if !c.deadline.After(to) && c.deadline.After(to.Add(-slack)) {
		return nil
	}
	c.deadline = to
	return c.tcp.SetReadDeadline(to)
}

// answer calls the handler with the request whose head ends there, and reports
// whether it is one that is answered here.
func (c *conn) answer(end int) bool {
	head, fields, ok := parse(c.in[:end], c.fields)
	if !ok || !c.front.Plain(head.path) {
		return false
	}
	c.fields = fields
	clear(c.header)
	c.fields.fill(c.header)
	c.url = url.URL{Path: head.path}
	c.req = *c.fresh
	c.req.Method, c.req.URL, c.req.RequestURI, c.req.Host, c.req.Header = head.method, &c.url, head.path, c.fields.host, c.header
	c.out.begin(head.method == http.MethodHead)
	c.call(&c.req)
	return true
}

// call calls the handler. A panic cuts the answer off, as in net/http.
func (c *conn) call(r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			c.out.failed = http.ErrAbortHandler
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				c.front.Server.ErrorLog.Printf("http1: panic serving %s: %v\n%s", c.remote, v, debug.Stack())
			}
		}
	}()
	c.front.Server.Handler.ServeHTTP(&c.out, r)
}
