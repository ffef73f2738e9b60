//go:build bench

package bench

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// generator is the built program of test/bench/load.
type generator struct {
	binary  string
	server  []string // what binds a server to its core
	own     []string // what binds the generator to the other
	folder  string
	written int
}

// newGenerator builds the generator. Where there are two cores and taskset, the
// servers get the first and the generator the second.
func newGenerator(t testing.TB) *generator {
	t.Helper()
	g := &generator{folder: t.TempDir()}
	g.binary = filepath.Join(g.folder, "load")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", g.binary, "./load").CombinedOutput(); err != nil {
		t.Fatalf("go build ./load: %v\n%s", err, out)
	}
	if exec.CommandContext(t.Context(), "taskset", "-c", "1", "true").Run() == nil {
		g.server, g.own = []string{"taskset", "-c", "0"}, []string{"taskset", "-c", "1"}
	}
	return g
}

// loaded is what the generator prints.
type loaded struct {
	Requests, Bytes, Wall, CPU, P50, P99 int64 // times in nanoseconds
}

// ask lets the generator ask a server for some paths in turn.
func (g *generator) ask(t testing.TB, url string, pid int, paths []string, args ...string) loaded {
	t.Helper()
	g.written++
	list := filepath.Join(g.folder, fmt.Sprint("paths", g.written))
	if err := os.WriteFile(list, []byte(strings.Join(paths, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	words := append(append(append([]string{}, g.own...), g.binary, "-url", url, "-pid", strconv.Itoa(pid), "-paths", list), args...)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("load %s: %v\n%s", url, err, stderr.String())
	}
	var l loaded
	if err := json.Unmarshal(out, &l, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("load printed %q: %v", out, err)
	}
	return l
}

// nginx is a running nginx of one worker over a folder, plain and with TLS.
type nginx struct {
	url, secure string
	worker      int // its process
}

// startNginx serves a folder with Debian's settings, more connections than its 768, which
// 24 rattler clients at once are too many for, and an access log, whose lines wait as
// ours do; ok is
// false where nginx is not installed. certificate is a folder with cert.pem and
// key.pem, "" without TLS.
func startNginx(t testing.TB, g *generator, root, certificate string) (n nginx, ok bool) {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		if binary = "/usr/sbin/nginx"; !isThere(binary) {
			return nginx{}, false
		}
	}
	work := t.TempDir()
	for _, folder := range []string{root, work} { // its worker is another user
		for at := folder; at != "/" && at != "/tmp"; at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o755); err != nil {
				break
			}
		}
	}
	plain, secure := freePort(t), freePort(t)
	n.url, n.secure = "http://"+plain, "https://"+secure
	tls := ""
	if certificate != "" {
		tls = "listen " + secure + " ssl http2; ssl_certificate " + certificate + "/cert.pem; ssl_certificate_key " + certificate + "/key.pem;"
	}
	config := filepath.Join(work, "nginx.conf")
	text := `daemon off; worker_processes 1; worker_rlimit_nofile 16384; pid ` + work + `/pid; error_log ` + work + `/error.log;
events { worker_connections 8192; }
http {
	sendfile on; tcp_nopush on; default_type application/octet-stream; access_log ` + work + `/access.log combined buffer=64k flush=200ms;
	keepalive_requests 100000000; http2_max_concurrent_streams 250;
	client_body_temp_path ` + work + `; proxy_temp_path ` + work + `; fastcgi_temp_path ` + work + `; uwsgi_temp_path ` + work + `; scgi_temp_path ` + work + `;
	server { listen ` + plain + `; ` + tls + ` root ` + root + `; }
}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	words := append(append([]string{}, g.server...), binary, "-c", config, "-e", filepath.Join(work, "error.log"))
	cmd := exec.Command(words[0], words[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		_ = cmd.Wait()
	})
	for begun := time.Now(); ; {
		c, err := net.DialTimeout("tcp", plain, time.Second)
		if err == nil {
			c.Close()
			children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscan(string(children), &n.worker); err == nil {
				return n, true
			}
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("nginx does not answer\n%s", out.String())
		}
	}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
