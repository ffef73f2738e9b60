package registry_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

const demo = "noarch/demo-1.0-0.conda"

func TestLabels(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{})
		w.must(w.alice, "alice", condatest.Spec{Version: "2.0"})
		w.must(w.alice, "alice", condatest.Spec{Name: "other"})

		n, err := w.AddLabel(w.ctx, w.alice, "alice", "Dev", registry.Selector{Package: ptr("demo"), Version: ptr("1.0")})
		if err != nil || n != 1 {
			t.Fatalf("got %d, %v", n, err)
		}
		w.wantListed("alice", "dev", -1, demo)
		n, err = w.AddLabel(w.ctx, w.alice, "alice", "dev", registry.Selector{})
		if err != nil || n != 2 {
			t.Fatalf("everything: got %d, %v", n, err)
		}
		before := w.count("SELECT generation FROM channels WHERE owner_id = 'id-alice' AND name = 'dev'")
		n, err = w.AddLabel(w.ctx, w.alice, "alice", "dev", registry.Selector{Package: ptr("demo"), Version: ptr("1.0"), Basename: ptr(demo)})
		if err != nil || n != 0 {
			t.Fatalf("again: got %d, %v", n, err)
		}
		if got := w.count("SELECT generation FROM channels WHERE owner_id = 'id-alice' AND name = 'dev'"); got != before {
			t.Errorf("a label that was there began generation %d after %d", got, before)
		}
		n, err = w.CopyLabel(w.ctx, w.alice, "alice", "dev", "prod")
		if err != nil || n != 3 {
			t.Fatalf("copy: got %d, %v", n, err)
		}
		n, err = w.RemoveLabel(w.ctx, w.alice, "alice", "dev", registry.Selector{})
		if err != nil || n != 3 {
			t.Fatalf("remove: got %d, %v", n, err)
		}
		w.wantListed("alice", "dev", -1)
		w.wantListed("alice", "dev", int64(before), demo, "noarch/demo-2.0-0.conda", "noarch/other-1.0-0.conda")
		w.wantListed("alice", "prod", -1, demo, "noarch/demo-2.0-0.conda", "noarch/other-1.0-0.conda")

		channels, err := w.Channels(w.ctx, w.nobody, "alice")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, c := range channels {
			got[c.Name] = c.Files
		}
		if d := cmp.Diff(map[string]int{"main": 3, "dev": 0, "prod": 3}, got); d != "" || channels[0].Name != "main" {
			t.Errorf("first %q, %s", channels[0].Name, d)
		}
		files, err := w.ChannelFiles(w.ctx, w.nobody, "alice", "prod")
		if err != nil || len(files) != 3 || !cmp.Equal(files[0].Labels, []string{"main", "prod"}) {
			t.Errorf("got %d files with %v, %v", len(files), files[0].Labels, err)
		}

		_, err = w.AddLabel(w.ctx, w.bob, "alice", "dev", registry.Selector{Package: ptr("demo")})
		wantKind(t, err, errs.Forbidden)
		_, err = w.AddLabel(w.ctx, w.nobody, "alice", "dev", registry.Selector{Package: ptr("demo")})
		wantKind(t, err, errs.Unauthenticated)
		_, err = w.AddLabel(w.ctx, w.alice, "alice", "x y", registry.Selector{})
		wantKind(t, err, errs.Invalid)
		_, err = w.AddLabel(w.ctx, w.alice, "alice", "dev", registry.Selector{Package: ptr("nothing")})
		wantKind(t, err, errs.NotFound)
		_, err = w.RemoveLabel(w.ctx, w.bob, "alice", "dev", registry.Selector{Package: ptr("demo")}) // no file of it has the label
		wantKind(t, err, errs.Forbidden)
		_, err = w.RemoveLabel(w.ctx, w.alice, "alice", "nothing", registry.Selector{})
		wantKind(t, err, errs.NotFound)
	})
}

