package index_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/blob"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// world is a registry with an index in front of it and one owner, ana.
type world struct {
	testing.TB
	db    *sqldb.DB
	reg   *registry.Registry
	accts *account.Accounts
	idx   *index.Index
	ana   access.Actor
	now   time.Time
}

func newWorld(t testing.TB, db *sqldb.DB) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{TB: t, db: db, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	blobs, err := blob.Open(ctx, "file:"+t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	gen := access.NewGeneration(db)
	w.accts = account.New(db, account.Options{Now: now, Gen: gen, PasswordMemory: 64})
	w.reg = registry.New(db, blobs, registry.Options{Now: now, Gen: gen})
	w.idx = w.replica()
	w.reg.SetPublisher(w.idx)
	t.Cleanup(func() {
		_ = w.reg.Close(context.Background())
		_ = blobs.Close()
	})
	u, err := w.accts.CreateUser(ctx, access.System(), account.NewUser{Name: "ana", Email: "ana@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	w.ana = w.actor(u.ID)
	return w
}

// replica is another index over the same rows, with nothing in memory.
func (w *world) replica() *index.Index {
	return index.New(w.db, w.reg, index.Options{URL: "http://127.0.0.1:8080", Now: func() time.Time { return w.now }})
}

func (w *world) actor(id string) access.Actor {
	w.Helper()
	a, err := w.accts.ActorOf(w.Context(), id, "session", access.Request{Remote: "127.0.0.1"})
	if err != nil {
		w.Fatal(err)
	}
	return a
}

func (w *world) upload(channel string, s condatest.Spec, private bool) registry.File {
	w.Helper()
	b := condatest.Make(w, s)
	f, _, err := w.reg.Upload(w.Context(), w.ana, registry.UploadRequest{
		Owner: "ana", Channel: channel, FileName: s.FileName(), Body: bytes.NewReader(b), Size: int64(len(b)), Private: private,
	})
	if err != nil {
		w.Fatalf("uploading %s: %v", s.FileName(), err)
	}
	return f
}

func (w *world) open(actor access.Actor, channel string) registry.Opened {
	w.Helper()
	o, err := w.reg.OpenChannel(w.Context(), actor, "ana", channel)
	if err != nil {
		w.Fatal(err)
	}
	return o
}

func (w *world) document(x *index.Index, open registry.Opened, at, subdir string, form index.Form) ([]byte, *index.Document) {
	w.Helper()
	var v *index.View
	var err error
	if at == "" {
		v, err = x.View(w.Context(), open, subdir)
	} else {
		v, err = x.At(w.Context(), open, at, subdir)
	}
	if err != nil {
		w.Fatalf("%s of %s at %q: %v", form, subdir, at, err)
	}
	d, err := v.Document(w.Context(), form)
	if err != nil {
		w.Fatalf("%s of %s at %q: %v", form, subdir, at, err)
	}
	b, err := io.ReadAll(d.Open())
	if err != nil {
		w.Fatal(err)
	}
	if int64(len(b)) != d.Size {
		w.Fatalf("%s of %s has %d bytes, its Size says %d", form, subdir, len(b), d.Size)
	}
	return b, d
}

// listed gives the file names that a repodata.json lists, sorted.
func listed(t testing.TB, doc []byte) []string {
	t.Helper()
	var v struct {
		Packages map[string]any `json:"packages"`
		Conda    map[string]any `json:"packages.conda"`
	}
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatalf("repodata.json: %v\n%s", err, doc)
	}
	return slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]any{v.Packages, v.Conda} {
			for k := range m {
				if !yield(k) {
					return
				}
			}
		}
	})
}

