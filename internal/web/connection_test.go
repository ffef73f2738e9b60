package web_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"testing"

	"terrarium/internal/http1"
	"terrarium/internal/web"
)

// TestOneConnection: in whatever order the layers stand, even without Begin or with
// two of it, a request on a connection knows nothing of the one before it.
func TestOneConnection(t *testing.T) {
	say := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := web.CallerOf(r)
		fmt.Fprintf(w, "%q %q %v", web.PathToken(r), c.Actor.Name, c.Offered)
	})
	for name, layers := range map[string]func(f *web.Frame) http.Handler{
		"no Begin": func(f *web.Frame) http.Handler { return web.StripToken(f.Identify(web.Means{Path: true}, say)) },
		"begins late": func(f *web.Frame) http.Handler {
			return web.StripToken(f.Begin(f.Identify(web.Means{Path: true}, say)))
		},
		"begins twice": func(f *web.Frame) http.Handler {
			return f.Begin(f.Begin(web.StripToken(f.Identify(web.Means{Path: true}, say))))
		},
		"nobody asks": func(f *web.Frame) http.Handler { return web.StripToken(say) },
		"as it must be": func(f *web.Frame) http.Handler {
			return f.Begin(web.StripToken(f.Identify(web.Means{Path: true}, say)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var logged [2]bytes.Buffer
			front := &http1.Front{Key: web.EventKey, Plain: func(string) bool { return true }}
			front.Server = &http.Server{Handler: layers(frame(&logged[0])), ErrorLog: log.New(io.Discard, "", 0)}
			plain := &http.Server{Handler: layers(frame(&logged[1])), ErrorLog: log.New(io.Discard, "", 0)}
			var answers [2][]string
			for i, by := range []struct {
				serve func(net.Listener) error
				end   func() error
			}{{front.Serve, front.Close}, {plain.Serve, plain.Close}} {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- by.serve(ln) }()
				client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
				for _, path := range []string{"/conda/t/good/a", "/conda/a", "/conda/t/bad/a", "/conda/a"} {
					res, err := client.Get("http://" + ln.Addr().String() + path)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(res.Body)
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
					answers[i] = append(answers[i], path+": "+string(body))
				}
				if err := by.end(); err != nil {
					t.Error(err)
				}
				if err := <-done; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			}
			for i := range answers[0] {
				if answers[0][i] != answers[1][i] {
					t.Errorf("%s; over net/http %s", answers[0][i], answers[1][i])
				}
			}
		})
	}
}
