package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/condatest"
)

var restoreCall = regexp.MustCompile(`POST (/api/v1/trash/alice/[a-z0-9]+/restore)`)

// TestForceWhereNothingIsReplaced: anaconda upload --force deletes and then uploads.
// Where the channel never replaces, the second step is refused before any byte is
// sent, with the way back to the file that the first step took.
func TestForceWhereNothingIsReplaced(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		spec := condatest.Spec{Name: "a", Version: "1"}
		p := newPack(w, "alice", spec)
		w.publish(alice, p, `[]`)
		w.want(http.StatusOK, w.send(alice, "PATCH", "/api/v1/channels/alice/main", `{"replace": "never"}`))
		spec.Summary = "other bytes"
		other := newPack(w, "alice", spec)

		w.want(http.StatusOK, w.send(alice, "DELETE", p.path("dist"), ""))
		refused := w.want(http.StatusConflict, w.send(alice, "POST", other.path("stage"), other.stageBody(`[]`))).object(w)["error"].(string)
		call := restoreCall.FindStringSubmatch(refused)
		if call == nil || !strings.Contains(refused, "never takes other bytes") || !strings.Contains(refused, "is in the trash until") {
			w.Fatalf("the refusal does not say how to come back: %s", refused)
		}
		// The same where bytes come before anything can be said.
		refused = w.want(http.StatusConflict, w.upload(alice, "/api/v1/upload/alice", spec.FileName(), other.bytes)).object(w)["detail"].(string)
		if !strings.Contains(refused, call[1]) {
			w.Errorf("an upload in one request is refused with %s", refused)
		}
		w.want(http.StatusOK, w.send(alice, "POST", call[1], ""))
		if got := w.listed("", "alice", "noarch"); !slices.Contains(got, spec.FileName()) {
			w.Errorf("after restoring, the channel lists %v", got)
		}
		// Its own bytes may come back by an upload as well.
		w.want(http.StatusOK, w.send(alice, "DELETE", p.path("dist"), ""))
		w.publish(alice, p, `[]`)
	})
}
