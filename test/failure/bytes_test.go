package failure_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// TestOneBlobGone: a file whose bytes are gone is 503 with a sentence, the index
// and all other files go on, fsck names it, and uploading the bytes again mends it.
func TestOneBlobGone(t *testing.T) {
	a := apptest.New(t)
	alice := a.User(t, "alice")
	spec := condatest.Spec{Name: "lost"}
	alice.Upload(t, "alice", spec, "")
	before := a.Stored(t)
	alice.Upload(t, "alice", condatest.Spec{Name: "kept"}, "")
	if len(before) != 1 {
		t.Fatalf("one upload stored %v", before)
	}
	if err := os.Remove(before[0]); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/conda/alice/noarch/lost-1.0-0.conda", "/api/download/alice/lost/1.0/noarch/lost-1.0-0.conda"} {
		got := a.Want(t, http.StatusServiceUnavailable, "GET", path, apptest.Request{})
		if !strings.Contains(string(got.Body), "The bytes of lost-1.0-0.conda are missing") {
			t.Errorf("%s; want it to say which bytes are missing", got)
		}
	}
	if !strings.Contains(a.Logged(), "There are no bytes with the SHA-256") {
		t.Error("the operator does not find the cause in the log")
	}
	for _, path := range []string{"/conda/alice/noarch/repodata.json", "/api/package/alice/lost", "/alice/lost", "/conda/alice/noarch/kept-1.0-0.conda"} {
		a.Want(t, http.StatusOK, "GET", path, apptest.Request{})
	}
	report, err := a.Registry.Fsck(t.Context(), true)
	if err != nil || len(report.Faults) != 1 || report.Faults[0].Kind != "blob-missing" || !strings.Contains(report.Faults[0].Object, "lost") {
		t.Errorf("fsck: %+v, %v", report.Faults, err)
	}
	a.Want(t, http.StatusOK, "POST", "/api/v1/upload/alice", upload(t, alice, spec))
	a.Want(t, http.StatusOK, "GET", "/conda/alice/noarch/lost-1.0-0.conda", apptest.Request{})
	if now := a.Stored(t); !slices.Contains(now, before[0]) {
		t.Errorf("the folder holds %v", now)
	}
	if report, err = a.Registry.Fsck(t.Context(), true); err != nil || len(report.Faults) > 0 {
		t.Errorf("fsck after it was mended: %+v, %v", report.Faults, err)
	}
}

// TestLateRefusal: the payload of a large package is read when it was published
// already. One that is unsafe is out of the index soon after, its page says why,
// and nobody can put it back.
func TestLateRefusal(t *testing.T) {
	const fileName = "demo-1.0-0.tar.bz2"
	a := apptest.New(t)
	alice := a.User(t, "alice")
	a.Want(t, http.StatusCreated, "POST", "/api/v1/upload/alice", apptest.Request{
		Token: alice.Token, Body: condatest.Large(), Type: "application/octet-stream", Header: map[string]string{"X-File-Name": fileName},
	})
	listed := func() bool {
		index := a.Want(t, http.StatusOK, "GET", "/conda/alice/noarch/repodata.json", apptest.Request{})
		return strings.Contains(string(index.Body), fileName)
	}
	wait(t, func() bool { return !listed() })
	const address = "/api/v1/files/alice/main/noarch/" + fileName
	var file struct {
		Why string `json:"withdrawn_why"`
	}
	a.Want(t, http.StatusOK, "GET", address, apptest.Request{}).JSON(t, &file)
	if !strings.Contains(file.Why, "twice") {
		t.Errorf("it was withdrawn because %q", file.Why)
	}
	got := a.Want(t, http.StatusUnprocessableEntity, "PATCH", address, apptest.Request{Token: alice.Token, Type: "application/json", Body: []byte(`{"withdrawn":false}`)})
	if !strings.Contains(string(got.Body), "twice") || listed() {
		t.Errorf("putting it back: %s", got)
	}
}
