//go:build clients

package clients

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is the program as a process of its own, serving a place.
type server struct {
	*place
	url string

	cmd    *exec.Cmd
	exited chan error
	output *output
	once   sync.Once
}

// output keeps what a process printed.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is everything so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// serve starts the program over the place, on a free port, and waits until it is
// ready. The test ends it as an operator does, and it has to exit with 0.
func serve(t testing.TB, p *place, flags ...string) *server {
	t.Helper()
	address := freeAddress(t)
	args := append([]string{"serve", "--listen", address, "--log-level", "warn"}, p.flags()...)
	s := &server{place: p, url: "http://" + address, exited: make(chan error, 1), output: &output{}}
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), program(t), append(args, flags...)...)
	s.cmd.Env, s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = p.env, p.data, s.output, s.output
	s.start(t)
	s.ready(t)
	return s
}

// start starts the process, which the test stops at its end.
func (s *server) start(t testing.TB) {
	t.Helper()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.exited <- s.cmd.Wait() }()
	t.Cleanup(func() { s.stop(t) })
}

// ready waits until the server says that it is.
func (s *server) ready(t testing.TB) {
	t.Helper()
	until(t, "the server is ready", func() error {
		select {
		case err := <-s.exited:
			s.exited <- err
			t.Fatalf("the server ended: %v:\n%s", err, s.output)
		default:
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := (&http.Client{}).Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", resp.Status)
		}
		return nil
	})
}

// stop ends the server by SIGTERM.
func (s *server) stop(t testing.TB) {
	t.Helper()
	s.once.Do(func() {
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("the server had ended before the test did:\n%s", s.output)
			return
		}
		select {
		case err := <-s.exited:
			if err != nil {
				t.Errorf("the server ended by SIGTERM: %v, want exit status 0:\n%s", err, s.output)
			}
		case <-time.After(45 * time.Second):
			t.Errorf("the server did not end within 45 s:\n%s", s.output)
			_ = s.cmd.Process.Kill() // it is given up
			t.Logf("killed: %v", <-s.exited)
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", s.output)
		}
	})
}

// kill ends the server by SIGKILL.
func (s *server) kill(t testing.TB) {
	t.Helper()
	s.once.Do(func() {
		if err := s.cmd.Process.Kill(); err != nil {
			t.Errorf("the server had ended before it was killed: %v:\n%s", err, s.output)
		}
		if err := <-s.exited; err == nil {
			t.Error("the server ended by itself before it was killed")
		}
	})
}

// answer is what a request got.
type answer struct {
	status int
	body   []byte
	header http.Header
}

// ask sends a request; token may be empty. Redirects are followed, as clients do.
func (s *server) ask(t testing.TB, method, path, token string, body io.Reader, header ...string) answer {
	t.Helper()
	a, err := s.try(t.Context(), method, path, token, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try is ask of a server that may be gone.
func (s *server) try(ctx context.Context, method, path, token string, body io.Reader, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return answer{resp.StatusCode, b, resp.Header}, nil
}

// get asks for a path.
func (s *server) get(t testing.TB, path, token string) answer {
	t.Helper()
	return s.ask(t, http.MethodGet, path, token, nil)
}

// status asks for a path and holds the answer to a status.
func (s *server) status(t testing.TB, want int, path, token string) answer {
	t.Helper()
	a := s.get(t, path, token)
	if a.status != want {
		t.Errorf("GET %s: %d, want %d: %.300s", path, a.status, want, a.body)
	}
	return a
}
