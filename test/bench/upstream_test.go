//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"terrarium/internal/repodata"
	"terrarium/test/program"
)

// upstream is a source that a channel was imported from and that goes on: files come,
// and records of others are revised. Nothing goes, for what a source has taken away an
// import leaves where it is.
type upstream struct {
	t        *testing.T
	store    *program.Store
	step     int    // every so manyth record may be revised
	document string // folder with repodata.json.zst
	shards   string // folder with shards alone

	records, revised int
	naive            naively // of the document that was read last
	naiveOf          int
}

// newUpstream goes on with the folder that a channel was imported from: under another
// name the same records are those of another source.
func newUpstream(t *testing.T, store *program.Store, m *imported) *upstream {
	n := m.channel.records
	return &upstream{t: t, store: store, step: max(1, n/500), document: m.source, shards: t.TempDir(), records: n}
}

// differ makes so many records other than they were, a tenth of them revised and the
// rest new.
func (u *upstream) differ(records int) (s *synthetic, added, changed int) {
	changed = records / 10
	added = records - changed
	u.records, u.revised = u.records+added, u.revised+changed
	s = newSynthetic(u.records)
	s.revise(u.revised, u.step)
	return s, added, changed
}

// loadDocument imports from repodata.json.zst after so many records differ.
func (u *upstream) loadDocument(differ int) program.Finished {
	u.t.Helper()
	s, added, changed := u.differ(differ)
	s.write(u.t, u.document)
	return u.brought(u.begin(u.document).Wait(), added, changed)
}

// loadShards is loadDocument from shards.
func (u *upstream) loadShards(differ int) program.Finished {
	u.t.Helper()
	s, added, changed := u.differ(differ)
	s.writeShards(u.t, u.shards)
	return u.brought(u.begin(u.shards).Wait(), added, changed)
}

// beginAdding begins to import a document with so many records more.
func (u *upstream) beginAdding(more int) *program.Running {
	u.t.Helper()
	u.records += more
	s := newSynthetic(u.records)
	s.revise(u.revised, u.step)
	s.write(u.t, u.document)
	return u.begin(u.document)
}

func (u *upstream) begin(folder string) *program.Running {
	u.t.Helper()
	return u.store.Begin(u.t, "channel", "import", channelName, folder, "--metadata-only", "--base-url", emptyAddress)
}

// brought fails unless an import has ended well and brought just so many records.
func (u *upstream) brought(done program.Finished, added, changed int) program.Finished {
	u.t.Helper()
	if !done.State.Success() {
		u.t.Fatalf("import: %v\n%s%s", done.State, done.Stdout, done.Stderr)
	}
	want := fmt.Sprintf("%s: %d records added, %d changed, %d were there already, 0 left out\n", subdir, added, changed, u.records-added-changed)
	if done.Stdout != want {
		u.t.Fatalf("the import says %q, want %q", done.Stdout, want)
	}
	return done
}

// writeShards puts the shards of a channel and their index into a folder; those that are
// there stay.
func (s *synthetic) writeShards(t testing.TB, root string) {
	t.Helper()
	folder := filepath.Join(root, subdir)
	if err := os.MkdirAll(filepath.Join(folder, "shards"), 0o755); err != nil {
		t.Fatal(err)
	}
	var names []string
	var hashes [][32]byte
	for _, l := range s.names {
		var files []repodata.ShardFile
		for _, rec := range l.records {
			_, encoded, err := repodata.TranscodeRecord(rec.fileName, rec.text())
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, repodata.ShardFile{FileName: rec.fileName, Msgpack: encoded.Msgpack})
		}
		slices.SortFunc(files, func(a, b repodata.ShardFile) int { return strings.Compare(a.FileName, b.FileName) })
		data, sum := repodata.EncodeShard(files, nil)
		path := filepath.Join(folder, "shards", repodata.ShardFileName(sum))
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			err := os.WriteFile(path, data, 0o644)
			if err != nil {
				t.Fatal(err)
			}
		}
		names, hashes = append(names, l.name), append(hashes, sum)
	}
	info := repodata.ShardIndexInfo{Subdir: subdir, ShardsBaseURL: "./shards/"}
	if err := os.WriteFile(filepath.Join(folder, "repodata_shards.msgpack.zst"), repodata.EncodeShardIndex(info, names, hashes), 0o644); err != nil {
		t.Fatal(err)
	}
}

// naively is what it costs to decode a document into maps, which is where a difference
// begins that is made without care.
type naively struct {
	Seconds float64
	RSS     int64 // VmHWM
	cpu     time.Duration
}

func (n naively) took() time.Duration { return seconds(n.Seconds) }

// naiveDocument names the document that this program, started once more, decodes: in a
// process of its own its memory can be told.
const naiveDocument = "BENCH_NAIVE_DOCUMENT"

// readNaively decodes the document of the source in another process.
func (u *upstream) readNaively(t *testing.T) naively {
	t.Helper()
	if u.naiveOf == u.records {
		return u.naive
	}
	path := filepath.Join(u.document, subdir, "repodata.json.zst")
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), own)
	cmd.Env = append(os.Environ(), naiveDocument+"="+path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("reading %s: %v\n%s", path, err, stderr.String())
	}
	if err := json.Unmarshal(out, &u.naive); err != nil {
		t.Fatalf("the reader of %s printed %q: %v", path, out, err)
	}
	u.naive.cpu, u.naiveOf = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), u.records
	return u.naive
}

// decodeNaively is that other process: it prints a naively as JSON.
func decodeNaively(path string) error {
	begun := time.Now()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return err
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	n := naively{Seconds: time.Since(begun).Seconds()}
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return err
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &n.RSS); err != nil {
				return err
			}
			n.RSS <<= 10
		}
	}
	return json.MarshalWrite(os.Stdout, n)
}
