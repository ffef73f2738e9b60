package api_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/condatest"
)

// staged is the answer to POST /stage.
type staged struct {
	PostURL  string            `json:"post_url"`
	FormData map[string]string `json:"form_data"`
	DistID   string            `json:"dist_id"`
}

// pack is a package to be uploaded by hand.
type pack struct {
	owner, name, version, base string
	bytes                      []byte
}

func newPack(t testing.TB, owner string, s condatest.Spec) pack {
	t.Helper()
	p := pack{owner: owner, name: s.Name, version: s.Version, base: "noarch/" + s.FileName(), bytes: condatest.Make(t, s)}
	if s.Subdir != "" {
		p.base = s.Subdir + "/" + s.FileName()
	}
	return p
}

func (p pack) path(call string) string {
	return "/api/" + call + "/" + p.owner + "/" + p.name + "/" + p.version + "/" + p.base
}

// stageBody is what the client sends; labels is a JSON list.
func (p pack) stageBody(labels string) string {
	sum := sha256.Sum256(p.bytes)
	return `{"distribution_type": "conda", "description": null, "attrs": {"subdir": "noarch", "build_number": 3}, ` +
		`"dependencies": {"depends": [{"name": "foo", "specs": [["==", "3"]]}]}, "channels": ` + labels +
		`, "sha256": "` + hex.EncodeToString(sum[:]) + `"}`
}

// post sends the bytes the way anaconda-client does: fields first, the file
// part without a Content-Type, and no token.
func (w *world) post(s staged, p pack, digest []byte, fileName string, extra ...header) answer {
	w.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	field := func(name, value string) {
		if err := form.WriteField(name, value); err != nil {
			w.Fatal(err)
		}
	}
	for name, value := range s.FormData {
		field(name, value)
	}
	field("Content-Length", strconv.Itoa(len(p.bytes)))
	field("Content-MD5", base64.StdEncoding.EncodeToString(digest))
	disposition := `form-data; name="file"`
	if fileName != "" {
		disposition += `; filename="` + fileName + `"`
	}
	part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := part.Write(p.bytes); err != nil {
		w.Fatal(err)
	}
	if err := form.Close(); err != nil {
		w.Fatal(err)
	}
	path, ok := strings.CutPrefix(s.PostURL, w.url)
	if !ok {
		w.Fatalf("post_url %q is not absolute below %s", s.PostURL, w.url)
	}
	return w.bytes("POST", path, body.Bytes(), append([]header{{"Content-Type", form.FormDataContentType()}}, extra...)...)
}

func sum(b []byte) []byte {
	d := md5.Sum(b)
	return d[:]
}

// publish is the whole of `anaconda upload`.
func (w *world) publish(token string, p pack, labels string) answer {
	w.Helper()
	w.want(http.StatusOK, w.send("", "HEAD", "/api", ""))
	w.want(http.StatusNotFound, w.send(token, "GET", p.path("dist"), ""))
	if w.send(token, "GET", "/api/package/"+p.owner+"/"+p.name, "").status == http.StatusNotFound {
		w.want(http.StatusOK, w.send(token, "POST", "/api/package/"+p.owner+"/"+p.name, `{"public": true, "publish": false,
			"public_attrs": {"name": "`+p.name+`", "summary": "This is a simple meta-package", "description": "",
			"license": {"name": "MIT", "url": null, "family": null}, "package_types": ["conda"], "home": ["https://a.example", "https://b.example"]}}`))
	}
	release := "/api/release/" + p.owner + "/" + p.name + "/" + p.version
	if w.send(token, "GET", release, "").status == http.StatusNotFound {
		w.want(http.StatusOK, w.send(token, "POST", release, `{"requirements": [], "announce": false, "description": "words",
			"version": "`+p.version+`", "source_git_tag": 7, "icon": null, "license": null}`))
	}
	s := decode[staged](w, w.want(http.StatusOK, w.send(token, "POST", p.path("stage"), p.stageBody(labels))))
	w.want(http.StatusCreated, w.post(s, p, sum(p.bytes), p.base))
	return w.want(http.StatusOK, w.send(token, "POST", p.path("commit"), `{"dist_id": "`+s.DistID+`"}`))
}