// listedByShards gives the file names that the shard index leads to.
func (w *world) listedByShards(x *index.Index, open registry.Opened, at, subdir string) []string {
	w.Helper()
	b, _ := w.document(x, open, at, subdir, index.ShardIndex)
	si, err := repodata.DecodeShardIndex(b)
	if err != nil {
		w.Fatal(err)
	}
	var out []string
	for i, h := range si.Hashes {
		data, err := x.Shard(w.Context(), open, at, subdir, hex.EncodeToString(h[:]))
		if err != nil {
			w.Fatalf("the shard of %s that the index names: %v", si.Names[i], err)
		}
		s, err := repodata.DecodeShard(data)
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range s.Files {
			out = append(out, f.FileName)
		}
	}
	slices.Sort(out)
	return out
}

func unzstd(t testing.TB, b []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out, err := d.DecodeAll(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// agree checks that every form of a subdir lists exactly want.
func (w *world) agree(x *index.Index, open registry.Opened, at, subdir string, want []string) {
	w.Helper()
	plain, d1 := w.document(x, open, at, subdir, index.RepodataJSON)
	coded, d2 := w.document(x, open, at, subdir, index.RepodataZstd)
	if d1.ETag == d2.ETag {
		w.Errorf("repodata.json and .zst share the ETag %s", d1.ETag)
	}
	if !bytes.Equal(unzstd(w, coded), plain) {
		w.Errorf("%s: repodata.json.zst does not decode to repodata.json", subdir)
	}
	if diff := cmp.Diff(want, listed(w, plain)); diff != "" {
		w.Errorf("%s repodata.json at %q (-want +got):\n%s", subdir, at, diff)
	}
	if diff := cmp.Diff(want, w.listedByShards(x, open, at, subdir)); diff != "" {
		w.Errorf("%s shards at %q (-want +got):\n%s", subdir, at, diff)
	}
}

func TestUploadIsInEveryForm(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		open := w.open(w.ana, "main")
		w.agree(w.idx, open, "", "noarch", []string(nil))
		if _, err := w.idx.View(t.Context(), open, "linux-64"); !errs.Is(err, errs.NotFound) {
			t.Errorf("linux-64 before its first file: %v, want not found", err)
		}
		a := condatest.Spec{Name: "a", Version: "1.0", Format: conda.FormatTarBz2}
		b := condatest.Spec{Name: "b", Version: "2.0", Subdir: "linux-64", RunExports: &conda.RunExports{Weak: []string{"b >=2"}}}
		w.upload("main", a, false)
		w.agree(w.idx, open, "", "noarch", []string{a.FileName()})
		w.upload("main", b, false)
		w.agree(w.idx, open, "", "linux-64", []string{b.FileName()})
		w.agree(w.replica(), open, "", "linux-64", []string{b.FileName()})

		exports, _ := w.document(w.idx, open, "", "linux-64", index.RunExportsJSON)
		if !strings.Contains(string(exports), `"weak":["b >=2"]`) {
			t.Errorf("run_exports.json lacks b's: %s", exports)
		}
		current, _ := w.document(w.idx, open, "", "linux-64", index.CurrentJSON)
		if diff := cmp.Diff([]string{b.FileName()}, listed(t, current)); diff != "" {
			t.Errorf("current_repodata.json (-want +got):\n%s", diff)
		}
		cd, err := w.idx.Channeldata(t.Context(), open, "")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(cd.Open())
		if err != nil {
			t.Fatal(err)
		}
		data, err := repodata.DecodeChannelData(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(data.Packages)); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("channeldata.json has %v, want a and b", got)
		}
		feed, err := w.idx.Feed(t.Context(), open, "")
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(feed.Open()); !strings.Contains(string(body), "b 2.0 (linux-64)") {
			t.Errorf("the feed does not tell of b: %s", body)
		}
	})
}

// wholeData gives the bytes of channeldata.json.
func (w *world) wholeData(x *index.Index, open registry.Opened) []byte {
	w.Helper()
	d, err := x.Channeldata(w.Context(), open, "")
	if err != nil {
		w.Fatal(err)
	}
	b, err := io.ReadAll(d.Open())
	if err != nil {
		w.Fatal(err)
	}
	return b
}