func TestLock(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{}, into("prod"))
		wantKind(t, w.LockChannel(w.ctx, w.bob, "alice", "prod"), errs.Forbidden)
		if err := w.LockChannel(w.ctx, w.alice, "alice", "prod"); err != nil {
			t.Fatal(err)
		}
		_, _, err := w.upload(w.alice, "alice", condatest.Spec{Name: "more"}, into("prod"))
		wantKind(t, err, errs.Forbidden)
		_, err = w.RemoveLabel(w.ctx, w.alice, "alice", "prod", registry.Selector{})
		wantKind(t, err, errs.Forbidden)
		_, err = w.CopyLabel(w.ctx, w.alice, "alice", "prod", "prod")
		wantKind(t, err, errs.Forbidden)
		_, err = w.DeleteFile(w.ctx, w.alice, "alice", "demo", "1.0", demo)
		wantKind(t, err, errs.Forbidden)
		_, err = w.Withdraw(w.ctx, w.alice, "alice", "demo", "1.0", demo, "")
		wantKind(t, err, errs.Forbidden)
		w.wantListed("alice", "prod", -1, demo)
		if err := w.UnlockChannel(w.ctx, w.alice, "alice", "prod"); err != nil {
			t.Fatal(err)
		}
		w.must(w.alice, "alice", condatest.Spec{Name: "more"}, into("prod"))

		if _, err := w.CreateChannel(w.ctx, w.alice, "alice", registry.NewChannel{Name: "mirror", Kind: "mirror"}); err != nil {
			t.Fatal(err)
		}
		_, _, err = w.upload(w.alice, "alice", condatest.Spec{Name: "yet"}, into("mirror"))
		wantKind(t, err, errs.Forbidden)
	})
}

func TestReplaceRules(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{})
		replace := func(summary string) error {
			_, _, err := w.upload(w.alice, "alice", condatest.Spec{Summary: summary}, force)
			return err
		}
		set := func(rule string) error {
			_, err := w.UpdateChannel(w.ctx, w.alice, "alice", "main", registry.ChannelUpdate{ReplaceRule: &rule})
			return err
		}
		wantKind(t, set("sometimes"), errs.Invalid)
		if err := set("never"); err != nil {
			t.Fatal(err)
		}
		wantKind(t, replace("one"), errs.Exists)
		w.wantListed("alice", "main", -1, demo) // the refused replacement deleted nothing
		if err := set("within 72h"); err != nil {
			t.Fatal(err)
		}
		w.pass(71 * time.Hour)
		if err := replace("two"); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Hour)
		if err := replace("three"); errs.Reason(err) != "replace-too-late" {
			t.Errorf("got %v, want replace-too-late", err)
		}
		if err := set("always"); err != nil {
			t.Fatal(err)
		}
		if err := replace("four"); err != nil {
			t.Fatal(err)
		}
		// Deleting first, as anaconda upload --force does, is no way around.
		if err := set("never"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.DeleteFile(w.ctx, w.alice, "alice", "demo", "1.0", demo); err != nil {
			t.Fatal(err)
		}
		_, _, err := w.upload(w.alice, "alice", condatest.Spec{Summary: "five"})
		wantKind(t, err, errs.Exists)
		w.must(w.alice, "alice", condatest.Spec{Summary: "four"})
	})
}

func TestFreeze(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{})
		ch, err := w.FreezeChannel(w.ctx, w.alice, "alice", "main", "")
		if err != nil || ch.FrozenAt == nil || *ch.FrozenAt != 1 {
			t.Fatalf("got %v, %v", ch.FrozenAt, err)
		}
		w.must(w.alice, "alice", condatest.Spec{Name: "more"})
		opened, err := w.OpenChannel(w.ctx, w.nobody, "alice", "")
		if err != nil || opened.Channel.FrozenAt == nil {
			t.Fatalf("got %+v, %v", opened, err)
		}
		_, err = w.FreezeChannel(w.ctx, w.alice, "alice", "main", "9")
		wantKind(t, err, errs.Invalid)
		if ch, err = w.ThawChannel(w.ctx, w.alice, "alice", "main"); err != nil || ch.FrozenAt != nil {
			t.Fatalf("got %v, %v", ch.FrozenAt, err)
		}
		for _, spec := range []string{"2001-02-03", "9", "never"} { // before the first generation, after the last, none
			_, err = w.FreezeChannel(w.ctx, w.alice, "alice", "main", spec)
			wantKind(t, err, errs.Invalid)
		}
		if ch, err = w.FreezeChannel(w.ctx, w.alice, "alice", "main", "1"); err != nil || ch.FrozenAt == nil || *ch.FrozenAt != 1 {
			t.Fatalf("got %v, %v", ch.FrozenAt, err)
		}
	})
}

