package registry_test

import (
	"testing"
	"testing/fstest"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// secretly is a source of n made-up records of which some packages are private.
func secretly(n int, private ...string) registry.ImportSource {
	secret := map[string]bool{}
	for _, name := range private {
		secret[name] = true
	}
	return registry.ImportSource{
		Files:        fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(n)}},
		MetadataOnly: true, BaseURL: "https://channel.test", Name: "many", Private: func(name string) bool { return secret[name] },
	}
}

// TestImportClosedSource: a source that not everybody may read comes into private
// channels alone.
func TestImportClosedSource(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		src := secretly(10)
		src.Anybody = fstest.MapFS{}
		if _, err := w.Import(w.ctx, w.alice, "acme", "made", src, nil); err != nil {
			t.Fatal(err)
		}
		ch, err := w.Channel(w.ctx, w.alice, "acme", "made")
		if err != nil || ch.Visibility != access.Private {
			t.Errorf("it is %s, %v", ch.Visibility, err)
		}
		for _, visibility := range []string{access.Public, access.Authenticated, access.Internal} {
			if _, err := w.CreateChannel(w.ctx, w.alice, "acme", registry.NewChannel{Name: visibility, Visibility: visibility}); err != nil {
				t.Fatal(err)
			}
			_, err := w.Import(w.ctx, w.alice, "acme", visibility, src, nil)
			wantKind(t, err, errs.Invalid)
		}
		_, err = w.Import(w.ctx, w.alice, "acme", "opened", src, func(string, int) {
			public := access.Public
			if _, err := w.UpdateChannel(w.ctx, w.alice, "acme", "opened", registry.ChannelUpdate{Visibility: &public}); err != nil {
				t.Error(err)
			}
		})
		wantKind(t, err, errs.Invalid)
		for _, channel := range []string{"public", "authenticated", "internal", "opened"} {
			w.wantListed("acme", channel, -1)
		}
		src.Anybody = src.Files
		if _, err := w.Import(w.ctx, w.alice, "acme", "public", src, nil); err != nil {
			t.Error(err)
		}
	})
}
