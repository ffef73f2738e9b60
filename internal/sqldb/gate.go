package sqldb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// gate lets the processes that write to one SQLite file take turns. SQLite has no
// queue: who finds the file locked sleeps and asks again, and one that writes
// without a pause, as an import does, keeps all others out for seconds. Whoever
// wants to write holds the gate until its transaction has begun; so the one that
// has just written comes after those who wait.
type gate struct{ file *os.File }

// gateWait is how long anybody waits for the gate before going on without it: a
// process that was stopped while it held it must not stop all others.
const gateWait = 5 * time.Second

// gatePoll is how often the gate is tried while another process has it.
const gatePoll = time.Millisecond

func openGate(path string) (*gate, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the gate of the database: %w", err)
	}
	return &gate{f}, nil
}

// enter waits for the gate; leave lets the next one in. A nil gate is open.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	if g == nil {
		return func() {}, nil
	}
	fd := int(g.file.Fd())
	leave = func() { _ = syscall.Flock(fd, syscall.LOCK_UN) } // fails for a closed file, which has no lock
	for waited := time.Duration(0); ; waited += gatePoll {
		err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return leave, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return func() {}, nil // a file system without such locks; SQLite has its own
		case waited >= gateWait:
			return func() {}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(gatePoll):
		}
	}
}

func (g *gate) close() error {
	if g == nil {
		return nil
	}
	return g.file.Close()
}
