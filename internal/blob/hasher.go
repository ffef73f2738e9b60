package blob

import (
	"crypto/md5"
	"crypto/sha256"
	"hash"
	"sync"
	"sync/atomic"
)

// A hasher computes SHA-256 and MD5 beside each other and beside its caller, who
// writes to a disk or waits for a network: the slowest of the three sets the
// pace, not their sum. What fits into one chunk is hashed in place.

const (
	chunkSize = 128 << 10
	maxChunks = 4
)

type hasher struct {
	sha, md5 hash.Hash
	current  *chunk
	chunks   int           // made so far
	free     chan *chunk   // hashed by both
	work     []chan *chunk // one for each hash
	running  sync.WaitGroup
}

type chunk struct {
	bytes []byte
	left  atomic.Int32 // hashes that have not read it yet
}

func (h *hasher) add(p []byte) {
	for len(p) > 0 {
		if h.current == nil {
			h.current = h.take()
		}
		c := h.current
		n := min(len(p), cap(c.bytes)-len(c.bytes))
		c.bytes = append(c.bytes, p[:n]...)
		p = p[n:]
		if len(c.bytes) == cap(c.bytes) {
			h.send()
		}
	}
}

// take gives an empty chunk, waiting for the hashes where all are full.
func (h *hasher) take() *chunk {
	if h.free == nil {
		h.free = make(chan *chunk, maxChunks)
	}
	var c *chunk
	select {
	case c = <-h.free:
	default:
		if h.chunks < maxChunks {
			h.chunks++
			return &chunk{bytes: make([]byte, 0, chunkSize)}
		}
		c = <-h.free
	}
	c.bytes = c.bytes[:0]
	return c
}

func (h *hasher) send() {
	if h.work == nil {
		h.sha, h.md5 = sha256.New(), md5.New()
		for _, sum := range []hash.Hash{h.sha, h.md5} {
			work := make(chan *chunk, maxChunks)
			h.work = append(h.work, work)
			h.running.Go(func() {
				for c := range work {
					sum.Write(c.bytes)
					if c.left.Add(-1) == 0 {
						h.free <- c
					}
				}
			})
		}
	}
	h.current.left.Store(int32(len(h.work)))
	for _, work := range h.work {
		work <- h.current
	}
	h.current = nil
}

// sum ends the hashing.
func (h *hasher) sum() Digest {
	var rest []byte
	if h.current != nil {
		rest = h.current.bytes
	}
	if h.work == nil {
		return Digest{SHA256: sha256.Sum256(rest), MD5: md5.Sum(rest)}
	}
	if h.current != nil {
		h.send()
	}
	for _, work := range h.work {
		close(work)
	}
	h.running.Wait()
	var d Digest
	h.sha.Sum(d.SHA256[:0])
	h.md5.Sum(d.MD5[:0])
	return d
}