// needs fails where keys that a client reads are absent or null.
func needs(t testing.TB, o map[string]any, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if v, ok := o[k]; !ok || v == nil {
			t.Errorf("key %q is %v in %v", k, v, o)
		}
	}
}

// TestUploadTrace replays spec/anaconda-api.md §15: the first upload, the
// second, --force, and what the documents hold then.
func TestUploadTrace(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		p := newPack(w, "alice", condatest.Spec{Name: "gc_test", Version: "2.2.1", Build: "py27_3", BuildNumber: 3, Subdir: "linux-64", License: "MIT"})
		w.want(http.StatusOK, w.send(alice, "GET", "/api/user", ""))
		done := w.publish(alice, p, `[]`).object(w)
		if want := w.url + "/alice/gc_test"; done["url"] != want {
			w.Errorf("the commit says url %v, want %v", done["url"], want)
		}
		if got := w.listed("", "alice", "linux-64"); !slices.Equal(got, []string{"gc_test-2.2.1-py27_3.conda"}) {
			w.Errorf("main lists %v right after the commit", got)
		}

		dist := w.want(http.StatusOK, w.send(alice, "GET", p.path("dist"), "")).object(w)
		needs(w, dist, "basename", "version", "owner", "full_name", "type", "distribution_type", "description", "attrs", "dependencies",
			"labels", "md5", "sha256", "size", "upload_time", "ndownloads", "download_url")
		if got, want := dist["full_name"], "alice/gc_test/2.2.1/"+p.base; got != want {
			w.Errorf("full_name %v, want %v", got, want)
		}
		if diff := cmp.Diff([]any{"main"}, dist["labels"]); diff != "" {
			w.Errorf("labels: %s", diff)
		}
		if got, want := dist["owner"], "alice"; got != want {
			w.Errorf("the owner of a dist is %v, want the string %v", got, want)
		}

		pkg := w.want(http.StatusOK, w.send("", "GET", "/api/package/alice/GC_test", "")).object(w)
		needs(w, pkg, "name", "id", "package_types", "summary", "public", "owner", "full_name", "url", "html_url", "latest_version",
			"versions", "conda_platforms", "platforms", "builds", "releases", "files", "revision", "app_entry")
		if diff := cmp.Diff(map[string]any{
			"package_types": []any{"conda"}, "conda_platforms": []any{"linux-64"}, "latest_version": "2.2.1", "license": "MIT",
			"builds": []any{"py27_3"}, "platforms": map[string]any{"linux-64": "2.2.1"}, "home": "https://a.example", "public": true,
		}, only(pkg, "package_types", "conda_platforms", "latest_version", "license", "builds", "platforms", "home", "public")); diff != "" {
			w.Errorf("package: %s", diff)
		}
		if owner, _ := pkg["owner"].(map[string]any); owner["login"] != "alice" {
			w.Errorf("the owner of a package is %v, want an object with login", pkg["owner"])
		}
		release := w.want(http.StatusOK, w.send("", "GET", "/api/release/alice/gc_test/latest", "")).object(w)
		needs(w, release, "distributions", "public_attrs", "version", "full_name", "requirements")

		w.want(http.StatusConflict, w.send(alice, "POST", p.path("stage"), p.stageBody(`[]`)))
		w.want(http.StatusOK, w.send(alice, "DELETE", p.path("dist"), "")).object(w)
		w.want(http.StatusOK, w.send(alice, "GET", "/api/release/alice/gc_test/2.2.1", "")) // an empty release stays
		if got := w.listed("", "alice", "linux-64"); len(got) != 0 {
			w.Errorf("main lists %v after the removal", got)
		}
		w.publish(alice, p, `["main", "dev"]`)
		if got := w.listed("", "alice/label/dev", "linux-64"); len(got) != 1 {
			w.Errorf("dev lists %v", got)
		}
		w.want(http.StatusCreated, w.send(alice, "DELETE", "/api/release/alice/gc_test/2.2.1", ""))
		w.want(http.StatusCreated, w.send(alice, "DELETE", "/api/package/alice/gc_test", ""))
		w.want(http.StatusNotFound, w.send(alice, "GET", "/api/package/alice/gc_test", ""))
	})
}

