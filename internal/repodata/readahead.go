package repodata

import (
	"fmt"
	"io"
	"runtime/debug"
	"sync"
)

// aheadChunks buffers of aheadChunk bytes are read ahead.
const (
	aheadChunk  = 128 << 10
	aheadChunks = 4
)

// readAhead reads in a goroutine of its own, so that one core unpacks a document while
// another takes it apart. What is wrong with the reader comes where it would have come
// without it.
type readAhead struct {
	read  chan chunk  // what was read, in order; it has room for all buffers
	free  chan []byte // buffers to read into
	stop  chan struct{}
	once  sync.Once // closes stop
	ended sync.WaitGroup

	at   chunk  // what is being handed out
	rest []byte // of it
}

// chunk is a buffer with what was read, or the error that comes then.
type chunk struct {
	text     []byte
	err      error
	panicked string // what the reader panicked with, for the goroutine that asked
}

// newReadAhead begins to read. close must be called.
func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{read: make(chan chunk, aheadChunks), free: make(chan []byte, aheadChunks), stop: make(chan struct{})}
	for range aheadChunks {
		a.free <- nil // made when it is needed: most documents are small
	}
	a.ended.Go(func() {
		for a.next(r) {
		}
	})
	return a
}

// next reads into the next buffer and reports whether to go on.
func (a *readAhead) next(r io.Reader) bool {
	select {
	case <-a.stop: // whether or not there is a buffer
		return false
	default:
	}
	var buf []byte
	select {
	case <-a.stop:
		return false
	case buf = <-a.free:
	}
	if buf == nil {
		buf = make([]byte, aheadChunk)
	}
	defer func() {
		if p := recover(); p != nil {
			a.read <- chunk{panicked: fmt.Sprintf("%v\n%s", p, debug.Stack())}
		}
	}()
	n, err := io.ReadAtLeast(r, buf[:aheadChunk], 1)
	a.read <- chunk{text: buf[:n], err: err}
	return err == nil
}

// Read gives what was read.
func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.at.err != nil {
			return 0, a.at.err
		}
		if a.at.text != nil {
			a.free <- a.at.text
		}
		if a.at = <-a.read; a.at.panicked != "" {
			panic(a.at.panicked)
		}
		a.rest = a.at.text
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// close ends the reading, after the read that is under way, and gives the error that
// has been handed out.
func (a *readAhead) close() error {
	a.once.Do(func() { close(a.stop) })
	a.ended.Wait()
	return a.at.err
}
