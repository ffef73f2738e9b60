package index_test

import (
	"testing"

	"terrarium/internal/condatest"
	"terrarium/internal/index"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// Where two texts of the feed differ, so do their tags; where they do not, replicas
// have the same.
func TestFeedTag(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		w.upload("main", condatest.Spec{Name: "a"}, false)
		open := w.open(w.ana, "main")
		feed := func(x *index.Index) (string, string) {
			t.Helper()
			d, err := x.Feed(t.Context(), open, "")
			if err != nil {
				t.Fatal(err)
			}
			return text(t, d), d.ETag
		}
		was, tag := feed(w.idx)
		if is, now := feed(w.replica()); is != was || now != tag {
			t.Errorf("another replica gives %s under the tag %s, and this one %s under %s", is, now, was, tag)
		}
		p, err := w.reg.Package(t.Context(), w.ana, "ana", "a")
		if err != nil {
			t.Fatal(err)
		}
		wanted := p.Settings()
		wanted.Summary = "another summary"
		if _, err := w.reg.ChangeSettings(t.Context(), w.ana, "ana", "a", p.Settings(), wanted); err != nil {
			t.Fatal(err)
		}
		is, now := feed(w.replica())
		if is == was {
			t.Fatal("the feed does not have the summary")
		}
		if now == tag {
			t.Errorf("another replica gives another feed under the tag %s", tag)
		}
		if is, now := feed(w.idx); (is == was) != (now == tag) {
			t.Errorf("this process gives %s under the tag %s, and %s under %s before", is, now, was, tag)
		}
	})
}