func only(o map[string]any, keys ...string) map[string]any {
	out := map[string]any{}
	for _, k := range keys {
		out[k] = o[k]
	}
	return out
}

// TestStorage holds the bytes' door to what clients read of it: XML with a
// Code on failure, 201 and nothing else on success.
func TestStorage(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		p := newPack(w, "alice", condatest.Spec{Name: "a", Version: "1"})
		w.want(http.StatusOK, w.send(alice, "POST", "/api/package/alice/a", `{"public_attrs": {"package_types": []}}`))
		w.want(http.StatusOK, w.send(alice, "POST", "/api/release/alice/a/1", `{}`))
		stage := func() staged {
			return decode[staged](w, w.want(http.StatusOK, w.send(alice, "POST", p.path("stage"), p.stageBody(`[]`))))
		}
		xml := func(a answer, code string) {
			w.Helper()
			if a.status < 400 || !strings.Contains(string(a.body), "<Error><Code>"+code+"</Code>") {
				w.Errorf("%s: %d %s, want the code %s", a.request, a.status, a.body, code)
			}
		}
		xml(w.post(stage(), p, sum([]byte("other bytes")), p.base), "InvalidDigest")
		short := p
		short.bytes = p.bytes[:len(p.bytes)-1]
		xml(w.post(stage(), short, sum(p.bytes), p.base), "InvalidDigest")
		xml(w.post(staged{PostURL: w.url + "/api/_storage/nothing-staged"}, p, sum(p.bytes), p.base), "NoSuchUpload")
		s := stage()
		xml(w.send("", "POST", strings.TrimPrefix(s.PostURL, w.url), `{}`), "InvalidRequest")

		// rattler gives its file no name; ~/.netrc may add a stray credential.
		w.want(http.StatusCreated, w.post(s, p, sum(p.bytes), "", basic("netrc", "stray")))
		xml(w.post(s, p, sum(p.bytes), p.base), "NoSuchUpload") // single use
		w.want(http.StatusBadRequest, w.send(alice, "POST", p.path("commit"), `{"dist_id": "unknown"}`))
		w.want(http.StatusOK, w.send(alice, "POST", p.path("commit"), `{"dist_id": "`+s.DistID+`"}`))
	})
}

// TestStageOfNothing: package and release must be there before a file.
func TestStageOfNothing(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		p := newPack(w, "alice", condatest.Spec{Name: "a", Version: "1"})
		w.want(http.StatusNotFound, w.send(alice, "POST", p.path("stage"), p.stageBody(`[]`)))
	})
}

// TestDownload streams: 200 with a length, no coding, whatever the name.
func TestDownload(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		p := newPack(w, "alice", condatest.Spec{Name: "a", Version: "1!2.0+local"})
		w.publish(alice, p, `[]`)
		encoded := "/api/download/alice/a/" + escaped(p.version) + "/" + escaped(p.base) // %2F, as conda-forge's tools send it
		for _, path := range []string{p.path("download"), encoded} {
			a := w.want(http.StatusOK, w.send("", "GET", path, ""))
			if !bytes.Equal(a.body, p.bytes) {
				w.Errorf("%s gives other bytes", path)
			}
			if got, want := a.header.Get("Content-Length"), strconv.Itoa(len(p.bytes)); got != want {
				w.Errorf("%s: Content-Length %q, want %q", path, got, want)
			}
			if got := a.header.Get("Content-Encoding"); got != "" {
				w.Errorf("%s: Content-Encoding %q", path, got)
			}
		}
		w.want(http.StatusNotModified, w.send("", "GET", p.path("download"), "", header{"ETag", hex.EncodeToString(sum(p.bytes))}))
		w.want(http.StatusNotFound, w.send("", "GET", p.path("download")+"x", ""))
		if err := w.reg.FlushDownloads(w.Context()); err != nil {
			w.Fatal(err)
		}
		if got := w.send("", "GET", p.path("dist"), "").object(w)["ndownloads"]; got != 2.0 {
			w.Errorf("ndownloads %v, want 2", got)
		}
	})
}

