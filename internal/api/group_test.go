package api_test

import (
	"net/http"
	"strings"
	"testing"

	"terrarium/internal/condatest"
)

// TestV1Groups: a group made, filled and changed through /api/v1 is seen by what
// its members may fetch, by the classic API and in the log.
func TestV1Groups(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		w.organization(alice, "acme")
		spec := condatest.Spec{Name: "hidden", Version: "1"}
		w.want(http.StatusCreated, w.upload(alice, "/api/v1/upload/acme?private=true", spec.FileName(), condatest.Make(w, spec)))
		sees := func(want int) {
			w.Helper()
			if got := len(w.listed(bob, "acme/main", "noarch")); got != want {
				w.Errorf("bob sees %d files, want %d", got, want)
			}
		}

		made := w.want(http.StatusCreated, w.send(alice, "POST", "/api/v1/groups", `{"organization":"acme","name":"geo"}`))
		if got, want := made.header.Get("Location"), w.url+"/api/v1/groups/acme/geo"; got != want {
			w.Errorf("Location %q, want %q", got, want)
		}
		if o := made.object(w); o["permission"] != "read" || o["all_packages"] != false || o["members"] != 0.0 {
			w.Errorf("made %s", made.body)
		}
		w.want(http.StatusConflict, w.send(alice, "POST", "/api/v1/groups", `{"organization":"acme","name":"geo"}`))
		w.want(http.StatusUnprocessableEntity, w.send(alice, "POST", "/api/v1/groups", `{"organization":"acme","name":"-"}`))
		w.want(http.StatusUnprocessableEntity, w.send(alice, "POST", "/api/v1/groups", `{"organization":"acme","name":"x","permission":"own"}`))
		w.want(http.StatusNotFound, w.send(alice, "POST", "/api/v1/groups", `{"organization":"none","name":"x"}`))

		sees(0)
		w.want(http.StatusNoContent, w.send(alice, "PUT", "/api/v1/groups/acme/geo/members/bob", ""))
		w.want(http.StatusNoContent, w.send(alice, "PUT", "/api/v1/groups/acme/geo/members/bob", ""))
		sees(0)
		w.want(http.StatusNoContent, w.send(alice, "PUT", "/api/v1/groups/acme/geo/packages/hidden", ""))
		sees(1)
		if a := w.want(http.StatusOK, w.send(alice, "GET", "/api/group/acme/geo", "")).object(w); a["members_count"] != 1.0 || a["repos_count"] != 1.0 {
			w.Errorf("the classic API shows %v", a)
		}
		for path, want := range map[string]string{"members": `"name":"bob"`, "packages": `"name":"hidden"`} {
			a := w.want(http.StatusOK, w.send(bob, "GET", "/api/v1/groups/acme/geo/"+path, ""))
			if !strings.Contains(string(a.body), want) {
				w.Errorf("%s: %s, want %s", a.request, a.body, want)
			}
		}
		w.want(http.StatusForbidden, w.upload(bob, "/api/v1/upload/acme?force=true", spec.FileName(), condatest.Make(w, spec)))
		a := w.want(http.StatusOK, w.send(alice, "PATCH", "/api/v1/groups/acme/geo", `{"permission":"write","name":"earth"}`))
		if o := a.object(w); o["name"] != "earth" || o["permission"] != "write" {
			w.Errorf("changed %s", a.body)
		}
		w.want(http.StatusCreated, w.upload(bob, "/api/v1/upload/acme?force=true", spec.FileName(), condatest.Make(w, spec)))
		w.want(http.StatusNotFound, w.send(alice, "GET", "/api/v1/groups/acme/geo", ""))
		w.want(http.StatusForbidden, w.send(bob, "PATCH", "/api/v1/groups/acme/earth", `{"all_packages":true}`))

		w.want(http.StatusNoContent, w.send(alice, "DELETE", "/api/v1/groups/acme/earth/packages/hidden", ""))
		w.want(http.StatusNotFound, w.send(alice, "DELETE", "/api/v1/groups/acme/earth/packages/hidden", ""))
		sees(0)
		w.want(http.StatusOK, w.send(alice, "PATCH", "/api/v1/groups/acme/earth", `{"all_packages":true}`))
		sees(1)
		w.want(http.StatusNoContent, w.send(alice, "DELETE", "/api/v1/groups/acme/earth/members/bob", ""))
		w.want(http.StatusNotFound, w.send(alice, "DELETE", "/api/v1/groups/acme/earth/members/bob", ""))
		sees(0)

		first := w.want(http.StatusOK, w.send(bob, "GET", "/api/v1/groups?organization=acme&limit=1", ""))
		if !strings.Contains(string(first.body), `"owners"`) || !strings.Contains(first.header.Get("Link"), "after=owners") {
			w.Errorf("the first page: %s %s", first.body, first.header.Get("Link"))
		}
		second := w.want(http.StatusOK, w.send(bob, "GET", "/api/v1/groups?organization=acme&limit=1&after=owners", ""))
		if !strings.Contains(string(second.body), `"earth"`) || second.header.Get("Link") != "" {
			w.Errorf("the second page: %s %s", second.body, second.header.Get("Link"))
		}
		w.want(http.StatusForbidden, w.send(alice, "DELETE", "/api/v1/groups/acme/owners", ""))
		w.want(http.StatusNoContent, w.send(alice, "DELETE", "/api/v1/groups/acme/earth", ""))
		log := string(w.want(http.StatusOK, w.send(alice, "GET", "/api/v1/audit?owner=acme&action=group.", "")).body)
		for _, action := range []string{"create", "add-member", "add-package", "update", "remove-package", "remove-member", "delete"} {
			if n := strings.Count(log, `"group.`+action+`"`); n == 0 {
				w.Errorf("the log has no group.%s", action)
			}
		}
	})
}
