package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"terrarium/internal/http1"
)

// text is a log that may be read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// start serves a handler until the test ends, with a front that takes paths
// without "other", or with net/http alone, and gives the address.
func start(t *testing.T, front bool, h http.HandlerFunc, change func(*http.Server)) (*http1.Front, string, *text) {
	t.Helper()
	return startOn(t, listen(t), front, h, change)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func startOn(t *testing.T, ln net.Listener, front bool, h http.HandlerFunc, change func(*http.Server)) (*http1.Front, string, *text) {
	t.Helper()
	logged := &text{}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, ErrorLog: log.New(logged, "", 0)}
	if change != nil {
		change(srv)
	}
	f := &http1.Front{Server: srv, Key: roomKey{}, Plain: func(path string) bool {
		if path == "/doubt" {
			panic("in doubt")
		}
		return !strings.Contains(path, "other")
	}}
	done := make(chan error, 1)
	go func() {
		if front {
			done <- f.Serve(ln)
		} else {
			done <- srv.Serve(ln)
		}
	}()
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return f, ln.Addr().String(), logged
}

func connect(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// byFront reports who answers.
func byFront(w http.ResponseWriter) bool { return strings.Contains(fmt.Sprintf("%T", w), "http1") }

func say(t *testing.T, c io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answers are what handlers do, each under its path.
var answers = map[string]http.HandlerFunc{
	"length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Type", "application/zstd")
		_, _ = io.WriteString(w, "hello")
	},
	"none":  func(http.ResponseWriter, *http.Request) {},
	"short": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html><p>hello") },
	"coded": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "zstd")
		_, _ = io.WriteString(w, "hello")
	},
	"error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) },
	"unmodified": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("ETag", `"a"`)
		w.WriteHeader(http.StatusNotModified)
		if _, err := w.Write([]byte("a")); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	},
	"nothing": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(http.StatusNoContent)
	},
	"long": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "300000")
		for i := range 300 {
			_, _ = w.Write(bytes.Repeat([]byte{'a' + byte(i%26)}, 1000))
		}
	},
	"large": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3000000")
		_, _ = w.Write(bytes.Repeat([]byte("a"), 1_000_000))
		_, _ = w.Write(bytes.Repeat([]byte("b"), 2_000_000))
	},
	"kept": func(w http.ResponseWriter, _ *http.Request) {
		keep := w.Write
		if k, ok := w.(interface{ WriteKept(p []byte) (int, error) }); ok {
			keep = k.WriteKept
		}
		const each, n = 3000, 500
		w.Header().Set("Content-Length", fmt.Sprint(each*n+4))
		for i := range n {
			_, _ = keep(bytes.Repeat([]byte{'a' + byte(i%26)}, each))
			if i%200 == 0 {
				_, _ = w.Write([]byte("-"))
			}
		}
		_, _ = keep(nil)
		_, _ = keep([]byte("!"))
		if _, err := keep([]byte("?")); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	},
	"file": func(w http.ResponseWriter, r *http.Request) {
		file, err := os.Open(os.Args[0]) // the test itself: megabytes
		if err != nil {
			panic(err)
		}
		defer file.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		r.Header.Set("Range", "bytes=100-2000000")
		http.ServeContent(w, r, "", time.Time{}, file)
	},
	"late": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(http.StatusOK)
		w.Header().Set("Content-Type", "application/zstd")
		if _, err := io.CopyN(w, strings.NewReader("hello"), 5); err != nil {
			panic(err)
		}
	},
	"copied": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "12")
		_, _ = w.Write([]byte("<p>"))
		if n, err := io.Copy(w, strings.NewReader("hello")); n != 5 || err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "text/plain")
		if n, err := io.CopyN(w, strings.NewReader("hello"), 4); n != 4 || err != nil {
			panic(err)
		}
		if _, err := io.CopyN(w, strings.NewReader("hello"), 4); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	},
	"chunked": func(w http.ResponseWriter, _ *http.Request) {
		for i := range 300 {
			_, _ = w.Write(bytes.Repeat([]byte{'a' + byte(i%26)}, 1000))
		}
	},
	"chunk": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("a"), 1_000_000)) },
	"headers": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-Some"] = []string{"a", "b\r\nX-Other: c", " d ", "\u00e4"}
		w.Header()["X Bad"] = []string{"a"}
		w.Header()["X-None"] = nil
		w.Header().Set("Date", "today")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X-Late", "a")
		w.WriteHeader(http.StatusOK)
	},
	"longer": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hell")
		if _, err := io.WriteString(w, "ooo"); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
		_, _ = io.WriteString(w, "o")
	},
	"shorter": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hell")
	},
	"last": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "hello")
	},
	"abort": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "50000")
		_, _ = w.Write(make([]byte, 20_000))
		panic(http.ErrAbortHandler)
	},
	"panic": func(http.ResponseWriter, *http.Request) { panic("at the disco") },
	"request": func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr, _, _ = net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "%s %s %s %s %s %s %v %d %v", r.Method, r.URL, r.RequestURI, r.Proto, r.Host, r.RemoteAddr, r.Header, r.ContentLength, r.Close)
	},
}