// TestLabels moves, copies, locks and removes labels; the effect is looked up
// in what conda sees.
func TestLabels(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		p := newPack(w, "alice", condatest.Spec{Name: "a", Version: "1"})
		w.publish(alice, p, `[]`)
		shows := func(channel string, want int) {
			w.Helper()
			if got := w.listed("", channel, "noarch"); len(got) != want {
				w.Errorf("%s lists %v, want %d files", channel, got, want)
			}
		}
		body := `{"package": "a", "version": "1", "basename": null}`
		w.want(http.StatusCreated, w.send(alice, "POST", "/api/channels/alice/release/x", body)) // a label with a slash
		w.want(http.StatusCreated, w.send(alice, "DELETE", "/api/channels/alice/main", body))
		shows("alice", 0)
		shows("alice/release/x", 1)
		w.want(http.StatusCreated, w.send(alice, "POST", "/api/channels/alice/release/x/copy/prod", ""))
		shows("alice/prod", 1)

		labels := w.want(http.StatusOK, w.send("", "GET", "/api/channels/alice", "")).object(w)
		want := map[string]any{
			"main": map[string]any{"is_locked": false, "count": 0.0}, "prod": map[string]any{"is_locked": false, "count": 1.0},
			"release/x": map[string]any{"is_locked": false, "count": 1.0},
		}
		if diff := cmp.Diff(want, labels); diff != "" {
			w.Errorf("labels: %s", diff)
		}
		w.want(http.StatusCreated, w.send(alice, "POST", "/api/channels/alice/prod/lock", ""))
		one := w.want(http.StatusOK, w.send("", "GET", "/api/channels/alice/prod", "")).object(w)
		if files, _ := one["files"].([]any); one["is_locked"] != true || len(files) != 1 {
			w.Errorf("the label is %v", one)
		}
		w.want(http.StatusForbidden, w.send(alice, "DELETE", "/api/channels/alice/prod", `{"package": null, "version": null, "basename": null}`))
		shows("alice/prod", 1)
		w.want(http.StatusCreated, w.send(alice, "DELETE", "/api/channels/alice/prod/lock", ""))
		w.want(http.StatusCreated, w.send(alice, "DELETE", "/api/channels/alice/prod", `{"package": null, "version": null, "basename": null}`))
		shows("alice/prod", 0)
		w.want(http.StatusNotFound, w.send(alice, "GET", "/api/channels/alice/none", ""))
	})
}

// TestCopy is the three kinds of copies, with the client's trailing slash.
func TestCopy(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		w.organization(alice, "org1")
		p := newPack(w, "alice", condatest.Spec{Name: "a", Version: "1"})
		w.publish(alice, p, `[]`)
		all := "/api/copy/package/alice/a/1/"
		body := `{"to_owner": "org1", "from_channel": "main", "to_channel": "dev"}`
		copied := decode[[]map[string]any](w, w.want(http.StatusOK, w.send(alice, "POST", all, body)))
		if len(copied) != 1 || copied[0]["basename"] != p.base {
			w.Errorf("copied %v", copied)
		}
		if got := w.listed("", "org1/dev", "noarch"); len(got) != 1 {
			w.Errorf("org1/dev lists %v", got)
		}
		w.want(http.StatusConflict, w.send(alice, "POST", all, body))
		if again := decode[[]any](w, w.want(http.StatusOK, w.send(alice, "PATCH", all, body))); len(again) != 0 {
			w.Errorf("an update copied %v", again)
		}
		w.want(http.StatusOK, w.send(alice, "PUT", all+p.base, body))
		// null is the caller: within one owner a copy is a label.
		w.want(http.StatusOK, w.send(alice, "PATCH", all, `{"to_owner": null, "from_channel": "main", "to_channel": "rc"}`))
		if got := w.listed("", "alice/rc", "noarch"); len(got) != 1 {
			w.Errorf("alice/rc lists %v", got)
		}
	})
}

