package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"terrarium/internal/condatest"
)

// TestHistory drives the history of a channel, a roll-back, a snapshot and
// freezing through /api/v1.
func TestHistory(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		put := func(channel string, s condatest.Spec) answer {
			return w.upload(alice, "/api/v1/upload/alice/"+channel, s.FileName(), condatest.Make(w, s))
		}
		w.want(http.StatusCreated, put("dev", condatest.Spec{Name: "a"}))
		w.want(http.StatusCreated, put("dev", condatest.Spec{Name: "b"}))
		w.want(http.StatusCreated, put("dev", condatest.Spec{Name: "a", Version: "2.0"}))

		var numbers []float64
		path := "/api/v1/generations/alice/dev?limit=2"
		for path != "" {
			o := w.want(http.StatusOK, w.send(bob, "GET", path, "")).object(w)
			for _, g := range o["items"].([]any) {
				numbers = append(numbers, g.(map[string]any)["generation"].(float64))
			}
			if path = ""; o["next"] != nil {
				path = "/api/v1/generations/alice/dev?limit=2&after=" + o["next"].(string)
			}
		}
		if !slices.Equal(numbers, []float64{3, 2, 1}) {
			w.Errorf("generations %v", numbers)
		}
		changes := func(query string) (list []string) {
			w.Helper()
			path := "/api/v1/changes/alice/dev?limit=1&" + query
			for next := ""; ; {
				o := w.want(http.StatusOK, w.send(bob, "GET", path+next, "")).object(w)
				for _, c := range o["items"].([]any) {
					list = append(list, fmt.Sprint(c.(map[string]any)["change"], " ", c.(map[string]any)["name"]))
				}
				if o["next"] == nil {
					return list
				}
				next = "&after=" + o["next"].(string)
			}
		}
		if got := changes("generation=2"); !slices.Equal(got, []string{"added b-1.0-0.conda"}) {
			w.Errorf("generation 2 changed %v", got)
		}
		if got := changes("from=1"); !slices.Equal(got, []string{"added a-2.0-0.conda", "added b-1.0-0.conda"}) {
			w.Errorf("since generation 1 changed %v", got)
		}
		for query, field := range map[string]string{"": "generation", "from=9": "from", "from=1&to=soon": "to", "from=3&to=1": "from", "generation=1&from=1": "generation", "from=0&after=x": "after"} {
			if o := w.want(http.StatusUnprocessableEntity, w.send(bob, "GET", "/api/v1/changes/alice/dev?"+query, "")).object(w); o["field"] != field {
				w.Errorf("%q: %v, want a fault of %s", query, o, field)
			}
		}
		w.want(http.StatusNotFound, w.send(bob, "GET", "/api/v1/changes/alice/dev?generation=7", ""))

		snap := w.want(http.StatusCreated, w.send(alice, "POST", "/api/v1/channels", `{"owner":"alice","name":"q4","kind":"snapshot","source":"alice/dev","at":"2"}`)).object(w)
		if snap["kind"] != "snapshot" || snap["source"] != "alice/dev" || snap["generation"] != 2.0 || snap["frozen_at"] != 2.0 {
			w.Errorf("the snapshot is %v", snap)
		}
		w.want(http.StatusUnprocessableEntity, w.send(alice, "POST", "/api/v1/channels", `{"owner":"alice","name":"x","source":"alice/dev"}`))
		w.want(http.StatusUnprocessableEntity, w.send(alice, "POST", "/api/v1/channels", `{"owner":"alice","name":"x","kind":"snapshot","source":"alice/dev","at":"99"}`))
		w.want(http.StatusForbidden, put("q4", condatest.Spec{Name: "c"}))
		w.want(http.StatusForbidden, w.send(alice, "POST", "/api/channels/alice/q4", `{"package":"a"}`))
		w.want(http.StatusOK, w.send(bob, "GET", "/api/v1/files/alice/q4/noarch/b-1.0-0.conda", ""))
		w.want(http.StatusNotFound, w.send(bob, "GET", "/api/v1/files/alice/q4/noarch/a-2.0-0.conda", ""))
		w.want(http.StatusForbidden, w.send(alice, "DELETE", "/api/v1/files/alice/q4/noarch/b-1.0-0.conda", ""))
		w.want(http.StatusForbidden, w.send(alice, "PATCH", "/api/v1/channels/alice/q4", `{"frozen":false}`))

		w.want(http.StatusForbidden, w.send(bob, "POST", "/api/v1/generations/alice/dev", `{"to":"1"}`))
		w.want(http.StatusNoContent, w.send(alice, "DELETE", "/api/v1/files/alice/dev/noarch/b-1.0-0.conda", ""))
		back := w.want(http.StatusOK, w.send(alice, "POST", "/api/v1/generations/alice/dev", `{"to":"2"}`)).object(w)
		left := back["left_out"].([]any)
		if back["generation"] != 5.0 || back["removed"] != 1.0 || back["added"] != 0.0 || len(left) != 1 || left[0].(map[string]any)["name"] != "b-1.0-0.conda" {
			w.Errorf("rolled back: %v", back)
		}
		newest := w.want(http.StatusOK, w.send(bob, "GET", "/api/v1/generations/alice/dev?limit=1", "")).object(w)["items"].([]any)[0].(map[string]any)
		if newest["cause"] != "rollback to 2" || newest["rollback_to"] != 2.0 {
			w.Errorf("the roll-back in the history: %v", newest)
		}

		frozen := w.want(http.StatusOK, w.send(alice, "PATCH", "/api/v1/channels/alice/dev", `{"frozen":true,"frozen_at":"1"}`)).object(w)
		if frozen["frozen_at"] != 1.0 {
			w.Errorf("frozen: %v", frozen)
		}
		w.want(http.StatusCreated, put("dev", condatest.Spec{Name: "c"}))
		w.want(http.StatusUnprocessableEntity, w.send(alice, "PATCH", "/api/v1/channels/alice/dev", `{"frozen":true,"frozen_at":"77"}`))
		w.want(http.StatusUnprocessableEntity, w.send(alice, "PATCH", "/api/v1/channels/alice/dev", `{"frozen":true,"frozen_at":"2001-02-03"}`))
		w.want(http.StatusUnprocessableEntity, w.send(alice, "PATCH", "/api/v1/channels/alice/dev", `{"frozen_at":"1"}`))
		if thawed := w.want(http.StatusOK, w.send(alice, "PATCH", "/api/v1/channels/alice/dev", `{"frozen":false}`)).object(w); thawed["frozen_at"] != nil {
			w.Errorf("thawed: %v", thawed)
		}
	})
}
