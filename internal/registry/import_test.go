package registry_test

import (
	"bytes"
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// channelFolder makes a channel as a folder of what alice/main lists, archives
// included. change may alter a record.
func (w *world) channelFolder(change func(file string, record map[string]any)) fstest.MapFS {
	w.t.Helper()
	type row struct{ subdir, name, sha256, json string }
	rows, err := sqldb.All(w.ctx, w.db, func(rows *sqldb.Rows, r *row) error {
		var b []byte
		err := rows.Scan(&r.subdir, &r.name, &r.sha256, &b)
		r.json = string(b)
		return err
	}, "SELECT r.subdir, r.file_name, f.sha256, r.json FROM records r JOIN files f ON f.id = r.file_id WHERE r.channel_id = 'main-alice' AND r.removed IS NULL")
	if err != nil {
		w.t.Fatal(err)
	}
	folder := fstest.MapFS{}
	records := map[string]map[string]any{}
	for _, r := range rows {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(r.json), &record); err != nil {
			w.t.Fatal(err)
		}
		delete(record, "indexed_timestamp")
		if change != nil {
			change(r.name, record)
		}
		if records[r.subdir] == nil {
			records[r.subdir] = map[string]any{}
		}
		records[r.subdir][r.name] = record
		folder[r.subdir+"/"+r.name] = &fstest.MapFile{Data: w.read(registry.File{SHA256: r.sha256, Stored: true})}
	}
	for subdir, list := range records {
		document, err := json.Marshal(map[string]any{"info": map[string]any{"subdir": subdir}, "packages": map[string]any{}, "packages.conda": list}, json.Deterministic(true))
		if err != nil {
			w.t.Fatal(err)
		}
		folder[subdir+"/repodata.json"] = &fstest.MapFile{Data: document}
	}
	return folder
}

func TestImport(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		built := start.AddDate(0, -1, 0)
		w.must(w.alice, "alice", condatest.Spec{Name: "a", Summary: "An a", License: "MIT", Timestamp: built.UnixMilli()})
		w.must(w.alice, "alice", condatest.Spec{Name: "a", Version: "2.0"})
		w.must(w.alice, "alice", condatest.Spec{Name: "b", Subdir: "linux-64"})
		w.must(w.alice, "alice", condatest.Spec{Name: "broken"})
		w.must(w.alice, "alice", condatest.Spec{Name: "missing"})
		folder := w.channelFolder(func(file string, record map[string]any) {
			if strings.HasPrefix(file, "broken") {
				record["sha256"] = strings.Repeat("0", 64)
			}
			if file == "a-2.0-0.conda" {
				record["depends"] = []string{"hotfix"} // what the channel says counts, not the archive
			}
		})
		delete(folder, "noarch/missing-1.0-0.conda")
		src := registry.ImportSource{Files: folder, Name: "a folder"}

		_, err := w.Import(w.ctx, w.carol, "acme", "copy", src, nil)
		wantKind(t, err, errs.Forbidden)
		w.published = nil
		report, err := w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
		if err != nil {
			t.Fatal(err)
		}
		noarch := report.Subdirs["noarch"]
		if noarch.Added != 2 || noarch.LeftOut != 2 || len(noarch.Reasons) != 2 || report.Subdirs["linux-64"].Added != 1 {
			t.Errorf("got %+v", report)
		}
		w.wantListed("acme", "copy", -1, "linux-64/b-1.0-0.conda", "noarch/a-1.0-0.conda", "noarch/a-2.0-0.conda")
		w.wantListed("acme", "copy", w.published[0].Generation, "linux-64/b-1.0-0.conda")
		if len(w.published) != 2 || !cmp.Equal(w.published[1].Subdirs, map[string][]string{"noarch": {"a"}}) {
			t.Errorf("published %+v", w.published)
		}
		f, err := w.File(w.ctx, w.nobody, "acme", "a", "1.0", "noarch/a-1.0-0.conda")
		if err != nil || !f.IndexedAt.Equal(built) || f.IndexedSource != "timestamp" || !cmp.Equal(f.Labels, []string{"copy"}) {
			t.Errorf("got %+v, %v", f, err)
		}
		if info, err := w.FileInfo(w.ctx, w.nobody, f); err != nil || len(info.About) == 0 {
			t.Errorf("got %+v, %v", info, err)
		}
		p, err := w.Package(w.ctx, w.nobody, "acme", "a")
		if err != nil || p.Latest != "2.0" || !cmp.Equal(p.Platforms, []string{"noarch"}) || p.Summary != "An a" {
			t.Errorf("got %+v, %v", p, err)
		}
		if n := w.count("SELECT count(*) FROM files WHERE owner_id = 'id-acme' AND name = 'a-2.0-0.conda' AND CAST(record_json AS TEXT) LIKE '%hotfix%'"); n != 1 && !w.db.Postgres() {
			t.Errorf("the hotfix was lost")
		}
		w.clean()

		// Again, nothing changes.
		w.published = nil
		report, err = w.Import(w.ctx, w.alice, "acme", "copy", src, nil)
		if err != nil || report.Subdirs["noarch"].Kept != 2 || report.Subdirs["noarch"].Added != 0 {
			t.Errorf("again: %+v, %v", report, err)
		}
		// Into another channel of the same owner the files are only labelled.
		if report, err = w.Import(w.ctx, w.alice, "acme", "second", src, nil); err != nil || report.Subdirs["noarch"].Added != 2 {
			t.Errorf("second: %+v, %v", report, err)
		}
		w.wantListed("acme", "second", -1, "linux-64/b-1.0-0.conda", "noarch/a-1.0-0.conda", "noarch/a-2.0-0.conda")
		w.clean()
	})
}

// failing is a folder whose document breaks off.
type failing struct {
	fs.FS
	at string
}