func TestOpenChannel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "open"})
		for name, visibility := range map[string]string{"secret": access.Private, "inside": access.Internal, "known": access.Authenticated} {
			if _, err := w.CreateChannel(w.ctx, w.alice, "acme", registry.NewChannel{Name: name, Visibility: visibility}); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			who     string
			actor   access.Actor
			channel string
			want    errs.Kind // Internal = may
		}{
			{"nobody", w.nobody, "", errs.Internal},
			{"nobody", w.nobody, "secret", errs.Unauthenticated},
			{"nobody", w.nobody, "absent", errs.Unauthenticated},
			{"nobody", w.nobody, "known", errs.Unauthenticated},
			{"a stranger", w.bob, "known", errs.Internal},
			{"a stranger", w.bob, "secret", errs.NotFound},
			{"a stranger", w.bob, "absent", errs.NotFound},
			{"a stranger", w.bob, "inside", errs.NotFound},
			{"a member", w.carol, "inside", errs.Internal},
			{"a member", w.carol, "secret", errs.Forbidden},
			{"a member", w.carol, "absent", errs.NotFound},
			{"the owner", w.alice, "secret", errs.Internal},
			{"the owner with a token for the API", tokenOf(w.alice, "api"), "secret", errs.Forbidden},
		} {
			for range 2 { // the second time from the cache
				_, err := w.OpenChannel(w.ctx, tt.actor, "acme", tt.channel)
				if (err == nil) != (tt.want == errs.Internal) || err != nil && errs.KindOf(err) != tt.want {
					t.Errorf("%s on %q: got %v, want %v", tt.who, tt.channel, err, tt.want)
				}
			}
		}
		_, private1 := w.OpenChannel(w.ctx, w.nobody, "acme", "secret")
		_, absent1 := w.OpenChannel(w.ctx, w.nobody, "acme", "absent")
		if errs.Message(private1) != errs.Message(absent1) || errs.Reason(private1) != "private-or-absent" {
			t.Errorf("private and absent differ: %q and %q (%s)", errs.Message(private1), errs.Message(absent1), errs.Reason(private1))
		}
		_, err := w.OpenChannel(w.ctx, w.nobody, "nowhere", "")
		wantKind(t, err, errs.NotFound)
	})
}

func TestHiddenPackages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "open"})
		opened, err := w.OpenChannel(w.ctx, w.nobody, "acme", "")
		if err != nil || !opened.Public || opened.ViewKey != "" {
			t.Fatalf("got %+v, %v", opened, err)
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "secret"}, private)
		opened, err = w.OpenChannel(w.ctx, w.nobody, "acme", "")
		if err != nil || opened.Public || opened.ViewKey == "" || !cmp.Equal(opened.Hidden, []string{"secret"}) {
			t.Fatalf("got %+v, %v", opened, err)
		}
		_, err = w.FileAt(w.ctx, opened, "noarch", "secret-1.0-0.conda")
		wantKind(t, err, errs.NotFound)
		_, err = w.FileAtGeneration(w.ctx, opened, 2, "noarch", "secret-1.0-0.conda")
		wantKind(t, err, errs.NotFound)
		mine, err := w.OpenChannel(w.ctx, w.alice, "acme", "")
		if err != nil || mine.Public || mine.ViewKey != "" {
			t.Fatalf("got %+v, %v", mine, err)
		}
		if _, err := w.FileAt(w.ctx, mine, "noarch", "SECRET-1.0-0.conda"); err != nil {
			t.Error(err)
		}
		if _, err := w.SetPrivate(w.ctx, w.alice, "acme", "secret", false); err != nil {
			t.Fatal(err)
		}
		if opened, err = w.OpenChannel(w.ctx, w.nobody, "acme", ""); err != nil || !opened.Public {
			t.Errorf("got %+v, %v", opened, err)
		}
	})
}

// A file that is only in a private channel is as private as that, though its
// package is public.
func TestFileInPrivateChannel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if _, err := w.CreateChannel(w.ctx, w.alice, "acme", registry.NewChannel{Name: "secret", Visibility: access.Private}); err != nil {
			t.Fatal(err)
		}
		w.must(w.alice, "acme", condatest.Spec{Name: "demo", Version: "1.0"})
		w.must(w.alice, "acme", condatest.Spec{Name: "demo", Version: "2.0"}, into("secret"))
		files, err := w.Files(w.ctx, w.nobody, "acme", "demo", "")
		if err != nil || len(files) != 1 || files[0].Version != "1.0" {
			t.Errorf("nobody sees %d files, %v", len(files), err)
		}
		_, err = w.File(w.ctx, w.nobody, "acme", "demo", "2.0", "noarch/demo-2.0-0.conda")
		wantKind(t, err, errs.NotFound)
		if files, err = w.Files(w.ctx, w.alice, "acme", "demo", ""); err != nil || len(files) != 2 {
			t.Errorf("the owner sees %d files, %v", len(files), err)
		}
	})
}
