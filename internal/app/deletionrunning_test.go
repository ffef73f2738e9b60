package app_test

import (
	"bytes"
	"context"
	"encoding/json/v2"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// TestDeleteWhileUploading: what is on its way when its owner is deleted is refused,
// by every door.
func TestDeleteWhileUploading(t *testing.T) {
	a := apptest.New(t)
	root, ana := a.Operator(t, "root"), a.User(t, "ana")
	a.Org(t, "acme", ana)
	ctx := t.Context()
	as := apptest.Request{Token: ana.Token}
	post := func(path, body string) *apptest.Answer {
		t.Helper()
		r := as
		r.Body = []byte(body)
		return a.Want(t, http.StatusOK, "POST", path, r)
	}
	type staged struct {
		PostURL string `json:"post_url"`
		DistID  string `json:"dist_id"`
	}
	stage := func(name string) (s staged, data []byte, path string) {
		t.Helper()
		post("/api/package/acme/"+name, `{"public": true, "public_attrs": {"package_types": ["conda"]}}`)
		post("/api/release/acme/"+name+"/1.0", `{"requirements": []}`)
		spec := condatest.Spec{Name: name}
		path = "acme/" + name + "/1.0/noarch/" + spec.FileName()
		post("/api/stage/"+path, `{"distribution_type": "conda", "attrs": {}, "channels": ["main"]}`).JSON(t, &s)
		return s, condatest.Make(t, spec), path
	}
	one, oneData, _ := stage("announced")
	two, twoData, twoPath := stage("received")
	body, kind := storageForm(t, twoData)
	a.Want(t, http.StatusCreated, "POST", strings.TrimPrefix(two.PostURL, a.Base), apptest.Request{Body: body, Type: kind})

	// An upload in one request of which half has arrived.
	spec := condatest.Spec{Name: "running"}
	data := condatest.Make(t, spec)
	arrived, rest := make(chan struct{}), make(chan struct{})
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, a.Base+"/conda/acme/main/noarch/"+spec.FileName(), &halting{data: data, at: len(data) / 2, arrived: arrived, rest: rest})
	must(t, err)
	req.Header.Set("Authorization", "token "+ana.Token)
	answers := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answers <- 0
			return
		}
		resp.Body.Close()
		answers <- resp.StatusCode
	}()
	<-arrived

	a.Want(t, http.StatusOK, "DELETE", "/api/v1/organizations/acme?confirm=acme", as)
	close(rest)
	if status := <-answers; status != http.StatusNotFound {
		t.Errorf("the upload that was running is answered %d", status)
	}
	body, kind = storageForm(t, oneData)
	a.Want(t, http.StatusNotFound, "POST", strings.TrimPrefix(one.PostURL, a.Base), apptest.Request{Body: body, Type: kind})
	commit := as
	commit.Body = []byte(`{"dist_id":"` + two.DistID + `"}`)
	if got := a.Do(t, "POST", "/api/commit/"+twoPath, commit); got.Status < 400 || got.Status >= 500 {
		t.Errorf("%s", got)
	}
	if got := a.Do(t, "POST", "/api/v1/upload/acme", apptest.Request{Token: ana.Token, Body: data, Header: map[string]string{"X-File-Name": spec.FileName()}}); got.Status != http.StatusNotFound {
		t.Errorf("%s", got)
	}
	_, err = a.Accounts.RestoreOwner(ctx, root.Actor(t), "acme")
	must(t, err)
	if doc := a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{}); strings.Contains(string(doc.Body), "1.0-0.conda") {
		t.Errorf("what was refused is there: %s", doc)
	}
	// What was staged can be gone on with.
	a.Want(t, http.StatusOK, "POST", "/api/commit/"+twoPath, commit)
}

