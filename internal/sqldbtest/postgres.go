package sqldbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server of our own, for tests that must stop one or that
// find none. Its data live in a temporary folder and are not synced.
type Server struct {
	URL string // of the database postgres, fit for TEST_POSTGRES

	dir        string
	bin        string
	port       int
	credential *syscall.Credential
	process    *exec.Cmd
	exited     chan error
	output     bytes.Buffer
}

// StartPostgres starts the newest PostgreSQL that is installed, on a free port of
// the loopback. As root it runs as the user postgres, since the server refuses
// root. The caller must Close it.
func StartPostgres(ctx context.Context) (*Server, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		path, err := exec.LookPath("postgres")
		if err != nil {
			return nil, fmt.Errorf("PostgreSQL is not installed: %w", err)
		}
		found = []string{path}
	}
	slices.SortFunc(found, func(a, b string) int { return release(a) - release(b) })
	s := &Server{bin: filepath.Dir(found[len(found)-1])}
	if s.dir, err = os.MkdirTemp("", "terrarium-postgres-"); err != nil {
		return nil, err
	}
	if err := s.initialise(ctx); err != nil {
		os.RemoveAll(s.dir)
		return nil, err
	}
	if err := s.Start(ctx); err != nil {
		os.RemoveAll(s.dir)
		return nil, err
	}
	return s, nil
}

// release is the number in /usr/lib/postgresql/15/bin/postgres.
func release(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

func (s *Server) initialise(ctx context.Context) error {
	if os.Geteuid() == 0 {
		account, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("PostgreSQL does not run as root: %w", err)
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return err
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return err
		}
		s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			return err
		}
	}
	initdb := s.command(ctx, "initdb", "-D", filepath.Join(s.dir, "data"), "-U", "postgres", "-A", "trust",
		"--locale=C", "--encoding=UTF8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	s.URL = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", s.port)
	return listener.Close()
}

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	return cmd
}

// Start starts the server again after Stop, with the same address and data.
func (s *Server) Start(ctx context.Context) error {
	// Not ctx: the server outlives the call. Where the test process dies
	// without Close, the kernel ends the server on Linux.
	s.process = s.command(context.WithoutCancel(ctx), "postgres", "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300")
	dieWithParent(s.process.SysProcAttr)
	s.output.Reset()
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.process.Wait() }()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := pgx.Connect(ctx, s.URL); err == nil {
			return conn.Close(ctx)
		}
		select {
		case err := <-s.exited:
			return fmt.Errorf("PostgreSQL ended at once: %w: %s", err, s.output.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Stop())
		case <-tick.C:
		}
	}
}

// Standby makes the stopped server one that only follows another, of which there is
// none, from its next start on.
func (s *Server) Standby() error {
	return os.WriteFile(filepath.Join(s.dir, "data", "standby.signal"), nil, 0o644)
}

// Stop ends the server as an operator would in a hurry: connections are cut.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	err := <-s.exited
	s.process = nil
	return err
}

// Close stops the server and removes its data.
func (s *Server) Close() error {
	err := s.Stop()
	if removed := os.RemoveAll(s.dir); err == nil {
		err = removed
	}
	return err
}
