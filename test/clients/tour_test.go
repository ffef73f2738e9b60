//go:build clients

package clients

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tourAddress is where `make run` listens and what README.md says.
const tourAddress = "127.0.0.1:8080"

// TestTour takes the blocks marked sh out of README.md and runs them, as they
// stand, in one shell beside what `make run` starts.
func TestTour(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := fenced(string(text), "sh")
	if len(steps) < 8 {
		t.Fatalf("README.md has %d blocks of sh, want the tour", len(steps))
	}
	if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", tourAddress); err == nil {
		conn.Close()
		t.Fatalf("something listens on %s already; the tour needs that address. Stop it and run the test again.", tourAddress)
	}

	// A checkout as the reader has it: the program in bin/, README.md beside it.
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program(t), filepath.Join(dir, "bin", "terrarium")); err != nil {
		t.Fatal(err)
	}
	p := emptyPlace(t)
	// pip finds its index as it does on this machine.
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TERRARIUM_") || strings.HasPrefix(v, "ANACONDA_") })
	env = append(env, p.env...)
	env = append(env, "HOME="+filepath.Join(dir, "home"), "OTEL_SDK_DISABLED=true", "PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring",
		"PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_CONSTRAINT="+filepath.Join(root, "test", "clients", "constraints.txt"))
	if p.database != "" {
		env = append(env, "TERRARIUM_DATABASE="+p.database, "TERRARIUM_BLOBS="+p.blobs)
	}
	serveTour(t, dir, env)

	stage := filepath.Join(dir, "stage") // where the shell was when something failed
	var b strings.Builder
	b.WriteString("set -eu\n")
	for i, step := range steps {
		fmt.Fprintf(&b, "echo %d > %s\n%s\n", i, stage, step)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", b.String())
	cmd.Env, cmd.Dir = env, dir
	o := end(t, cmd)
	if o.status != 0 {
		at, _ := os.ReadFile(stage)
		t.Fatalf("block %s of README.md: status %d\n%s", strings.TrimSpace(string(at)), o.status, o.all())
	}
	said(t, o.stdout, "soil-1.1.0-h0_0.conda", "The same package a release later")
}

// serveTour starts what `make run` starts.
func serveTour(t *testing.T, dir string, env []string) {
	t.Helper()
	s := &server{place: &place{data: dir, env: env}, url: "http://" + tourAddress, exited: make(chan error, 1), output: &output{}}
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(dir, "bin", "terrarium"), "serve", "--sample")
	s.cmd.Env, s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = env, dir, s.output, s.output
	s.start(t)
	s.ready(t)
	said(t, s.output.String(), "listening on http://"+tourAddress, "/setup/")
}

// fenced gives the fenced blocks of a language.
func fenced(text, language string) []string {
	var out []string
	var block strings.Builder
	in := false
	for line := range strings.Lines(text) {
		switch {
		case !in && strings.TrimRight(line, "\n") == "```"+language:
			in = true
		case in && strings.HasPrefix(line, "```"):
			in = false
			out = append(out, block.String())
			block.Reset()
		case in:
			block.WriteString(line)
		}
	}
	return out
}
