package crash

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"terrarium/test/program"
)

// forgeRecords are more than an import writes in one transaction.
const forgeRecords = 5_600

// forge is a folder with the records of a channel that imports load, one after
// the other, each into a channel of its own.
type forge struct {
	folder string
	done   int // imports that went through
	killed int // runs that were killed
}

func newForge(t *testing.T) *forge {
	t.Helper()
	f := &forge{folder: t.TempDir()}
	f.write(t)
	return f
}

// channel is the one into which the import under way, or the last one, loads.
func (f *forge) channel() string { return fmt.Sprintf("%s/forge%d", owner, f.done) }

// write gives the folder records that no import has seen.
func (f *forge) write(t *testing.T) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`{"info":{"subdir":"noarch"},"packages":{},"packages.conda":{`)
	for i := range forgeRecords {
		if i > 0 {
			b.WriteByte(',')
		}
		name := fmt.Sprintf("forge%d-%02d", f.done, i%40)
		fmt.Fprintf(&b, `"%s-1.%d-0.conda":{"name":%q,"version":"1.%d","build":"0","build_number":0,"subdir":"noarch","depends":[],"sha256":"%064x","md5":"%032x","size":%d}`,
			name, i, name, i, f.done*forgeRecords+i+1, f.done*forgeRecords+i+1, 1000+i)
	}
	b.WriteString(`}}`)
	folder := filepath.Join(f.folder, "noarch")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "repodata.json"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// begin begins the import, or goes on with the one that was killed.
func (f *forge) begin(t *testing.T, w *world) *program.Running {
	t.Helper()
	return w.store.Begin(t, "channel", "import", f.channel(), f.folder, "--metadata-only", "--base-url", "https://example.invalid/forge")
}

// ended notes how a run of the import ended: it was killed, went through, or
// found that the run before might still live.
func (f *forge) ended(t *testing.T, run program.Finished) {
	t.Helper()
	switch {
	case run.State.Success():
		f.done++
		f.write(t)
	case run.State.String() == "signal: killed":
		f.killed++
	case !strings.Contains(run.Stdout+run.Stderr, "under way"):
		t.Errorf("the import ended with %v\n%s%s", run.State, run.Stdout, run.Stderr)
	}
}

// finish goes on with the import until it is through; check then looks at it.
func (f *forge) finish(t *testing.T, w *world) {
	t.Helper()
	through := f.done
	for begun := time.Now(); f.done == through; {
		f.ended(t, f.begin(t, w).Wait())
		if time.Since(begun) > 2*deadWithin || t.Failed() {
			t.Fatalf("the import is not through after %s", time.Since(begun))
		}
	}
	f.done-- // so that channel is that of the import which is through
}

// check looks whether the channel of the import under way shows all of it or
// nothing, and so does the last one that went through.
func (f *forge) check(t *testing.T, server *program.Server, through bool) {
	t.Helper()
	status, text := fetch(t, server, f.channel()+"/noarch/repodata.json")
	if (status == http.StatusNotFound || status == http.StatusUnauthorized) && !through {
		return
	}
	n := bytes.Count(text, []byte(`"size":`))
	if status != http.StatusOK || n != forgeRecords && (n != 0 || through) {
		t.Errorf("%s answers %d and shows %d of %d records, through: %v", f.channel(), status, n, forgeRecords, through)
	}
}
