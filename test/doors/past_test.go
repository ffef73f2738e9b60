package doors_test

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
)

// text gives a body as text, out of zstd where it is in it.
func text(t testing.TB, a *apptest.Answer) string {
	t.Helper()
	if !bytes.HasPrefix(a.Body, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return string(a.Body)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := d.DecodeAll(a.Body, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shardOf gives the path of the shard of a package.
func (w *world) shardOf(p *apptest.Person, name string) string {
	w.Helper()
	a := w.Want(w, http.StatusOK, "GET", "/conda/acme/main/noarch/repodata_shards.msgpack.zst", apptest.Request{Token: p.Token})
	si, err := repodata.DecodeShardIndex(a.Body)
	w.must(err)
	for i, n := range si.Names {
		if n == name {
			return "noarch/shards/" + hex.EncodeToString(si.Hashes[i][:]) + ".msgpack.zst"
		}
	}
	w.Fatalf("the shard index has no %s", name)
	return ""
}

// TestDeletedPrivatePackage asks every document of the past for a private
// package that was deleted, and again when its name is that of a public one.
func TestDeletedPrivatePackage(t *testing.T) {
	w := newWorld(t)
	const file = "gonepriv-1.0-0.conda"
	w.olga.Upload(t, "acme", condatest.Spec{Name: "gonepriv"}, "private=true") // generation 3 of main
	shard := w.shardOf(w.olga, "gonepriv")
	if shown := w.Want(t, http.StatusOK, "GET", "/conda/acme/main/at/3/noarch/repodata.json", apptest.Request{Token: w.olga.Token}); !strings.Contains(string(shown.Body), file) {
		t.Fatalf("generation 3 lacks the package: %s", shown)
	}
	check := func(when string) {
		t.Helper()
		for _, who := range []caller{{name: "anonymous"}, {name: "stranger", token: w.sara.Token}, {name: "member", token: w.mike.Token}} {
			as := apptest.Request{Token: who.token}
			for _, document := range []string{
				"noarch/repodata.json", "noarch/repodata.json.zst", "noarch/repodata_shards.msgpack.zst",
				"noarch/current_repodata.json", "noarch/run_exports.json", "channeldata.json",
			} {
				got := w.Want(t, http.StatusOK, "GET", "/conda/acme/main/at/3/"+document, as)
				if strings.Contains(text(t, got), "gonepriv") {
					t.Errorf("%s: at/3/%s tells %s of the private package", when, document, who.name)
				}
				if control := got.Header.Get("Cache-Control"); strings.Contains(control, "public") {
					t.Errorf("%s: at/3/%s may be shared: %s", when, document, control)
				}
			}
			for _, path := range []string{"at/3/noarch/" + file, "at/3/" + shard, shard} {
				w.absent(when, who.name, "/conda/acme/main/"+path, as)
			}
		}
		for _, path := range []string{"at/3/noarch/" + file, "at/3/" + shard, shard} {
			w.Want(t, http.StatusOK, "GET", "/conda/acme/main/"+path, apptest.Request{Token: w.adam.Token})
		}
	}
	check("while it lives")
	w.Want(t, http.StatusCreated, "DELETE", "/api/package/acme/gonepriv", apptest.Request{Token: w.olga.Token})
	check("deleted")
	w.absent("deleted", "anonymous", "/conda/acme/main/noarch/"+file, apptest.Request{})
	w.Want(t, http.StatusGone, "GET", "/conda/acme/main/noarch/"+file, apptest.Request{Token: w.adam.Token})

	w.Want(t, http.StatusCreated, "DELETE", "/api/package/acme/shut", apptest.Request{Token: w.olga.Token})
	check("with no private package left")

	w.olga.Upload(t, "acme", condatest.Spec{Name: "gonepriv", Version: "2.0"}, "")
	check("made again in public")
	w.Want(t, http.StatusOK, "GET", "/conda/acme/main/noarch/gonepriv-2.0-0.conda", apptest.Request{})
	if now := w.Want(t, http.StatusOK, "GET", "/conda/acme/main/noarch/repodata.json", apptest.Request{}); !strings.Contains(string(now.Body), "gonepriv-2.0-0.conda") {
		t.Errorf("the public package of the same name is hidden: %s", now)
	}
}

// absent checks that a file or shard is answered as one that never was.
func (w *world) absent(when, who, path string, as apptest.Request) {
	w.Helper()
	got := w.Want(w, http.StatusNotFound, "GET", path, as)
	if strings.Contains(string(got.Body), "deleted") {
		w.Errorf("%s: %s is told of a deleted file: %s", when, who, got)
	}
}

// TestPrivateSubdir looks for a subdir in which acme has private files alone.
func TestPrivateSubdir(t *testing.T) {
	w := newWorld(t)
	w.olga.Upload(t, "acme", condatest.Spec{Name: "inner", Subdir: "osx-64"}, "private=true")
	for _, document := range []string{"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "current_repodata.json", "run_exports.json"} {
		w.Want(t, http.StatusNotFound, "GET", "/conda/acme/main/osx-64/"+document, apptest.Request{})
		w.Want(t, http.StatusOK, "GET", "/conda/acme/main/osx-64/"+document, apptest.Request{Token: w.olga.Token})
	}
	for token, want := range map[string]bool{"": false, w.olga.Token: true} {
		got := w.Want(t, http.StatusOK, "GET", "/conda/acme/main/channeldata.json", apptest.Request{Token: token})
		if strings.Contains(string(got.Body), "osx-64") != want {
			t.Errorf("channeldata.json, osx-64 wanted %t: %s", want, got)
		}
	}
	late := w.Want(t, http.StatusNotFound, "GET", "/conda/acme/main/at/99/noarch/repodata.json", apptest.Request{})
	if strings.Contains(string(late.Body), "last one") {
		t.Errorf("a stranger is told the last generation: %s", late)
	}
}

// TestRestorePrivateFile restores a private file after its name went public.
func TestRestorePrivateFile(t *testing.T) {
	w := newWorld(t)
	olga := w.olga.Actor(t)
	w.Want(t, http.StatusCreated, "DELETE", "/api/package/acme/shut", apptest.Request{Token: w.olga.Token})
	w.olga.Upload(t, "acme", condatest.Spec{Name: "shut", Version: "2.0"}, "")
	trash, err := w.Registry.Trash(t.Context(), olga, "acme")
	w.must(err)
	if len(trash) != 1 || trash[0].Name != shutFile {
		t.Fatalf("the trash holds %v", trash)
	}
	got := w.Do(t, "POST", "/api/v1/trash/acme/"+trash[0].ID+"/restore", apptest.Request{Token: w.olga.Token})
	if got.Status != http.StatusConflict {
		t.Errorf("%s; want 409", got)
	}
	w.absent("after the restore", "anonymous", "/conda/acme/main/noarch/"+shutFile, apptest.Request{})
}
