package index_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"terrarium/internal/condatest"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// saving is a replica that saves however small a channel is, and its log.
func (w *world) saving() (*index.Index, *bytes.Buffer) {
	var log bytes.Buffer
	return index.New(w.db, w.reg, index.Options{
		URL: "http://127.0.0.1:8080", Now: func() time.Time { return w.now }, SaveFrom: 1,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}), &log
}

// forms gives all forms of a subdir.
func (w *world) forms(x *index.Index, open registry.Opened, subdir string) map[index.Form]string {
	w.Helper()
	out := map[index.Form]string{}
	for _, form := range []index.Form{
		index.RepodataJSON, index.RepodataZstd, index.ShardIndex, index.CurrentJSON, index.CurrentZstd, index.RunExportsJSON, index.RunExportsZstd,
	} {
		b, d := w.document(x, open, "", subdir, form)
		out[form] = d.ETag + string(b)
	}
	data, err := x.Channeldata(w.Context(), open, "")
	if err != nil {
		w.Fatal(err)
	}
	b, err := io.ReadAll(data.Open())
	if err != nil {
		w.Fatal(err)
	}
	out["channeldata"] = string(b)
	return out
}

// What starts from a saved state answers like what starts from the rows, before
// it has read the rows behind it, meanwhile and after, also where names changed
// since the state was saved.
func TestStartFromSavedState(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		rnd := rand.New(rand.NewPCG(3, 5))
		open := w.open(w.ana, "main")
		first, _ := w.saving()
		w.upload("main", condatest.Spec{Name: "first", Subdir: "linux-64"}, false)
		var files []registry.File
		for round := range 12 {
			for range 1 + rnd.IntN(8) {
				w.now = w.now.Add(time.Minute)
				if len(files) > 3 && rnd.IntN(4) == 0 {
					i := rnd.IntN(len(files))
					f := files[i]
					if _, err := w.reg.DeleteFile(ctx, w.ana, "ana", f.PackageName, f.Version, f.Basename); err != nil {
						t.Fatal(err)
					}
					files = append(files[:i], files[i+1:]...)
					continue
				}
				files = append(files, w.upload("main", condatest.Spec{
					Name: fmt.Sprintf("p%02d", rnd.IntN(20)), Version: "1.0", Build: fmt.Sprint(len(files), "_", round),
					Subdir: []string{"noarch", "linux-64"}[rnd.IntN(2)],
				}, rnd.IntN(9) == 0))
			}
			for _, subdir := range []string{"noarch", "linux-64"} {
				want := w.forms(w.replica(), open, subdir)
				second, log := w.saving() // starts with what an earlier round saved
				names := w.listedByShards(second, open, "", subdir)
				if got := w.listedByShards(w.replica(), open, "", subdir); strings.Join(got, " ") != strings.Join(names, " ") {
					t.Fatalf("round %d: shards of a saved state: %v, of the rows: %v", round, names, got)
				}
				var both errgroup.Group
				both.Go(func() error { return second.Fill(ctx) })
				for form, got := range w.forms(second, open, subdir) {
					if got != want[form] {
						t.Errorf("round %d: %s differs while the state is filled:\n%q\nwant\n%q", round, form, got, want[form])
					}
				}
				if err := both.Wait(); err != nil {
					t.Fatal(err)
				}
				third, _ := w.saving()
				if err := third.Warm(ctx); err != nil {
					t.Fatal(err)
				}
				if err := third.Fill(ctx); err != nil {
					t.Fatal(err)
				}
				for form, got := range w.forms(third, open, subdir) {
					if got != want[form] {
						t.Errorf("round %d: %s of a filled state:\n%q\nwant\n%q", round, form, got, want[form])
					}
				}
				if strings.Contains(log.String(), "level=") {
					t.Errorf("round %d: %s", round, log)
				}
			}
			if rnd.IntN(2) == 0 {
				if _, err := first.View(ctx, open, "noarch"); err != nil {
					t.Fatal(err)
				}
				if err := first.Save(ctx, true); err != nil {
					t.Fatal(err)
				}
			}
		}
		var saved int64
		if err := db.Row(ctx, "SELECT count(*) FROM index_states").Scan(&saved); err != nil || saved != 1 {
			t.Errorf("%d states are saved, %v", saved, err)
		}
	})
}

// A saved state that cannot be read, or that does not say what the records say,
// is replaced by them and told of in the log.
func TestSavedStateIsWrong(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		open := w.open(w.ana, "main")
		for i := range 12 {
			w.upload("main", condatest.Spec{Name: fmt.Sprintf("name%d", i)}, false)
		}
		want := w.forms(w.replica(), open, "noarch")
		first, _ := w.saving()
		if err := first.Warm(ctx); err != nil {
			t.Fatal(err)
		}
		if err := first.Save(ctx, true); err != nil {
			t.Fatal(err)
		}
		var data []byte
		if err := db.Row(ctx, "SELECT entries FROM index_states").Scan(&data); err != nil {
			t.Fatal("nothing was saved:", err)
		}
		put := func(entries []byte) {
			t.Helper()
			if _, err := db.Exec(ctx, "UPDATE index_states SET entries = $1", entries); err != nil {
				t.Fatal(err)
			}
		}
		same := func(x *index.Index, what string) {
			t.Helper()
			for form, got := range w.forms(x, open, "noarch") {
				if got != want[form] {
					t.Errorf("%s: %s differs from that of the rows", what, form)
				}
			}
		}
		for n := range data {
			put(data[:n])
			x, log := w.saving()
			if err := x.Warm(ctx); err != nil {
				t.Fatalf("%d bytes of %d: %v", n, len(data), err)
			}
			if !strings.Contains(log.String(), "cannot be read") {
				t.Fatalf("nothing is said of a state of %d bytes instead of %d", n, len(data))
			}
			if n%50 == 0 {
				same(x, fmt.Sprint(n, " bytes"))
			}
		}
		flipped := bytes.Clone(data)
		flipped[len(flipped)-1] ^= 1 // of a hash
		put(flipped)
		x, log := w.saving()
		if err := x.Warm(ctx); err != nil {
			t.Fatal(err)
		}
		if err := x.Fill(ctx); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "not what the records say") {
			t.Errorf("nothing is said of a wrong hash: %s", log)
		}
		same(x, "a wrong hash")
		if got := w.listedByShards(x, open, "", "noarch"); len(got) != 12 {
			t.Errorf("%d files are listed after a wrong hash", len(got))
		}
		if err := db.Row(ctx, "SELECT entries FROM index_states").Scan(&data); err == nil {
			t.Error("a wrong state stays saved")
		}
	})
}