func answer(w http.ResponseWriter, r *http.Request) {
	answers[strings.TrimPrefix(r.URL.Path, "/")](w, r)
}

// TestSameAsNetHTTP asks for everything that a handler may do, from net/http and
// from a front, over one connection each as long as it lasts.
func TestSameAsNetHTTP(t *testing.T) {
	_, plain, plainLog := start(t, false, answer, nil)
	_, front, frontLog := start(t, true, answer, nil)
	ask := func(addr, method, name string) string {
		c, r := connect(t, addr)
		request := method + " /" + name + " HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\nX-Many: 1\r\nX-Many: 2\r\nConnection: keep-alive\r\n\r\n"
		say(t, c, request+method+" /length HTTP/1.1\r\nHost: a\r\n\r\n")
		told := ""
		for range 2 {
			res, err := http.ReadResponse(r, &http.Request{Method: method})
			for err == nil && res.StatusCode < 200 { // which a server need not send
				res, err = http.ReadResponse(r, &http.Request{Method: method})
			}
			if err != nil {
				return told + "\nended"
			}
			body, err := io.ReadAll(res.Body)
			if res.Header.Get("Date") == "" {
				t.Errorf("%s %s: no Date", method, name)
			} else if res.Header.Get("Date") != "today" {
				res.Header.Del("Date")
			}
			told += fmt.Sprintf("\n%s %v %v %d %v %v %q", res.Status, res.Header, res.TransferEncoding, res.ContentLength, res.Close, err, body)
		}
		return told
	}
	for name := range answers {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if method == http.MethodHead && (strings.HasPrefix(name, "chunk") || name == "abort") {
				continue // net/http did not count the length, and has sent the head
			}
			want, got := ask(plain, method, name), ask(front, method, name)
			if got != want {
				t.Errorf("%s %s: %.800s\nnet/http: %.800s", method, name, got, want)
			}
		}
	}
	for _, words := range []string{"at the disco", "superfluous"} {
		if !strings.Contains(plainLog.String(), words) || !strings.Contains(frontLog.String(), words) {
			t.Errorf("%q: net/http logs %.300s, the front %.300s", words, plainLog, frontLog)
		}
	}
}

// TestHandedOver makes a connection net/http's in the midst of what comes.
func TestHandedOver(t *testing.T) {
	_, addr, _ := start(t, true, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%v %s %s %s %v", byFront(w), r.Method, r.URL, body, err)
	}, nil)
	for _, first := range []string{
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		"GET /other HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 10_000) + "\r\n\r\n",
		"DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		c, r := connect(t, addr)
		const plain = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
		say(t, c, plain+first+plain)
		for i, want := range []bool{true, false, false} {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%.40q, answer %d: %v", first, i, err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || !strings.HasPrefix(string(body), fmt.Sprint(want)) || !strings.HasSuffix(string(body), " <nil>") {
				t.Errorf("%.40q, answer %d: %s %v", first, i, body, err)
			}
			if i == 1 && strings.Contains(first, "abc") && !strings.Contains(string(body), " abc ") {
				t.Errorf("%.40q: the body is lost: %s", first, body)
			}
		}
	}
}

