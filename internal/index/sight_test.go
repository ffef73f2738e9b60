package index_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// channeldata gives the text of channeldata.json.
func (w *world) channeldata(open registry.Opened, at string) string {
	w.Helper()
	d, err := w.idx.Channeldata(w.Context(), open, at)
	if err != nil {
		w.Fatal(err)
	}
	b, err := io.ReadAll(d.Open())
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}

// shardHash gives the hash under which the index names the shard of a package.
func (w *world) shardHash(open registry.Opened, subdir, name string) string {
	w.Helper()
	b, _ := w.document(w.idx, open, "", subdir, index.ShardIndex)
	si, err := repodata.DecodeShardIndex(b)
	if err != nil {
		w.Fatal(err)
	}
	i := slices.Index(si.Names, name)
	if i < 0 {
		w.Fatalf("the shard index has no %s", name)
	}
	return hex.EncodeToString(si.Hashes[i][:])
}

func TestPastOfDeletedPrivatePackage(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		stranger := access.Anonymous("127.0.0.1")
		shown, secret := condatest.Spec{Name: "shown"}, condatest.Spec{Name: "secret"}
		w.upload("main", shown, false)
		w.upload("main", secret, true) // generation 2
		hash := w.shardHash(w.open(w.ana, "main"), "noarch", "secret")
		check := func(when string) {
			t.Helper()
			theirs, ours := w.open(stranger, "main"), w.open(w.ana, "main")
			for _, x := range []*index.Index{w.idx, w.replica()} {
				w.agree(x, theirs, "2", "noarch", []string{shown.FileName()})
				w.agree(x, ours, "2", "noarch", []string{secret.FileName(), shown.FileName()})
				frozen := theirs
				frozen.Channel.FrozenAt = new(int64(2))
				w.agree(x, frozen, "", "noarch", []string{shown.FileName()})
				for _, open := range []registry.Opened{theirs, frozen} {
					if _, err := x.Shard(t.Context(), open, "", "noarch", hash); !errs.Is(err, errs.NotFound) {
						t.Errorf("%s: a stranger asks for the old shard: %v, want not found", when, err)
					}
				}
				if _, err := x.Shard(t.Context(), theirs, "2", "noarch", hash); !errs.Is(err, errs.NotFound) {
					t.Errorf("%s: a stranger asks for the shard of then: %v, want not found", when, err)
				}
				if _, err := x.Shard(t.Context(), ours, "", "noarch", hash); err != nil {
					t.Errorf("%s: its owner asks for the old shard: %v", when, err)
				}
			}
			if strings.Contains(w.channeldata(theirs, "2"), "secret") || !strings.Contains(w.channeldata(ours, "2"), "secret") {
				t.Errorf("%s: channeldata.json of then shows the private package to the wrong people", when)
			}
			_, d1 := w.document(w.idx, theirs, "2", "noarch", index.RepodataJSON)
			_, d2 := w.document(w.idx, ours, "2", "noarch", index.RepodataJSON)
			if d1.ETag == d2.ETag {
				t.Errorf("%s: repodata.json of then has the same ETag with and without the private package", when)
			}
		}
		check("while it lives")
		if err := w.reg.DeletePackage(t.Context(), w.ana, "ana", "secret"); err != nil {
			t.Fatal(err)
		}
		check("deleted")
		again := condatest.Spec{Name: "secret", Version: "2.0"}
		w.upload("main", again, false) // generation 4
		check("made again")
		theirs := w.open(stranger, "main")
		w.agree(w.idx, theirs, "", "noarch", []string{again.FileName(), shown.FileName()})
		w.agree(w.idx, theirs, "4", "noarch", []string{again.FileName(), shown.FileName()})
	})
}

