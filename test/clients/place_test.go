//go:build clients

package clients

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"terrarium/internal/sqldbtest"
)

// place is where one instance keeps everything: a folder with SQLite in it, or a
// PostgreSQL database and a bucket.
type place struct {
	data     string // folder
	database string // "" for the default below data
	blobs    string
	env      []string
}

// onMany reports whether this is the second run, over PostgreSQL and S3.
func onMany() bool { return os.Getenv("TEST_POSTGRES") != "" }

// program and python are what the Makefile built.
func program(t testing.TB) string { return wanted(t, "TERRARIUM_BIN") }
func python(t testing.TB) string  { return wanted(t, "TERRARIUM_PYTHON") }

// beside is another program of the Python environment.
func beside(t testing.TB, name string) string { return filepath.Join(filepath.Dir(python(t)), name) }

func wanted(t testing.TB, name string) string {
	t.Helper()
	path := os.Getenv(name)
	if path == "" {
		t.Fatalf("%s is not set; run make test-clients", name)
	}
	return path
}

// emptyPlace gives a place that nobody has used, on the engine of this run.
func emptyPlace(t testing.TB) *place {
	t.Helper()
	p := &place{data: t.TempDir()}
	// Nothing of the machine's own settings reaches the program.
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.data, "AWS_ACCESS_KEY_ID=terrarium", "AWS_SECRET_ACCESS_KEY=terrarium-secret", "AWS_EC2_METADATA_DISABLED=true"}
	if onMany() {
		p.database = sqldbtest.Postgres(t)
		p.blobs = bucket(t)
	}
	return p
}

// bucket starts an S3 server over a folder of its own and gives the address of an
// empty bucket on it.
func bucket(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "packages"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), wanted(t, "TERRARIUM_VERSITYGW"),
		"--access", "terrarium", "--secret", "terrarium-secret", "--port", address, "--quiet", "posix", dir)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatalf("start versitygw: %v", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("stop versitygw: %v", err)
		}
		select {
		case err := <-exited:
			if err != nil {
				t.Logf("versitygw: %v", err)
			}
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill() // it waits for connections that nobody closes
			t.Logf("versitygw had to be killed: %v", <-exited)
		}
	})
	until(t, "versitygw answers", func() error {
		select {
		case err := <-exited:
			t.Fatalf("versitygw ended: %v: %s", err, output.String())
		default:
		}
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return "s3://packages?use_path_style=true&region=us-east-1&endpoint=" + url.QueryEscape("http://"+address)
}

// freeAddress is an address of the loopback on which nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// until asks until there is no error any more, for at most thirty seconds.
func until(t testing.TB, what string, ask func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s: %v", what, err)
		}
	}
}

// flags name the place to a command.
func (p *place) flags() []string {
	flags := []string{"--data", p.data}
	if p.database != "" {
		flags = append(flags, "--database", p.database, "--blobs", p.blobs)
	}
	return flags
}

// outcome is how a command ended.
type outcome struct {
	stdout, stderr string
	status         int
}

// all is everything that a person saw.
func (o outcome) all() string { return o.stdout + o.stderr }

// end runs a command to its end.
func end(t testing.TB, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// terrarium runs a command of the program on the place.
func (p *place) terrarium(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	return p.command(t, stdin, append(args, p.flags()...)...)
}

// command runs the program with just these arguments.
func (p *place) command(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	cmd.Env, cmd.Dir, cmd.Stdin = p.env, p.data, strings.NewReader(stdin)
	return end(t, cmd)
}

// must runs a command that has to be carried out, and gives its standard output.
func (p *place) must(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	o := p.terrarium(t, stdin, args...)
	if o.status != 0 {
		t.Fatalf("terrarium %s: status %d: %s", strings.Join(args, " "), o.status, o.stderr)
	}
	return o.stdout
}