// TestIncrementalEqualsScratch makes random changes and compares, after each,
// every form of the index that lived through all of them with the forms of one
// that has just read the rows: byte for byte, ETags included.
func TestIncrementalEqualsScratch(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		rnd := rand.New(rand.NewPCG(1, 2))
		open := w.open(w.ana, "main")
		live := map[string]registry.File{}
		byGeneration := map[int64][]string{0: nil}
		want := func() []string { return slices.Sorted(maps.Keys(live)) }
		for step := range 60 {
			w.now = w.now.Add(time.Minute)
			names := want()
			if len(names) > 0 && rnd.IntN(4) == 0 {
				f := live[names[rnd.IntN(len(names))]]
				if _, err := w.reg.DeleteFile(t.Context(), w.ana, "ana", f.PackageName, f.Version, f.Basename); err != nil {
					t.Fatal(err)
				}
				delete(live, f.Name)
			} else {
				s := condatest.Spec{
					Name: fmt.Sprintf("p%02d", rnd.IntN(20)), Version: fmt.Sprintf("1.%d", rnd.IntN(30)), Build: fmt.Sprint(step),
					Description: strings.Repeat("x", rnd.IntN(200)), Depends: slices.Repeat([]string{"python >=3.9"}, rnd.IntN(40)),
				}
				if rnd.IntN(3) == 0 {
					s.Format = conda.FormatTarBz2
				}
				if rnd.IntN(2) == 0 {
					s.RunExports = &conda.RunExports{Weak: []string{s.Name}}
				}
				f := w.upload("main", s, false)
				live[f.Name] = f
			}
			g, err := w.reg.Generation(t.Context(), open.Channel.ID)
			if err != nil {
				t.Fatal(err)
			}
			byGeneration[g] = want()
			w.agree(w.idx, open, "", "noarch", want())
			if step%5 != 0 {
				continue
			}
			scratch := w.replica()
			for _, form := range []index.Form{index.RepodataJSON, index.RepodataZstd, index.ShardIndex, index.RunExportsJSON, index.CurrentZstd} {
				b1, d1 := w.document(w.idx, open, "", "noarch", form)
				b2, d2 := w.document(scratch, open, "", "noarch", form)
				if !bytes.Equal(b1, b2) || d1.ETag != d2.ETag || !d1.Modified.Equal(d2.Modified) {
					t.Fatalf("step %d: %s differs between a lived-in index and a fresh one (ETags %s, %s)", step, form, d1.ETag, d2.ETag)
				}
			}
			if whole, again := w.wholeData(w.idx, open), w.wholeData(scratch, open); !bytes.Equal(whole, again) {
				t.Fatalf("step %d: channeldata.json differs between a lived-in index and a fresh one:\n%s\n%s", step, whole, again)
			}
		}
		for g, files := range byGeneration {
			w.agree(w.idx, open, fmt.Sprint(g), "noarch", files)
		}
	})
}