// TestPrivatePackage is seen by its owner and by nobody else, through any call.
func TestPrivatePackage(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		w.want(http.StatusOK, w.send(alice, "POST", "/api/package/alice/hush", `{"public": false, "public_attrs": {"summary": "s", "package_types": []}}`))
		p := newPack(w, "alice", condatest.Spec{Name: "hush", Version: "1"})
		w.publish(alice, p, `[]`)
		for _, path := range []string{
			"/api/package/alice/hush", "/api/package/alice/hush/files", "/api/release/alice/hush/1", "/api/release/alice/hush/latest",
			p.path("dist"), p.path("download"), "/api/v1/packages/alice/hush", "/api/v1/files/alice/main/" + p.base,
		} {
			w.want(http.StatusOK, w.send(alice, "GET", path, ""))
			w.want(http.StatusNotFound, w.send(bob, "GET", path, ""))
			w.want(http.StatusNotFound, w.send("", "GET", path, ""))
		}
		for _, path := range []string{"/api/packages/alice", "/api/search?name=hush", "/api/package_listing"} {
			if a := w.want(http.StatusOK, w.send(bob, "GET", path, "")); string(a.body) != "[]" {
				w.Errorf("%s shows bob %s", path, a.body)
			}
			if list := decode[[]map[string]any](w, w.send(alice, "GET", path, "")); len(list) != 1 || list[0]["owner"] != "alice" {
				w.Errorf("%s shows alice %v", path, list)
			}
		}
		w.want(http.StatusCreated, w.send(alice, "PUT", "/api/packages/alice/hush/collaborators/bob", ""))
		w.want(http.StatusOK, w.send(bob, "GET", p.path("dist"), ""))
		people := decode[[]map[string]any](w, w.want(http.StatusOK, w.send(alice, "GET", "/api/packages/alice/hush/collaborators", "")))
		if len(people) != 1 || people[0]["login"] != "bob" {
			w.Errorf("collaborators: %v", people)
		}
		w.want(http.StatusCreated, w.send(alice, "DELETE", "/api/packages/alice/hush/collaborators/bob", ""))
		w.want(http.StatusNotFound, w.send(bob, "GET", p.path("dist"), ""))
	})
}

// TestRefusals: which status means what, and that every error is an object with
// a string under "error".
func TestRefusals(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		p := newPack(w, "alice", condatest.Spec{Name: "a", Version: "1"})
		w.publish(alice, p, `[]`)
		reader := w.token("alice", "api:read")
		for _, c := range []struct {
			token, method, path, body string
			want                      int
		}{
			{"", "GET", "/api/user", "", 401},
			{"tm-x-nonsense", "GET", "/api/user", "", 401},
			{"tm-x-nonsense", "GET", "/api/package/alice/a", "", 401}, // a bad credential is never ignored
			{"", "DELETE", p.path("dist"), "", 401},
			{bob, "DELETE", p.path("dist"), "", 403},
			{reader, "DELETE", p.path("dist"), "", 403},
			{bob, "POST", "/api/package/alice/b", `{"public_attrs": {}}`, 403},
			{bob, "PATCH", "/api/package/alice/a", `{"public_attrs": {"summary": "mine"}}`, 403},
			{bob, "POST", "/api/channels/alice/main/lock", "", 403},
			{bob, "GET", "/api/dist/alice/a/1/noarch/absent.conda", "", 404},
			{bob, "GET", "/api/user/nobody", "", 404},
			{bob, "GET", "/api/no/such/call", "", 404},
			{bob, "PUT", "/api/user", "", 405},
			{alice, "POST", "/api/package/alice/b", `{"public_attrs"`, 400},
			{alice, "POST", "/api/package/alice/-b-", `{}`, 400},
		} {
			a := w.send(c.token, c.method, c.path, c.body)
			if a.status != c.want {
				w.Errorf("%s: status %d, want %d: %s", a.request, a.status, c.want, a.body)
			}
			if allow := a.header.Get("Allow"); (a.status == http.StatusMethodNotAllowed) != strings.HasPrefix(allow, "GET, HEAD") {
				w.Errorf("%s: Allow is %q", a.request, allow)
			}
			var body map[string]string
			if err := json.Unmarshal(a.body, &body); err != nil || body["error"] == "" {
				w.Errorf("%s: the error is %s", a.request, a.body)
			}
			if got := a.header.Get("X-Binstar-Api-Version"); got != "" {
				w.Errorf("%s: x-binstar-api-version is %q", a.request, got)
			}
		}
	})
}