// TestDeletedActorUnderWay: whoever is deleted between the head of a request and its
// end, which may be an hour, changes nothing by it.
func TestDeletedActorUnderWay(t *testing.T) {
	a := apptest.New(t)
	ctx := t.Context()
	root, ana, eve := a.Operator(t, "root"), a.User(t, "ana"), a.User(t, "eve")
	a.Org(t, "acme", eve)
	a.User(t, "mole")
	must(t, a.Accounts.AddMember(ctx, eve.Actor(t), "acme", "ana", access.RoleAdministrator))
	early := ana.Actor(t)
	spec := condatest.Spec{Name: "soil"}
	data := condatest.Make(t, spec)
	upload := func() error {
		_, _, err := a.Registry.Upload(ctx, early, registry.UploadRequest{
			Owner: "acme", Channel: "main", FileName: spec.FileName(), Body: bytes.NewReader(data), Size: int64(len(data)),
		})
		return err
	}
	_, err := a.Accounts.DeleteOwner(ctx, root.Actor(t), "ana", "ana")
	must(t, err)
	_, err = a.Accounts.CreateOrganization(ctx, early, "late", "late@example.com")
	for what, err := range map[string]error{
		"a member": a.Accounts.AddMember(ctx, early, "acme", "mole", access.RoleAdministrator), "an organisation": err, "an upload": upload(),
	} {
		if !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("%s of somebody who was deleted: %v", what, err)
		}
	}
	_, err = a.Accounts.RestoreOwner(ctx, root.Actor(t), "ana")
	must(t, err)
	must(t, upload())
}

// halting is a body that waits at one place.
type halting struct {
	data          []byte
	at, n         int
	arrived, rest chan struct{}
	once          sync.Once
}

func (h *halting) Read(b []byte) (int, error) {
	if h.n >= len(h.data) {
		return 0, io.EOF
	}
	end := len(h.data)
	if h.n < h.at {
		end = h.at
	} else {
		h.once.Do(func() { close(h.arrived) })
		<-h.rest
	}
	n := copy(b, h.data[h.n:end])
	h.n += n
	return n, nil
}

// channelOf is a channel of so many records without archives.
func channelOf(t *testing.T, records int) fstest.MapFS {
	t.Helper()
	list := map[string]any{}
	for i := range records {
		name := fmt.Sprintf("p%05d", i%(records/5+1))
		file := fmt.Sprintf("%s-1.%d-0.conda", name, i)
		list[file] = map[string]any{
			"name": name, "version": fmt.Sprintf("1.%d", i), "build": "0", "build_number": 0, "subdir": "noarch", "depends": []string{"python"},
			"size": 1000, "md5": fmt.Sprintf("%032x", i), "sha256": fmt.Sprintf("%064x", i), "license": "MIT",
		}
	}
	document, err := json.Marshal(map[string]any{"info": map[string]any{"subdir": "noarch"}, "packages": map[string]any{}, "packages.conda": list})
	must(t, err)
	return fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: document}}
}

// TestDeleteWhileImporting: a large change that is under way writes no more.
func TestDeleteWhileImporting(t *testing.T) {
	a := apptest.New(t)
	ana := a.User(t, "ana")
	a.Org(t, "acme", ana)
	begun, rest, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	source := registry.ImportSource{Files: channelOf(t, 3000), Subdirs: []string{"noarch"}, MetadataOnly: true, BaseURL: "https://channel.example", Name: "there"}
	var once sync.Once
	progress := func(string, int) { // after each batch
		once.Do(func() { close(begun) })
		<-rest
	}
	actor := ana.Actor(t)
	go func() {
		_, err := a.Registry.Import(context.WithoutCancel(t.Context()), actor, "acme", "main", source, progress)
		done <- err
	}()
	<-begun
	a.Want(t, http.StatusOK, "DELETE", "/api/v1/organizations/acme?confirm=acme", apptest.Request{Token: ana.Token})
	close(rest)
	if err := <-done; !errs.Is(err, errs.NotFound) {
		t.Errorf("the import ends with %v", err)
	}
	a.Clock.Pass(week + time.Minute)
	if _, err := a.EraseOwners(t.Context(), access.System()); err != nil {
		t.Fatal(err)
	}
	if rows := a.Rows(t); len(rows.Of(t, "stagings"))+len(rows.Of(t, "file_rows"))+len(rows.Of(t, "records")) > 0 {
		t.Error("something of the import is left")
	}
}

// storageForm is the form in which the classic client sends bytes.
func storageForm(t *testing.T, data []byte) (body []byte, kind string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", "file")
	must(t, err)
	_, err = part.Write(data)
	must(t, err)
	must(t, form.Close())
	return b.Bytes(), form.FormDataContentType()
}