// TestHiddenSubdirs makes subdirs that hold private files alone, public ones and
// none any more.
func TestHiddenSubdirs(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		start := w.now
		stranger := access.Anonymous("127.0.0.1")
		w.upload("main", condatest.Spec{Name: "shown"}, false)
		w.now = w.now.Add(time.Hour)
		w.upload("main", condatest.Spec{Name: "secret", Subdir: "osx-64"}, true)
		gone := w.upload("main", condatest.Spec{Name: "short", Subdir: "linux-64"}, false)
		if _, err := w.reg.DeleteFile(t.Context(), w.ana, "ana", "short", gone.Version, gone.Basename); err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			theirs := w.open(stranger, "main")
			if _, err := w.idx.View(t.Context(), theirs, "osx-64"); !errs.Is(err, errs.NotFound) {
				t.Errorf("%s: a subdir of private files alone: %v, want not found", when, err)
			}
			if got, err := w.idx.Subdirs(t.Context(), theirs); err != nil || !slices.Equal(got, []string{"linux-64", "noarch"}) {
				t.Errorf("%s: a stranger has the subdirs %v, %v", when, got, err)
			}
			if strings.Contains(w.channeldata(theirs, ""), "osx-64") {
				t.Errorf("%s: channeldata.json tells a stranger of osx-64", when)
			}
			w.agree(w.idx, theirs, "", "linux-64", nil)
			if got, err := w.idx.Subdirs(t.Context(), w.open(w.ana, "main")); err != nil || !slices.Equal(got, []string{"linux-64", "noarch", "osx-64"}) {
				t.Errorf("%s: the owner has the subdirs %v, %v", when, got, err)
			}
			_, err := w.idx.At(t.Context(), theirs, "99", "noarch")
			if !errs.Is(err, errs.NotFound) || strings.Contains(errs.Message(err), "last one") {
				t.Errorf("%s: a generation to come: %v", when, err)
			}
		}
		check("live")
		feed, err := w.idx.Feed(t.Context(), w.open(stranger, "main"), "")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(feed.Open())
		if err != nil {
			t.Fatal(err)
		}
		if want := "<lastBuildDate>" + start.Format(time.RFC1123Z) + "</lastBuildDate>"; !bytes.Contains(b, []byte(want)) || !feed.Modified.Equal(start) {
			t.Errorf("the feed lacks %s: %s", want, b)
		}
		if err := w.reg.DeletePackage(t.Context(), w.ana, "ana", "secret"); err != nil {
			t.Fatal(err)
		}
		check("deleted")
		w.upload("main", condatest.Spec{Name: "hidden", Subdir: "linux-64"}, true) // beside what was public
		check("beside")
	})
}

// TestOpenedBeforeASecret: whoever opened the channel before a private package came is
// not shown it by what is read afterwards.
func TestOpenedBeforeASecret(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		stranger := access.Anonymous("127.0.0.1")
		shown, secret := condatest.Spec{Name: "shown"}, condatest.Spec{Name: "secret"}
		w.upload("main", shown, false)
		opened := w.open(stranger, "main")
		read, err := w.reg.ReadChannel(t.Context(), stranger, "ana", "main")
		if err != nil {
			t.Fatal(err)
		}
		mine := w.open(w.ana, "main")  // public so far: caches may keep the answer for others
		w.upload("main", secret, true) // generation 2
		hash := w.shardHash(w.open(w.ana, "main"), "noarch", "secret")
		everything, err := index.NewPredicate(index.Rules{DenyLicences: []string{"none that is here"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []*index.Index{w.idx, w.replica()} {
			for _, open := range []registry.Opened{opened, read, mine} {
				w.agree(x, open, "", "noarch", []string{shown.FileName()})
				w.agree(x, open, "2", "noarch", []string{shown.FileName()})
				if _, err := x.Shard(t.Context(), open, "", "noarch", hash); !errs.Is(err, errs.NotFound) {
					t.Errorf("a stranger asks for the shard: %v, want not found", err)
				}
				v, err := x.Filtered(t.Context(), open, everything, "noarch")
				if err != nil || v.Names() != 1 {
					t.Errorf("a filtered view: %v", err)
				}
			}
		}
		if strings.Contains(w.channeldata(opened, ""), "secret") {
			t.Error("channeldata.json shows the private package")
		}
	})
}