// TestDoubtful sends what has two readings: the front never answers it, and says
// what net/http says.
func TestDoubtful(t *testing.T) {
	h := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, byFront(w)) }
	_, plain, _ := start(t, false, h, nil)
	_, front, _ := start(t, true, h, nil)
	ask := func(addr, request string) string {
		c, r := connect(t, addr)
		say(t, c, request)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return "no answer"
		}
		body, _ := io.ReadAll(res.Body)
		return res.Status + " " + string(body)
	}
	for _, head := range []string{
		"GET /a HTTP/1.1\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n", "GET /a HTTP/1.1\r\nHost:\r\n", "GET /a HTTP/1.0\r\n", "GET /a HTTP/1.2\r\nHost: a\r\n",
		"GET  /a HTTP/1.1\r\nHost: a\r\n", "GET /a  HTTP/1.1\r\nHost: a\r\n", "GET /a HTTP/1.1 \r\nHost: a\r\n", "GET a HTTP/1.1\r\nHost: a\r\n", "get /a HTTP/1.1\r\nHost: a\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n", "GET /a HTTP/1.1\r\nHost: a\r\n Content-Length: 1\r\n", "GET /a HTTP/1.1\nHost: a\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nX\x00: a\r\n", "GET /a HTTP/1.1\r\nHost: a\r\n: a\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nX\r\n",
		"GET /a HTTP/1.1\r\nHost: a/b\r\n", "GET /%zz HTTP/1.1\r\nHost: a\r\n", "GET /a#b HTTP/1.1\r\nHost: a\r\n", "GET * HTTP/1.1\r\nHost: a\r\n", "GET /a\x7f HTTP/1.1\r\nHost: a\r\n",
		"GET /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: X\r\nX: a\r\n",
		"PRI * HTTP/2.0\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n", "\r\nGET /a HTTP/1.1\r\nHost: a\r\n", "G", "GET /a HTTP/1.1\r\nHost: a",
		"GET /a HTTP/1.1\nHost: a\n", "GET /a HTTP/1.0\n\n", "GET /a HTTP/1.1\r\nHost: a\n\n", "GET /a HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n", "\n",
	} {
		for _, text := range []string{head + "\r\n", head, head[:len(head)/2]} {
			want := ask(plain, text)
			if got := ask(front, text); got != want {
				t.Errorf("%q: %q; net/http: %q", text, got, want)
			}
		}
	}
}

// TestPieces sends three requests in all halves.
func TestPieces(t *testing.T) {
	_, addr, _ := start(t, true, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, byFront(w), r.URL.Path) }, nil)
	all := ""
	for i := range 3 {
		all += fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
	}
	for cut := range len(all) {
		c, r := connect(t, addr)
		say(t, c, all[:cut])
		done := strings.Count(all[:cut], "\r\n\r\n")
		for i := range 3 {
			if i == done {
				say(t, c, all[cut:])
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(cut, i, err)
			}
			if body, err := io.ReadAll(res.Body); err != nil || string(body) != fmt.Sprintf("true/%d", i) {
				t.Errorf("cut at %d: %d is %s %v", cut, i, body, err)
			}
		}
	}
}

// TestTimeouts lets connections wait for longer than they may.
func TestTimeouts(t *testing.T) {
	for name, sent := range map[string]string{"fresh half": "", "half": "GET /a HTT", "again": "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "again half": "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET"} {
		_, addr, _ := start(t, true, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, byFront(w)) }, func(s *http.Server) {
			s.IdleTimeout, s.ReadHeaderTimeout = 30*time.Millisecond, time.Minute
			if strings.Contains(name, "half") {
				s.IdleTimeout, s.ReadHeaderTimeout = time.Minute, 40*time.Millisecond
			}
		})
		c, r := connect(t, addr)
		say(t, c, sent)
		rest, err := io.ReadAll(r)
		if err != nil || strings.Count(string(rest), "true") != strings.Count(sent, "\r\n\r\n") {
			t.Errorf("%s: %q %v", name, rest, err)
		}
	}
}

// TestShutdown ends the server while one request runs and two connections wait.
func TestShutdown(t *testing.T) {
	running, goOn := make(chan bool), make(chan bool)
	f, addr, _ := start(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			running <- true
			<-goOn
		}
		fmt.Fprint(w, byFront(w))
	}, nil)
	fresh, _ := connect(t, addr)
	used, usedReader := connect(t, addr)
	say(t, used, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(usedReader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	busy, busyReader := connect(t, addr)
	say(t, busy, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	<-running
	early, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Shutdown(early); !errors.Is(err, context.Canceled) {
		t.Errorf("a request runs, and Shutdown says %v", err)
	}
	for name, c := range map[string]net.Conn{"fresh": fresh, "used": used} {
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %d %v", name, n, err)
		}
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("there is still a listener")
	}
	close(goOn)
	if err := f.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	res, err = http.ReadResponse(busyReader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(busyReader); err != nil || !res.Close || string(body) != "true" {
		t.Errorf("%v %v %q %v", res.Header, res.Close, body, err)
	}
}