type failingFile struct {
	fs.File
	left int
}

func (f failing) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err == nil && name == f.at {
		return &failingFile{file, 3000}, nil
	}
	return file, err
}

// Stat keeps fs.Stat from opening the file.
func (f failing) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.FS, name) }

func (f *failingFile) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, errors.New("the disk is gone")
	}
	n, err := f.File.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

func TestImportBreaks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range 20 {
			w.must(w.alice, "alice", condatest.Spec{Name: fmt.Sprint("p", i)})
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "old"}, into("copy"))
		folder := w.channelFolder(nil)
		before := w.rows()
		_, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: failing{folder, "noarch/repodata.json"}}, nil)
		if err == nil {
			t.Fatal("the import succeeded")
		}
		after := w.rows()
		after["audit"] = before["audit"] // that it began is on record
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("a broken import left rows (-before +after):\n%s", d)
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "new"}, into("copy"))
		w.wantListed("acme", "copy", -1, "noarch/new-1.0-0.conda", "noarch/old-1.0-0.conda")
		w.clean()

		for name, files := range map[string]fstest.MapFS{
			"no channel":     {},
			"no JSON":        {"noarch/repodata.json": &fstest.MapFile{Data: []byte("<html>")}},
			"another subdir": {"noarch/repodata.json": &fstest.MapFile{Data: []byte(`{"info":{"subdir":"linux-64"},"packages":{}}`)}},
		} {
			if _, err := w.Import(w.ctx, w.alice, "acme", "copy", registry.ImportSource{Files: files}, nil); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: got %v, want errs.Invalid", name, err)
			}
		}
	})
}

func TestFetchFromSource(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		var folder fstest.MapFS
		var asked atomic.Int64
		var answer func(name string) (io.ReadCloser, error)
		w := newWorld(t, db, registry.Options{Fetch: func(_ context.Context, url string) (io.ReadCloser, error) {
			asked.Add(1)
			return answer(strings.TrimPrefix(url, "https://channel.test/forge/"))
		}})
		w.must(w.alice, "alice", condatest.Spec{})
		folder = w.channelFolder(nil)
		honest := func(name string) (io.ReadCloser, error) { return folder.Open(name) }

		_, err := w.Import(w.ctx, w.alice, "acme", "", registry.ImportSource{Files: folder, MetadataOnly: true}, nil)
		wantKind(t, err, errs.Invalid)
		_, err = w.Import(w.ctx, w.alice, "acme", "", registry.ImportSource{Files: folder, MetadataOnly: true, BaseURL: "https://channel.test/forge"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := w.OpenChannel(w.ctx, w.nobody, "acme", "")
		if err != nil {
			t.Fatal(err)
		}
		f, err := w.FileAt(w.ctx, opened, "noarch", "demo-1.0-0.conda")
		if err != nil || f.Stored {
			t.Fatalf("stored %v, %v", f.Stored, err)
		}
		if err := w.blobs.Delete(w.ctx, w.key(f)); err != nil { // alice's copy has the same bytes
			t.Fatal(err)
		}
		for name, lie := range map[string]func(string) (io.ReadCloser, error){
			"away":        func(string) (io.ReadCloser, error) { return nil, errors.New("no route") },
			"other bytes": func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(make([]byte, f.Size))), nil },
			"too long":    func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(make([]byte, f.Size*2))), nil },
		} {
			answer = lie
			_, err = w.OpenFile(w.ctx, f)
			if !errs.Is(err, errs.Unavailable) {
				t.Errorf("%s: got %v, want errs.Unavailable", name, err)
			}
			if got := w.stored(); len(got) > 0 {
				t.Errorf("%s: kept %v", name, got)
			}
		}
		answer = honest
		asked.Store(0)
		want := folder["noarch/demo-1.0-0.conda"].Data
		for range 2 {
			if got := w.read(f); !bytes.Equal(got, want) {
				t.Errorf("got %d other bytes", len(got))
			}
		}
		if asked.Load() != 1 {
			t.Errorf("the source was asked %d times, want once", asked.Load())
		}
		if f, err = w.FileAt(w.ctx, opened, "noarch", "demo-1.0-0.conda"); err != nil || !f.Stored {
			t.Errorf("stored %v, %v", f.Stored, err)
		}
		w.clean()
	})
}

// manyRecords writes a repodata document of n made-up records.
func manyRecords(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"info":{"subdir":"noarch"},"packages":{},"packages.conda":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		name, version := fmt.Sprintf("package%05d", i/10), fmt.Sprintf("1.%d", i%10)
		fmt.Fprintf(&b, `"%s-%s-0.conda":{"build":"0","build_number":0,"depends":["python >=3.9","numpy >=1.20","some-library >=2.1,<3"],"license":"BSD-3-Clause",`+
			`"md5":"%032x","name":"%s","noarch":"python","sha256":"%064x","size":%d,"subdir":"noarch","timestamp":1700000000000,"version":"%s"}`,
			name, version, i, name, i, i+1, version)
	}
	b.WriteString("}}")
	return b.Bytes()
}

func BenchmarkImport(b *testing.B) {
	const n = 100_000
	folder := fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(n)}}
	for range b.N {
		w := newWorld(b, sqldbtest.Open(b), registry.Options{})
		begun := time.Now()
		report, err := w.Import(w.ctx, w.alice, "acme", "", registry.ImportSource{Files: folder, MetadataOnly: true, BaseURL: "https://channel.test"},
			func(string, int) { w.pass(time.Second) })
		if err != nil || report.Subdirs["noarch"].Added != n {
			b.Fatalf("got %+v, %v", report, err)
		}
		b.ReportMetric(n/time.Since(begun).Seconds(), "records/s")
	}
}
