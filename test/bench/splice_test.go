//go:build bench

package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// spliceChanges is how many files come, and how many go, before the frame is looked at.
const spliceChanges = 150

// TestBenchSplice puts files into a channel and deletes others, at random, and then
// compares the frame of pieces that the server sends with one plain frame of the same
// text and level, in size and in what it costs to decode: row 5.
func TestBenchSplice(t *testing.T) {
	limited(t)
	for _, n := range sizes(t) {
		store, m := channels.copyOf(t, n)
		c := newClient(store.Serve(t), channelName, m.Token)
		p, r := newPublisher(m), rand.New(rand.NewPCG(seed, 5))
		gone := map[string]bool{}
		for i := range few(n, spliceChanges) {
			if _, err := c.publish(p.uploads(t, 1)[0]); err != nil {
				t.Fatal(err)
			}
			l := m.channel.pick(r)
			name := l.records[r.IntN(len(l.records))].fileName
			if !gone[name] {
				gone[name] = true
				if _, err := c.call(http.MethodDelete, "/api/v1/files/"+channelName+"/"+subdir+"/"+name, nil); err != nil {
					t.Fatal(err)
				}
			}
			if i%10 == 0 { // a generation that somebody saw
				var took time.Duration
				if _, err := c.get("repodata.json.zst", "", &took); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.spliced(t, fmt.Sprintf("%d records, %d inserted, %d deleted", n, few(n, spliceChanges), len(gone)), gone)
		c.server.Stop()
	}
}

// spliced compares the frame of pieces with one plain frame.
func (c *client) spliced(t testing.TB, at string, gone map[string]bool) {
	t.Helper()
	var took time.Duration
	frame, err := c.get("repodata.json.zst", "", &took)
	if err != nil {
		t.Fatal(err)
	}
	if end, err := frameEnd(frame); err != nil || end != len(frame) {
		t.Fatalf("the first frame ends at byte %d of %d: %v", end, len(frame), err)
	}
	text, err := unpack(frame, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range gone {
		if bytes.Contains(text, []byte(`"`+name+`":{`)) {
			t.Errorf("%s is deleted and listed", name)
		}
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	plain := w.EncodeAll(text, nil)
	figures.atMost(t, figure{
		row: 5, name: "zst-splice, size", at: at, ours: megabytes(int64(len(frame))), peer: megabytes(int64(len(plain))),
		besides: "one plain frame", ratio: float64(len(frame)) / float64(len(plain)),
	}, 1.03, 1.05)
	decode := func(b []byte) func() error {
		return func() error {
			d, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1))
			if err != nil {
				return err
			}
			defer d.Close()
			n, err := io.Copy(io.Discard, d)
			if err == nil && n != int64(len(text)) {
				err = fmt.Errorf("%d bytes of %d", n, len(text))
			}
			return err
		}
	}
	ours, theirs := compared(t, decode(frame), decode(plain))
	figures.atMost(t, figure{
		row: 5, name: "zst-splice, decoding", at: at, ours: short(ours), peer: short(theirs), besides: "one plain frame", ratio: float64(ours) / float64(theirs),
	}, 1.1, judgedDecoding(text))
	folder := t.TempDir()
	for name, b := range map[string][]byte{"ours": frame, "plain": plain, "text": text} {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unpackedBy(t, folder, at, text)
	var seen struct{ Ours, Plain float64 }
	l := figure{row: 5, name: "zst-splice, decompressobj", at: at, ours: unmeasured, peer: unmeasured, besides: "one plain frame", better: "≤ 1.1"}
	if !python(t, &seen, "splice", folder) {
		figures.add(t, l)
		return
	}
	l.ours, l.peer, l.ratio = short(seconds(seen.Ours)), short(seconds(seen.Plain)), seen.Ours/seen.Plain
	figures.atMost(t, l, 1.1, judgedDecoding(text))
}

// unpackedBy lets the program zstd unpack both frames of a folder, if it is installed.
func unpackedBy(t testing.TB, folder, at string, text []byte) {
	t.Helper()
	want := sha256.Sum256(text)
	l := figure{row: 5, name: "zst-splice, zstd -d", at: at, ours: unmeasured, peer: unmeasured, besides: "one plain frame", better: "≤ 1.1"}
	program, err := exec.LookPath("zstd")
	if err != nil {
		figures.add(t, l)
		return
	}
	var least [2]time.Duration
	for range 7 {
		for i, name := range []string{"ours", "plain"} {
			cmd := exec.CommandContext(t.Context(), program, "-d", "-q", "-c", filepath.Join(folder, name))
			digest := sha256.New()
			cmd.Stdout = digest
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(digest.Sum(nil), want[:]) {
				t.Fatalf("zstd unpacks %s to something else", name)
			}
			if cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); least[i] == 0 || cpu < least[i] {
				least[i] = cpu
			}
		}
	}
	l.ours, l.peer, l.ratio = short(least[0])+" CPU", short(least[1])+" CPU", float64(least[0])/float64(least[1])
	figures.atMost(t, l, 1.1, judgedDecoding(text))
}

// judgedDecoding is the bound of CI: of a small document, what it takes to begin is most.
func judgedDecoding(text []byte) float64 {
	if len(text) < 4_000_000 {
		return 4
	}
	return 1.5
}

// frameEnd gives where the first zstd frame of b ends (RFC 8878, section 3.1.1).
func frameEnd(b []byte) (int, error) {
	const magic, header = 0xFD2FB528, 3
	if len(b) < 6 || binary.LittleEndian.Uint32(b) != magic {
		return 0, errors.New("no zstd frame")
	}
	descriptor := b[4]
	single := descriptor>>5&1 == 1
	at := 5 + []int{0, 1, 2, 4}[descriptor&3] + []int{0, 2, 4, 8}[descriptor>>6]
	switch {
	case !single:
		at++ // the window
	case descriptor>>6 == 0:
		at++ // a size of one byte
	}
	for last := false; !last; {
		if at+header > len(b) {
			return at, io.ErrUnexpectedEOF
		}
		block := int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16
		size := block >> 3
		if block>>1&3 == 1 {
			size = 1 // one byte, repeated
		}
		last = block&1 == 1
		at += header + size
	}
	if descriptor>>2&1 == 1 {
		at += 4 // checksum
	}
	return at, nil
}