// A saved state that proved to be wrong is served no longer, also where it cannot be taken
// away, as on a full disk, and also by who is frozen at it; it goes as soon as it can.
func TestSavedStateIsWrongAndStays(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		open := w.open(w.ana, "main")
		for i := range 12 {
			w.upload("main", condatest.Spec{Name: fmt.Sprintf("name%d", i)}, false)
		}
		frozen := open
		frozen.Channel.FrozenAt = new(int64(12))
		want, _ := w.document(w.replica(), open, "", "noarch", index.ShardIndex)
		first, _ := w.saving()
		if err := first.Warm(ctx); err != nil {
			t.Fatal(err)
		}
		if err := first.Save(ctx, true); err != nil {
			t.Fatal(err)
		}
		var data []byte
		if err := db.Row(ctx, "SELECT entries FROM index_states").Scan(&data); err != nil {
			t.Fatal("nothing was saved:", err)
		}
		data[len(data)-1] ^= 1 // of a hash
		for _, q := range []string{
			"CREATE TABLE pins (channel_id TEXT NOT NULL REFERENCES index_states (channel_id))", "INSERT INTO pins SELECT channel_id FROM index_states",
		} {
			if _, err := db.Exec(ctx, q); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.Exec(ctx, "UPDATE index_states SET entries = $1", data); err != nil {
			t.Fatal(err)
		}
		x, _ := w.saving()
		for _, o := range []registry.Opened{open, frozen} {
			if early, _ := w.document(x, o, "", "noarch", index.ShardIndex); bytes.Equal(early, want) {
				t.Fatal("the wrong hash is not served")
			}
		}
		if err := x.Fill(ctx); err == nil {
			t.Error("what is pinned was taken away")
		}
		check := func(when string) *index.Document {
			t.Helper()
			got, d := w.document(x, open, "", "noarch", index.ShardIndex)
			served, _ := w.document(x, frozen, "", "noarch", index.ShardIndex)
			if !bytes.Equal(got, want) || !bytes.Equal(served, want) {
				t.Errorf("%s: what the wrong state said is served on", when)
			}
			return d
		}
		before := check("known to be wrong")
		if err := x.Save(ctx, true); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(ctx, "DELETE FROM pins"); err != nil {
			t.Fatal(err)
		}
		if err := x.Fill(ctx); err != nil {
			t.Fatal(err)
		}
		if after := check("taken away"); after != before {
			t.Error("the state that was made from rows was thrown away with the saved one")
		}
		if err := x.Save(ctx, true); err != nil {
			t.Fatal(err)
		}
		if y, log := w.saving(); y.Warm(ctx) != nil || y.Fill(ctx) != nil || log.Len() > 0 {
			t.Errorf("what is saved after a wrong state: %s", log)
		}
	})
}

// A view of a predicate that was made of a wrong saved state goes with it, also where no
// generation comes that would bring it up.
func TestSavedStateIsWrongInViews(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		all := made{}
		all.grow(rand.New(rand.NewPCG(7, 8)), 300, w.now)
		open := all.into(w, "main", func(string, map[string]any) bool { return true })
		first, _ := w.saving()
		if err := first.Warm(ctx); err != nil {
			t.Fatal(err)
		}
		if err := first.Save(ctx, true); err != nil {
			t.Fatal(err)
		}
		var data []byte
		if err := db.Row(ctx, "SELECT entries FROM index_states").Scan(&data); err != nil {
			t.Fatal("nothing was saved:", err)
		}
		p, err := index.NewPredicate(index.Rules{DenyLicences: []string{"none"}}) // takes nothing out
		if err != nil {
			t.Fatal(err)
		}
		want, _ := w.form(w.replica(), open, p, index.ShardIndex)
		listed, err := repodata.DecodeShardIndex(want)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, listed.Hashes[0][:])
		if at < 0 {
			t.Fatal("the saved state lacks a hash")
		}
		data[at] ^= 1
		if _, err := db.Exec(ctx, "UPDATE index_states SET entries = $1", data); err != nil {
			t.Fatal(err)
		}
		second, log := w.saving()
		if early, _ := w.form(second, open, p, index.ShardIndex); bytes.Equal(early, want) {
			t.Fatal("the wrong hash is not in the view")
		}
		if err := second.Fill(ctx); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "not what the records say"); n != 1 {
			t.Errorf("the log tells of the wrong state %d times: %s", n, log)
		}
		if got, _ := w.form(second, open, p, index.ShardIndex); !bytes.Equal(got, want) {
			t.Error("the view lists what the wrong state said after the records were read")
		}
	})
}