// TestUpdates: rattler's PATCH leaves visibility alone, attributes of any JSON
// are kept.
func TestUpdates(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		p := newPack(w, "alice", condatest.Spec{Name: "a", Version: "1"})
		w.publish(alice, p, `[]`)
		a := w.want(http.StatusOK, w.send(alice, "PATCH", "/api/package/alice/a",
			`{"public": false, "publish": true, "public_attrs": {"summary": "new words", "doc_url": ["https://d.example"]}}`)).object(w)
		if diff := cmp.Diff(map[string]any{"public": true, "summary": "new words", "doc_url": "https://d.example"}, only(a, "public", "summary", "doc_url")); diff != "" {
			w.Errorf("package: %s", diff)
		}
		r := w.want(http.StatusOK, w.send(alice, "PATCH", "/api/release/alice/a/1",
			`{"requirements": [], "announce": null, "public_attrs": {"description": "long", "source_git_tag": 8}}`)).object(w)
		attrs, _ := r["public_attrs"].(map[string]any)
		if r["description"] != "long" || attrs["source_git_tag"] != 8.0 {
			w.Errorf("release: %v", r)
		}
		// The body of creation is there already: nothing changes, and no error.
		w.want(http.StatusOK, w.send(alice, "POST", "/api/package/alice/a", `{"public": false, "public_attrs": {"summary": "other"}}`))
		if got := w.send("", "GET", "/api/package/alice/a", "").object(w)["summary"]; got != "new words" {
			w.Errorf("summary %v", got)
		}
	})
}

