// Package program builds the real program and runs it as a process of its own,
// for tests that must see it from outside: how it ends, what it costs, what it
// leaves on the disk. What it says over HTTP is left to those tests.
package program

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Build builds cmd/terrarium, with build tags if any are given, into a folder
// that goes with the test. It gives the path of the binary.
func Build(t testing.TB, tags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "terrarium")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", strings.Join(tags, ","), "-o", out, "terrarium/cmd/terrarium")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return out
}

// Store is a data folder and the program that works on it. The database and
// the blobs are the defaults: SQLite and a folder.
type Store struct {
	Binary string
	Data   string   // folder
	Env    []string // further "NAME=value" for each process
	Under  []string // a command that starts each process, such as taskset with its arguments
	Log    string   // a file that takes what servers write; "" = Output keeps it
}

// Finished is how a command ended.
type Finished struct {
	Stdout, Stderr string
	State          *os.ProcessState
	Took           time.Duration
	// PeakRSS is the most memory that the process held at once, in bytes: VmHWM, looked
	// at while it ran. What wait4 says counts the memory of the process that started it.
	PeakRSS int64
}

// CPU is the processor time that the process took.
func (f Finished) CPU() time.Duration { return f.State.UserTime() + f.State.SystemTime() }

// Command runs a command of the program to its end, whatever that is.
func (s *Store) Command(t testing.TB, args ...string) Finished {
	t.Helper()
	return s.Begin(t, args...).Wait()
}

// Running is a command that was begun.
type Running struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	begun          time.Time
	peak           int64 // bytes; of watching until that has ended
	watching       sync.WaitGroup
	ended          chan struct{} // closed when the process is gone
}

// watchEvery is how often the memory of a command is looked at.
const watchEvery = 10 * time.Millisecond

// Begin begins a command, which must be waited for.
func (s *Store) Begin(t testing.TB, args ...string) *Running {
	t.Helper()
	r := &Running{t: t, cmd: s.command(t, args...), begun: time.Now(), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatalf("terrarium %s: %v", strings.Join(args, " "), err)
	}
	r.watching.Go(r.watch)
	return r
}

// watch notes the most memory that the process holds, until it is gone.
func (r *Running) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		if n, err := procField(r.cmd.Process.Pid, "status", "VmHWM:"); err == nil { // one that has ended has none
			r.peak = max(r.peak, n<<10)
		}
		select {
		case <-r.ended:
			return
		case <-ticker.C:
		}
	}
}

// Kill ends the command by SIGKILL, unless it has ended.
func (r *Running) Kill() { _ = r.cmd.Process.Kill() }

// Wait gives how the command ended.
func (r *Running) Wait() Finished {
	r.t.Helper()
	err := r.cmd.Wait()
	close(r.ended)
	r.watching.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		r.t.Fatalf("%s: %v", r.cmd, err)
	}
	return Finished{r.stdout.String(), r.stderr.String(), r.cmd.ProcessState, time.Since(r.begun), r.peak}
}

// Do runs a command that must succeed and gives what it printed, without the
// line end.
func (s *Store) Do(t testing.TB, args ...string) string {
	t.Helper()
	f := s.Command(t, args...)
	if !f.State.Success() {
		t.Fatalf("terrarium %s: %v\n%s%s", strings.Join(args, " "), f.State, f.Stdout, f.Stderr)
	}
	return strings.TrimSpace(f.Stdout)
}

func (s *Store) command(t testing.TB, args ...string) *exec.Cmd {
	words := slices.Concat(s.Under, []string{s.Binary}, args, []string{"--data", s.Data})
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = t.TempDir() // no terrarium.toml of somebody else
	// What is set where the tests run must not reach the program.
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TERRARIUM_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the test is not for it
	return cmd
}

// Server is a running `terrarium serve`.
type Server struct {
	URL   string // without a final slash
	PID   int
	Ready time.Duration // from its start until /readyz said 200

	t      testing.TB
	cmd    *exec.Cmd
	output *output
	ended  chan struct{} // closed when the process is gone
}

// readyWithin bounds the start of a server, with the load of its channels.
const readyWithin = 2 * time.Minute

