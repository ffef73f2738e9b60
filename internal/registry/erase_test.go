package registry_test

import (
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// TestEraseTakesSnapshots: what others have made of a channel goes with it, whoever
// has it, and nothing else of theirs.
func TestEraseTakesSnapshots(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "demo"})
		w.must(w.bob, "bob", condatest.Spec{Name: "kept"})
		for _, owner := range []struct {
			actor access.Actor
			name  string
		}{{w.bob, "bob"}, {w.alice, "alice"}} {
			if _, err := w.CreateSnapshot(w.ctx, owner.actor, owner.name, registry.NewSnapshot{Name: "copy", Owner: "alice"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.CreateSnapshot(w.ctx, w.bob, "bob", registry.NewSnapshot{Name: "own", Owner: "bob"}); err != nil {
			t.Fatal(err)
		}
		w.exec("UPDATE owners SET deleted_at = $1 WHERE name = 'alice'", w.now())
		_, err := w.Channel(w.ctx, w.bob, "bob", "copy")
		wantKind(t, err, errs.NotFound)
		wantKind(t, w.LockChannel(w.ctx, w.bob, "bob", "copy"), errs.NotFound)

		w.exec("UPDATE owners SET erase_begun_at = $1 WHERE name = 'alice'", w.now())
		for range 2 { // it may be cut off and begun again
			if _, err := w.Erase(w.ctx, "id-alice"); err != nil {
				t.Fatal(err)
			}
		}
		list, err := w.Channels(w.ctx, w.bob, "bob")
		if err != nil || len(list) != 2 || list[0].Name != "main" || list[1].Name != "own" {
			t.Errorf("bob has %v, %v", list, err)
		}
		if n := w.count("SELECT count(*) FROM channels WHERE owner_id = 'id-alice'"); n != 0 {
			t.Errorf("%d channels of what was erased", n)
		}
		if n := w.count("SELECT count(*) FROM audit WHERE action = 'channel.erase' AND owner_id = 'id-bob' AND object_name = 'bob/copy'"); n != 1 {
			t.Errorf("%d rows in bob's log", n)
		}
	})
}