// TestGroups is every call of `anaconda groups`.
func TestGroups(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		w.organization(alice, "org1")
		w.want(http.StatusOK, w.send(alice, "POST", "/api/package/org1/hush", `{"public": false, "public_attrs": {"summary": "s"}}`))
		w.want(http.StatusCreated, w.send(alice, "POST", "/api/v1/organizations/org1/members", `{"name": "bob"}`))
		w.want(http.StatusNoContent, w.send(alice, "POST", "/api/group/org1/devs", `{"perms": "write"}`))
		w.want(http.StatusNotFound, w.send(alice, "GET", "/api/group/org1/devs/members/bob", ""))
		w.want(http.StatusNoContent, w.send(alice, "PUT", "/api/group/org1/devs/members/bob", ""))
		w.want(http.StatusNoContent, w.send(alice, "GET", "/api/group/org1/devs/members/bob", ""))
		w.want(http.StatusNotFound, w.send(bob, "GET", "/api/package/org1/hush", ""))
		w.want(http.StatusNoContent, w.send(alice, "PUT", "/api/group/org1/devs/packages/hush", ""))
		w.want(http.StatusOK, w.send(bob, "GET", "/api/package/org1/hush", ""))

		groups := w.want(http.StatusOK, w.send(alice, "GET", "/api/groups/org1", "")).object(w)["groups"].([]any)
		names := []string{}
		for _, g := range groups {
			names = append(names, g.(map[string]any)["name"].(string))
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"devs", "owners"}) {
			w.Errorf("groups: %v", names)
		}
		g := w.want(http.StatusOK, w.send(alice, "GET", "/api/group/org1/devs", "")).object(w)
		if diff := cmp.Diff(map[string]any{"name": "devs", "permission": "write", "members_count": 1.0, "repos_count": 1.0},
			only(g, "name", "permission", "members_count", "repos_count")); diff != "" {
			w.Errorf("group: %s", diff)
		}
		packages := decode[[]map[string]any](w, w.want(http.StatusOK, w.send(alice, "GET", "/api/group/org1/devs/packages", "")))
		if len(packages) != 1 || packages[0]["full_name"] != "org1/hush" {
			w.Errorf("packages: %v", packages)
		}
		people := decode[[]map[string]any](w, w.want(http.StatusOK, w.send(alice, "GET", "/api/group/org1/devs/members", "")))
		if len(people) != 1 {
			w.Fatalf("members: %v", people)
		}
		needs(w, people[0], "login", "name") // the client fails without either
		w.want(http.StatusNoContent, w.send(alice, "DELETE", "/api/group/org1/devs/packages/hush", ""))
		w.want(http.StatusNotFound, w.send(bob, "GET", "/api/package/org1/hush", ""))
		w.want(http.StatusNoContent, w.send(alice, "DELETE", "/api/group/org1/devs/members/bob", ""))
		members := w.want(http.StatusOK, w.send(alice, "GET", "/api/group/org1/devs/members", ""))
		if string(members.body) != "[]" {
			w.Errorf("members: %s", members.body)
		}
	})
}

// TestNotices follows a notice from draft to what conda reads.
func TestNotices(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		shown := func() int {
			w.Helper()
			return len(w.want(http.StatusOK, w.bytes("GET", "/conda/alice/notices.json", nil)).object(w)["notices"].([]any))
		}
		w.want(http.StatusForbidden, w.send(bob, "POST", "/api/alice/notices", `{"message": "hi"}`))
		w.want(http.StatusBadRequest, w.send(alice, "POST", "/api/alice/notices", `{"message": "two\nlines"}`))
		w.want(http.StatusBadRequest, w.send(alice, "POST", "/api/alice/notices", `{"message": "hi", "level": "shrill"}`))
		n := w.want(http.StatusCreated, w.send(alice, "POST", "/api/alice/notices",
			`{"message": "hi there", "level": "warning", "expires_at": "2096-11-23T08:34:10+00:00"}`)).object(w)
		needs(w, n, "id", "owner_id", "message", "level", "status", "created_at", "updated_at", "expires_at")
		if got := n["expires_at"]; got != "2096-11-23T08:34:10+00:00" {
			w.Errorf("expires_at %v", got)
		}
		at := "/api/alice/notices/" + n["id"].(string)
		if got := shown(); got != 0 {
			w.Errorf("a draft is shown")
		}
		for range 2 { // publishing twice is no error
			w.want(http.StatusOK, w.send(alice, "POST", at+"/publish", ""))
		}
		if got := shown(); got != 1 {
			w.Errorf("%d notices are shown", got)
		}
		w.want(http.StatusOK, w.send(alice, "PATCH", at, `{"message": "new words"}`))
		list := w.want(http.StatusOK, w.send(alice, "GET", "/api/alice/notices?offset=0&limit=20", "")).object(w)
		if items := list["items"].([]any); list["total_count"] != 1.0 || items[0].(map[string]any)["message"] != "new words" {
			w.Errorf("notices: %v", list)
		}
		w.want(http.StatusOK, w.send(alice, "POST", at+"/archive", ""))
		w.want(http.StatusNoContent, w.send(alice, "DELETE", at, ""))
		w.want(http.StatusNotFound, w.send(alice, "POST", at+"/publish", ""))
		w.want(http.StatusForbidden, w.send(bob, "GET", "/api/alice/notices", ""))
		if got := shown(); got != 0 {
			w.Errorf("a deleted notice is shown")
		}
	})
}
