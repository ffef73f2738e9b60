package http1_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"terrarium/internal/http1"
)

// answerOf reads one answer.
func answerOf(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestContextEnds: the context of a request ends when the client goes, for who waits
// for it, and when the handler has returned; the next request has one that goes on.
func TestContextEnds(t *testing.T) {
	type key struct{}
	ended, waits, goOn := make(chan error, 1), make(chan bool, 1), make(chan bool)
	kept := make(chan context.Context, 100)
	_, addr, _ := start(t, true, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if ctx.Value(key{}) != "base" || ctx.Value(http.ServerContextKey) == nil || ctx.Value(http.LocalAddrContextKey) == nil {
			t.Errorf("values are lost: %v", ctx)
		}
		switch r.URL.Path {
		case "/gone":
			waits <- true
			<-ctx.Done()
			ended <- ctx.Err()
		case "/ahead":
			waits <- true
			<-goOn
			ctx.Done() // from here on the connection is read
			for range 1000 {
				runtime.Gosched()
			}
		case "/held":
			context.AfterFunc(ctx, func() { ended <- ctx.Err() })
		}
		kept <- ctx
		fmt.Fprint(w, byFront(w), ctx.Err() == nil)
	}, func(s *http.Server) {
		s.BaseContext = func(net.Listener) context.Context { return context.WithValue(context.Background(), key{}, "base") }
	})
	c, r := connect(t, addr)
	// Each is sent while the one before may be running: what is read ahead is not lost.
	say(t, c, strings.Repeat("GET /held HTTP/1.1\r\nHost: a\r\n\r\nGET /plain HTTP/1.1\r\nHost: a\r\n\r\n", 20))
	for i := range 20 {
		for range 2 {
			if got := answerOf(t, r); got != "true true" {
				t.Fatalf("%d: %s", i, got)
			}
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	say(t, c, "GET /ahead HTTP/1.1\r\nHost: a\r\n\r\n")
	<-waits
	say(t, c, "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
	goOn <- true
	for range 2 {
		if got := answerOf(t, r); got != "true true" {
			t.Fatal(got)
		}
	}
	say(t, c, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
	<-waits
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for range 40 {
		<-(<-kept).Done() // of who asks only afterwards, too
	}
}

// TestNothingIsLeft: no request sees a header of the one before, or what its handler
// made of it.
func TestNothingIsLeft(t *testing.T) {
	_, addr, _ := start(t, true, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, byFront(w), " ", r.Header, " ", w.Header(), " ", r.Pattern, " ", r.Form, " ", r.URL)
		for _, values := range r.Header {
			values[0] = "changed"
		}
		r.Header.Set("X-New", "new")
		w.Header().Set("X-Answer", "of before")
		r.Pattern, r.URL.RawQuery = "/of/before", "q=1"
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
	}, nil)
	c, r := connect(t, addr)
	const one = "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer one\r\n\r\n"
	for _, exchange := range [][2]string{
		{one, "true map[Authorization:[Bearer one]] map[]  map[] /a"},
		{one, "true map[Authorization:[Bearer one]] map[]  map[] /a"},
		{"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "true map[] map[]  map[] /a"},
		{"GET /a HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\n\r\n", "true map[X:[1 2]] map[]  map[] /a"},
	} {
		say(t, c, exchange[0])
		if got := answerOf(t, r); got != exchange[1] {
			t.Errorf("%q: %q", exchange[0], got)
		}
	}
}

// TestBareLines: what ends its lines in another way is answered at once.
func TestBareLines(t *testing.T) {
	_, addr, _ := start(t, true, answer, nil)
	for _, head := range []string{"GET /length HTTP/1.1\nHost: a\n\n", "GET /length HTTP/1.1\r\nHost: a\r\n\n", "GET /length HTTP/1.1\r\nHost: a\n\r\n"} {
		c, r := connect(t, addr)
		say(t, c, head)
		if got := answerOf(t, r); got != "hello" {
			t.Errorf("%q: %q", head, got)
		}
	}
}

// TestFlush sends what there is before the handler returns.
func TestFlush(t *testing.T) {
	goOn := make(chan bool)
	_, addr, _ := start(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			w.Header().Set("Content-Length", "10")
		}
		fmt.Fprint(w, "first")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-goOn
		fmt.Fprint(w, "later")
	}, nil)
	c, r := connect(t, addr)
	for _, path := range []string{"/long", "/unknown"} {
		say(t, c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 5)
		if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first" {
			t.Fatalf("%s: %q %v", path, first, err)
		}
		goOn <- true
		if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "later" {
			t.Errorf("%s: %q %v", path, rest, err)
		}
	}
}

