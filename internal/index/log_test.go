package index_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"terrarium/internal/condatest"
	"terrarium/internal/index"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// A log in which one subdir came to rest long ago is read in one pass by whoever
// starts or asks for the past: row after row it takes minutes.
func TestLogOfManyGenerations(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		w.upload("main", condatest.Spec{Name: "a", Subdir: "win-32"}, false)
		open := w.open(w.ana, "main")
		const half = 40_000
		err := db.Tx(t.Context(), func(tx *sqldb.DB) error {
			for _, part := range []struct {
				subdir string
				from   int
			}{{"win-32", 2}, {"linux-64", 2 + half}} {
				numbers := make([]string, half)
				for i := range numbers {
					numbers[i] = fmt.Sprint(part.from + i)
				}
				_, err := tx.Exec(t.Context(), `INSERT INTO generations (channel_id, number, subdir, at, cause, added, removed)
					SELECT $1, CAST(value AS BIGINT), $2, $3, 'upload', 0, 0 FROM `+tx.EachText("$4")+` AS numbers`, open.Channel.ID, part.subdir, w.now, numbers)
				if err != nil {
					return err
				}
			}
			_, err := tx.Exec(t.Context(), "UPDATE channels SET generation = $2 WHERE id = $1", open.Channel.ID, 1+2*half)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // half a second in one pass, else a minute and more
		defer cancel()
		x := w.replica()
		if err := x.Warm(ctx); err != nil {
			t.Fatal(err)
		}
		for subdir, want := range map[string]int64{"win-32": 1 + half, "linux-64": 1 + 2*half} {
			v, err := x.View(t.Context(), open, subdir)
			if err != nil {
				t.Fatal(err)
			}
			if v.Generation() != want {
				t.Errorf("%s is of the generation %d, want %d", subdir, v.Generation(), want)
			}
		}
		if b, _ := w.document(x, open, fmt.Sprint(half), "win-32", index.RepodataJSON); len(listed(t, b)) != 1 {
			t.Errorf("of the past %v is listed", listed(t, b))
		}
	})
}
