//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"terrarium/internal/condatest"
	"terrarium/test/program"
)

// memoryAllowed is how much an upload may add to the memory of the server,
// whatever its size.
const memoryAllowed = 64 << 20

// TestBenchUploadStream uploads large packages beside writing the same bytes to a
// file with fsync: row 15.
func TestBenchUploadStream(t *testing.T) {
	limited(t)
	size := 256 << 20
	if slices.Max(sizes(t)) <= 10_000 {
		size = 96 << 20
	}
	store := &program.Store{Binary: channels.program(t), Data: filepath.Join(t.TempDir(), "data"), Env: quiet}
	store.Do(t, "user", "create", ownerName, "--email", "bench@example.com")
	token := store.Do(t, "token", "create", "--user", ownerName, "--name", "bench")
	c := newClient(store.Serve(t), ownerName, token)
	first := condatest.Spec{Name: "warm", PadTo: archiveSize}
	if _, err := c.publish(upload{"warm", first.FileName(), condatest.Make(t, first)}); err != nil {
		t.Fatal(err)
	}
	before := c.server.Usage().PeakRSS
	var ours, theirs []time.Duration
	for i := range 3 {
		spec := condatest.Spec{Name: "large", Version: fmt.Sprint(i), PadTo: size}
		body := condatest.Make(t, spec)
		took, err := c.publish(upload{"large", spec.FileName(), body})
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, took)
		begun := time.Now()
		f, err := os.Create(filepath.Join(t.TempDir(), "written"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(f, bytes.NewReader(body))
		if err == nil {
			err = f.Sync()
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, time.Since(begun))
	}
	grown := c.server.Usage().PeakRSS - before
	speed := func(d time.Duration) string { return fmt.Sprintf("%.0f MB/s", float64(size)/1e6/d.Seconds()) }
	at := fmt.Sprintf("%d MB", size>>20)
	figures.atLeast(t, figure{
		row: 15, name: "upload-stream", at: at, ours: speed(slices.Min(ours)), peer: speed(slices.Min(theirs)), besides: "write and fsync",
		ratio: float64(slices.Min(theirs)) / float64(slices.Min(ours)),
	}, 0.5, 0.15)
	figures.atMost(t, figure{
		row: 15, name: "upload-stream, memory", at: at, ours: megabytes(grown), peer: megabytes(memoryAllowed), besides: "what is allowed",
		ratio: float64(grown) / float64(memoryAllowed),
	}, 1, 1)
	c.server.Stop()
}