// TestLinger: a client that still sends reads the last answer of a connection.
func TestLinger(t *testing.T) {
	_, addr, _ := start(t, true, answer, nil)
	c, r := connect(t, addr)
	go func() {
		_, _ = io.WriteString(c, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n"+strings.Repeat("more ", 50_000))
	}()
	if got := answerOf(t, r); got != "hello" {
		t.Error(got)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

// TestPanicBesideHandler: what is wrong with one connection is no other's.
func TestPanicBesideHandler(t *testing.T) {
	_, addr, logged := start(t, true, answer, nil)
	c, r := connect(t, addr)
	say(t, c, "GET /doubt HTTP/1.1\r\nHost: a\r\n\r\n")
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
	if !strings.Contains(logged.String(), "in doubt") {
		t.Errorf("the log says %q", logged)
	}
	c, r = connect(t, addr)
	say(t, c, "GET /length HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := answerOf(t, r); got != "hello" {
		t.Error(got)
	}
}

// TestClose cuts off who waits and who is answered.
func TestClose(t *testing.T) {
	running := make(chan bool)
	f, addr, _ := start(t, true, func(_ http.ResponseWriter, r *http.Request) {
		running <- true
		<-r.Context().Done()
	}, nil)
	_, idle := connect(t, addr)
	busy, busyReader := connect(t, addr)
	say(t, busy, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	<-running
	waited := make(chan error, 1)
	go func() { waited <- f.Shutdown(t.Context()) }()
	if rest, err := io.ReadAll(idle); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(busyReader); len(rest) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("%q %v", rest, err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

// tired is a listener whose first connection cannot be accepted.
type tired struct {
	net.Listener
	once sync.Once
}

type temporary struct{}

func (temporary) Error() string   { return "too many open files" }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

func (l *tired) Accept() (c net.Conn, err error) {
	l.once.Do(func() { err = temporary{} })
	if err != nil {
		return nil, err
	}
	return l.Listener.Accept()
}

// TestAcceptAgain goes on after an error that passes.
func TestAcceptAgain(t *testing.T) {
	_, addr, logged := startOn(t, &tired{Listener: listen(t)}, true, answer, nil)
	c, r := connect(t, addr)
	say(t, c, "GET /length HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := answerOf(t, r); got != "hello" || !strings.Contains(logged.String(), "too many open files") {
		t.Errorf("%q, the log says %q", got, logged)
	}
}

// TestTLS: connections that are not TCP's own are net/http's, also while the server
// is stopped again and again.
func TestTLS(t *testing.T) {
	certificates := httptest.NewTLSServer(nil)
	defer certificates.Close()
	client := certificates.Client()
	for range 100 {
		f := &http1.Front{Plain: func(string) bool { return true }, Server: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, byFront(w))
		}), ErrorLog: log.New(io.Discard, "", 0)}}
		ln := listen(t)
		done := make(chan error, 1)
		go func() { done <- f.Serve(tls.NewListener(ln, &tls.Config{Certificates: certificates.TLS.Certificates})) }()
		res, err := client.Get("https://" + ln.Addr().String() + "/a")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "false" {
			t.Fatalf("%q %v", body, err)
		}
		res.Body.Close()
		var beside sync.WaitGroup
		for range 8 {
			beside.Go(func() {
				for {
					c, err := net.Dial("tcp", ln.Addr().String())
					if err != nil {
						return
					}
					c.Close()
				}
			})
		}
		client.CloseIdleConnections()
		if err := errors.Join(f.Shutdown(t.Context()), f.Close()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Fatal(err)
		}
		beside.Wait()
	}
}

// TestReadAheadWithoutTimes: what was read while a request waited for its end is the
// beginning of the next one, on a server that lets clients take all time, too.
func TestReadAheadWithoutTimes(t *testing.T) {
	waits, goOn := make(chan bool), make(chan bool)
	_, addr, _ := start(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			waits <- true
			<-goOn
			r.Context().Done() // from here on the connection is read
			for range 1000 {
				runtime.Gosched()
			}
		}
		fmt.Fprint(w, byFront(w))
	}, func(s *http.Server) { s.ReadHeaderTimeout, s.IdleTimeout = 0, 0 })
	c, r := connect(t, addr)
	for range 20 {
		say(t, c, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
		<-waits
		say(t, c, "G")
		goOn <- true
		if got := answerOf(t, r); got != "true" {
			t.Fatal(got)
		}
		say(t, c, "ET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := answerOf(t, r); got != "true" {
			t.Fatal(got)
		}
	}
}

// roomKey is the key of what is in the room of a connection.
type roomKey struct{}

// TestRoom: what a request leaves in the room of its connection is found under the
// key by that request alone, and the room is given once.
func TestRoom(t *testing.T) {
	_, addr, _ := start(t, true, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		early := ctx.Value(roomKey{})
		if r.URL.Path == "/none" {
			fmt.Fprint(w, early)
			return
		}
		in, ok := ctx.(interface{ Room() *any })
		if !ok {
			t.Errorf("%s: there is no room in %T", r.URL.Path, ctx)
			return
		}
		place := in.Room()
		before := *place
		*place = r.URL.Path
		fmt.Fprintf(w, "%v %v %v %v", early, before, ctx.Value(roomKey{}), in.Room() == nil)
		if r.URL.Path == "/held" {
			ctx.Done()
		}
	}, nil)
	for range 2 { // a connection knows nothing of another
		c, r := connect(t, addr)
		for _, ask := range []struct{ path, want string }{
			{"/a", "<nil> <nil> /a true"},
			{"/b", "<nil> /a /b true"},
			{"/none", "<nil>"},
			{"/held", "<nil> /b /held true"},
			{"/c", "<nil> <nil> /c true"},
		} {
			say(t, c, "GET "+ask.path+" HTTP/1.1\r\nHost: a\r\n\r\n")
			if got := answerOf(t, r); got != ask.want {
				t.Errorf("%s: %q, want %q", ask.path, got, ask.want)
			}
		}
	}
}