func TestHiddenPackages(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		shown := condatest.Spec{Name: "shown"}
		secret := condatest.Spec{Name: "secret"}
		w.upload("main", shown, false)
		w.upload("main", secret, true)
		stranger := access.Anonymous("127.0.0.1")
		theirs, ours := w.open(stranger, "main"), w.open(w.ana, "main")
		w.agree(w.idx, theirs, "", "noarch", []string{shown.FileName()})
		w.agree(w.idx, ours, "", "noarch", []string{secret.FileName(), shown.FileName()})
		for _, form := range []index.Form{index.RepodataJSON, index.RepodataZstd, index.ShardIndex, index.CurrentJSON, index.RunExportsJSON} {
			_, d1 := w.document(w.idx, theirs, "", "noarch", form)
			_, d2 := w.document(w.idx, ours, "", "noarch", form)
			if d1.ETag == d2.ETag {
				t.Errorf("%s has the same ETag with and without the private package", form)
			}
			b, _ := w.document(w.idx, theirs, "", "noarch", form)
			if form == index.RepodataZstd || form == index.ShardIndex {
				b = unzstd(t, b)
			}
			if bytes.Contains(b, []byte("secret")) {
				t.Errorf("%s tells a stranger of the private package", form)
			}
		}
		b, _ := w.document(w.idx, ours, "", "noarch", index.ShardIndex)
		si, err := repodata.DecodeShardIndex(b)
		if err != nil {
			t.Fatal(err)
		}
		hash := hex.EncodeToString(si.Hashes[slices.Index(si.Names, "secret")][:])
		if _, err := w.idx.Shard(t.Context(), ours, "", "noarch", hash); err != nil {
			t.Errorf("its owner cannot read the private shard: %v", err)
		}
		_, err = w.idx.Shard(t.Context(), theirs, "", "noarch", hash)
		_, unknown := w.idx.Shard(t.Context(), theirs, "", "noarch", strings.Repeat("0", 64))
		if !errs.Is(err, errs.NotFound) || errs.Message(err) != errs.Message(unknown) {
			t.Errorf("a stranger asking for the private shard by its hash: %v; for one that never was: %v", err, unknown)
		}
	})
}

// TestOldShards holds the hash of a shard over later changes and a restart.
func TestOldShards(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		open := w.open(w.ana, "main")
		w.upload("main", condatest.Spec{Name: "a", Version: "1.0"}, false)
		b, _ := w.document(w.idx, open, "", "noarch", index.ShardIndex)
		si, err := repodata.DecodeShardIndex(b)
		if err != nil {
			t.Fatal(err)
		}
		old := hex.EncodeToString(si.Hashes[0][:])
		first, err := w.idx.Shard(t.Context(), open, "", "noarch", old)
		if err != nil {
			t.Fatal(err)
		}
		w.upload("main", condatest.Spec{Name: "a", Version: "2.0"}, false)

		restarted := w.replica()
		again, err := restarted.Shard(t.Context(), open, "", "noarch", old)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("after a restart the shard of an older index: %v", err)
		}
		w.now = w.now.Add(6 * 24 * time.Hour)
		w.upload("main", condatest.Spec{Name: "b"}, false)
		if _, err := restarted.Shard(t.Context(), open, "", "noarch", old); err != nil {
			t.Errorf("after 6 days where it is remembered: %v", err)
		}
		if _, err := w.replica().Shard(t.Context(), open, "", "noarch", old); err != nil {
			t.Errorf("after 6 days: %v", err)
		}
		w.now = w.now.Add(2 * 24 * time.Hour)
		w.upload("main", condatest.Spec{Name: "b", Version: "2.0"}, false)
		w.document(restarted, open, "", "noarch", index.ShardIndex)
		for _, x := range []*index.Index{restarted, w.idx, w.replica()} {
			if _, err := x.Shard(t.Context(), open, "", "noarch", old); !errs.Is(err, errs.NotFound) {
				t.Errorf("after 8 days: %v, want not found", err)
			}
		}
	})
}

func TestAtRefusals(t *testing.T) {
	w := newWorld(t, sqldbtest.Open(t))
	w.upload("main", condatest.Spec{}, false)
	open := w.open(w.ana, "main")
	for _, spec := range []string{"99", "99999999999999999999999", "yesterday", "2026-13-01", "-1"} {
		if _, err := w.idx.At(t.Context(), open, spec, "noarch"); !errs.Is(err, errs.NotFound) {
			t.Errorf("at %s: %v, want not found", spec, err)
		}
	}
	w.agree(w.idx, open, "2026-11-20", "noarch", nil)
	w.agree(w.idx, open, "2026-11-21", "noarch", []string{condatest.Spec{}.FileName()})
	w.agree(w.idx, open, "2026-11-21T12:00:00Z", "noarch", []string{condatest.Spec{}.FileName()})
}
