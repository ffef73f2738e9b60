package doors_test

import (
	"encoding/json/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"terrarium/internal/apptest"
)

// operatorMakes: operators make what belongs to organisations.
var operatorMakes = map[string]int{"operator": http.StatusCreated}

func inV1Group(rest, body string, want int) maker {
	return func(w *world, _ *apptest.Person) sample {
		group, user, pkg := w.group()
		rest := strings.NewReplacer("USER", user, "PACKAGE", pkg).Replace(rest)
		return sample{path: "/api/v1/groups/acme/" + group + rest, body: body, want: want, allow: map[string]int{"operator": want}}
	}
}

// importing asks for an import that will be refused when its turn comes, since
// the channel is locked: rows that it wrote then would count as those of whatever
// is tried at that moment.
func importing(w *world, _ *apptest.Person) sample {
	name := w.name("locked")
	for _, r := range [][3]string{
		{"POST", "/api/v1/channels", `{"owner":"acme","name":"` + name + `"}`},
		{"PATCH", "/api/v1/channels/acme/" + name, `{"locked":true}`},
	} {
		w.Do(w, r[0], r[1], apptest.Request{Token: w.olga.Token, Body: []byte(r[2])})
	}
	folder := w.TempDir()
	w.must(os.Mkdir(filepath.Join(folder, "noarch"), 0o700))
	w.must(os.WriteFile(filepath.Join(folder, "noarch", "repodata.json"), []byte(`{"packages.conda":{}}`), 0o600))
	return sample{path: "/api/v1/channels/acme/" + name + "/import", body: `{"source":"` + folder + `"}`, want: http.StatusAccepted}
}

func anImport(w *world, _ *apptest.Person) sample {
	s := importing(w, nil)
	var i struct{ ID string }
	b := w.Want(w, http.StatusAccepted, "POST", s.path, apptest.Request{Token: w.root.Token, Body: []byte(s.body)}).Body
	w.must(json.Unmarshal(b, &i, json.MatchCaseInsensitiveNames(true)))
	return sample{path: "/api/v1/imports/" + i.ID, want: http.StatusOK}
}

// gc has something to sweep that the nightly sweep leaves, since it is young:
// bytes that no row names.
func gc(w *world, _ *apptest.Person) sample {
	b, err := w.Blobs.Create(w.Context())
	w.must(err)
	_, err = b.Write([]byte(w.name("orphan")))
	w.must(err)
	_, err = b.Commit(w.Context())
	w.must(err)
	return sample{path: "/api/v1/gc", body: `{"grace":"1ns"}`, want: http.StatusOK}
}