// Serve starts a server on a free port of the loopback and waits until it is
// ready. It is killed with the test unless it has ended before.
func (s *Store) Serve(t testing.TB, args ...string) *Server {
	t.Helper()
	address := freeAddress(t)
	cmd := s.command(t, append([]string{"serve", "--listen", address}, args...)...)
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if s.Log != "" {
		f, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() // the process has its own
		cmd.Stdout, cmd.Stderr = f, f
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scheme := "http://"
	if slices.Contains(args, "--tls-dev") {
		scheme = "https://"
	}
	srv := &Server{URL: scheme + address, PID: cmd.Process.Pid, t: t, cmd: cmd, output: out, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its ProcessState
		close(srv.ended)
	}()
	t.Cleanup(srv.Kill)
	for {
		if srv.answers() {
			srv.Ready = time.Since(begun)
			return srv
		}
		select {
		case <-srv.ended:
			t.Fatalf("the server ended before it was ready: %v\n%s", cmd.ProcessState, out)
		case <-time.After(5 * time.Millisecond):
			if time.Since(begun) > readyWithin {
				t.Fatalf("the server is not ready after %s\n%s", readyWithin, out)
			}
		}
	}
}

func (s *Server) answers() bool {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the certificate of a test
	defer transport.CloseIdleConnections()
	client := http.Client{Timeout: 5 * time.Second, Transport: transport}
	resp, err := client.Get(s.URL + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// freeAddress gives an address of the loopback on which nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Kill ends the process by SIGKILL and waits until it is gone.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may be gone already
	<-s.ended
}

// Stop ends the process by SIGTERM; it must drain and exit with 0.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatalf("stopping the server: %v\n%s", err, s.output)
	}
	<-s.ended
	if !s.cmd.ProcessState.Success() {
		s.t.Fatalf("the server ended with %v\n%s", s.cmd.ProcessState, s.output)
	}
}

// StopWritten is Stop and gives how many bytes the process has written from its start to
// its end, as Usage counts them: Linux adds what a child has written to the counts of its
// parent when that learns of its end. Nothing else may be written meanwhile by this
// process, nor may another child of it end.
func (s *Server) StopWritten() int64 {
	s.t.Helper()
	counts := func() int64 {
		n, err := procField(os.Getpid(), "io", "wchar:")
		if err != nil {
			s.t.Fatal(err)
		}
		return n
	}
	before := counts()
	s.Stop()
	return counts() - before
}

// Killed waits until the process is gone and reports whether SIGKILL ended it.
func (s *Server) Killed() bool {
	<-s.ended
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Ended is closed when the process is gone.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Output is what the process has written so far.
func (s *Server) Output() string { return s.output.String() }

// output keeps what a process writes.
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

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Usage is what a process has cost since its start.
type Usage struct {
	CPU     time.Duration // of all its threads
	Written int64         // bytes of its write calls, to files and to connections
	PeakRSS int64         // bytes
}

// Usage reads what the server has cost since its start, from /proc.
func (s *Server) Usage() Usage {
	s.t.Helper()
	u, err := usage(s.PID)
	if err != nil {
		s.t.Fatalf("what the server costs: %v\n%s", err, s.Output())
	}
	return u
}

// Ran is what the threads of the server have run so far, to the nanosecond, where the CPU
// of Usage counts ticks of 10 ms. A thread that has ended counts no more; those of a Go
// program stay.
func (s *Server) Ran() time.Duration {
	s.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.PID))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("what the server ran: %d threads, %v\n%s", len(files), err, s.Output())
	}
	var all time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		var ran time.Duration // in nanoseconds
		if err == nil {
			_, err = fmt.Sscan(string(text), (*int64)(&ran))
		}
		if err != nil {
			s.t.Fatalf("what the server ran: %v", err)
		}
		all += ran
	}
	return all
}

// usage reads proc(5): utime and stime of stat in ticks of 10 ms, wchar of io, VmHWM of
// status. The write_bytes of io would count a whole folio of the page cache, up to
// megabytes of a large file, for every page of it that changes, of which only the page is
// written.
func usage(pid int) (Usage, error) {
	var u Usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The name of the program, in brackets, may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return u, err
	}
	u.CPU = time.Duration(user+system) * 10 * time.Millisecond
	if u.Written, err = procField(pid, "io", "wchar:"); err != nil {
		return u, err
	}
	u.PeakRSS, err = procField(pid, "status", "VmHWM:")
	u.PeakRSS <<= 10
	return u, err
}

// procField reads a number behind a name in a file of /proc.
func procField(pid int, file, name string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			var n int64
			_, err := fmt.Sscan(rest, &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/%s has no %s", pid, file, name)
}
