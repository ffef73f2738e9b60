package ui_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// restoreButton holds the id of a file in the trash.
var restoreButton = regexp.MustCompile(`name="restore" value="([^"]+)"`)

// TestTrash deletes a file and takes it out of the trash, by forms alone.
func TestTrash(t *testing.T) {
	app, ana, eve := garden(t)
	b := as(t, app, ana)
	const trash, file = "/organization/acme/settings/storage", "/conda/acme/noarch/soil-1.0-0.conda"
	b.want(b.get(trash), 200, "", "Largest packages", "moss", "Private", "The trash is empty.")

	a := b.want(b.post("/acme/soil/files/noarch/soil-1.0-0.conda/delete"), 200, "/acme/soil/files", "soil-1.0-0.conda is in the trash.", "Show the trash")
	if !strings.Contains(a.body, `href="`+trash+`"`) {
		t.Error("the notice does not lead to the trash")
	}
	app.Want(t, http.StatusGone, "GET", file, apptest.Request{})
	a = b.want(b.get(trash), 200, "", "noarch/soil-1.0-0.conda", "by ana", "Restore")
	id := restoreButton.FindStringSubmatch(a.body)[1]

	// Whoever administers nothing here sees and restores nothing.
	other := as(t, app, eve)
	other.want(other.get(trash), 404, "")
	other.want(other.post(trash, "restore", id), 404, "")
	other.want(other.post("/settings/storage", "restore", id), 422, "", "You may read acme/soil")
	app.Want(t, http.StatusGone, "GET", file, apptest.Request{})

	b.want(b.post(trash, "restore", id), 200, trash, "soil-1.0-0.conda is restored.", "It is in acme/main again.", "The trash is empty.")
	app.Want(t, http.StatusOK, "GET", file, apptest.Request{})
	b.want(b.post(trash, "restore", id), 422, trash, "This file is not in the trash any more.")

	// A name that was taken meanwhile is not given to two.
	b.post("/acme/soil/files/noarch/soil-1.0-0.conda/delete")
	ana.Upload(t, "acme", condatest.Spec{Name: "soil", Version: "1.0", Subdir: "noarch", Summary: "another"}, "")
	b.want(b.post(trash, "restore", id), 422, trash, "soil-1.0-0.conda", "Restore")

	// Of one's own.
	eve.Upload(t, "eve", condatest.Spec{Name: "fern", Subdir: "noarch"}, "")
	other.want(other.post("/eve/fern/files/noarch/fern-1.0-0.conda/delete"), 200, "", "Show the trash")
	a = other.want(other.get("/settings/storage"), 200, "", "noarch/fern-1.0-0.conda")
	other.want(other.post("/settings/storage", "restore", restoreButton.FindStringSubmatch(a.body)[1]), 200, "/settings/storage", "fern-1.0-0.conda is restored.")
}

// TestYank takes a file out of the index with a reason, and puts it back.
func TestYank(t *testing.T) {
	app, ana, eve := garden(t)
	b := as(t, app, ana)
	const page, file = "/acme/soil/files/noarch/soil-1.0-0.conda", "/conda/acme/noarch/soil-1.0-0.conda"
	index := func(want bool) {
		t.Helper()
		got := app.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{})
		if strings.Contains(string(got.Body), "soil-1.0-0.conda") != want {
			t.Errorf("whether the index has the file is %t, want %t", !want, want)
		}
		app.Want(t, http.StatusOK, "GET", file, apptest.Request{})
	}
	for _, who := range []*browser{open(t, app), as(t, app, eve)} {
		if a := who.want(who.get(page), 200, ""); strings.Contains(a.body, "/yank") {
			t.Error("a reader is offered to yank")
		}
	}
	stranger := as(t, app, eve)
	stranger.want(stranger.post(page+"/yank", "why", "spite"), 403, "")
	index(true)

	b.want(b.get(page), 200, "", "Yank from the index")
	b.want(b.post(page+"/yank", "why", "It is <b>wrong</b>."), 200, page, "soil-1.0-0.conda is yanked.", "Yanked. It is <b>wrong</b>.", "Put back into the index")
	index(false)
	b.want(b.post(page+"/yank", "why", strings.Repeat("x", 1001)), 422, "", "at most 1000 are kept")
	b.want(b.post(page+"/yank", "back", "yes"), 200, page, "soil-1.0-0.conda is in the index again.", "Yank from the index")
	index(true)
}
