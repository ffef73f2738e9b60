package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/condatest"
	"terrarium/internal/web"
)

func bearer(token string) header { return header{"Authorization", "Bearer " + token} }

func digest(b []byte) string {
	d := sha256.Sum256(b)
	return hex.EncodeToString(d[:])
}

// upload sends bytes in one request.
func (w *world) upload(token, path, name string, b []byte, headers ...header) answer {
	w.Helper()
	return w.bytes("POST", path, b, append(headers, bearer(token), header{"X-File-Name", name})...)
}

// TestUploadInOneRequest: new, equal, other and forced bytes, and the checks of
// what was declared.
func TestUploadInOneRequest(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		spec := condatest.Spec{Name: "a", Version: "1"}
		b := condatest.Make(w, spec)
		spec.Summary = "other bytes"
		other := condatest.Make(w, spec)

		made := w.want(http.StatusCreated, w.upload(alice, "/api/v1/upload/alice", spec.FileName(), b, header{"X-File-SHA256", digest(b)}))
		if got, want := made.header.Get("Location"), w.url+"/api/v1/files/alice/main/noarch/"+spec.FileName(); got != want {
			w.Errorf("Location %q, want %q", got, want)
		}
		if got, want := made.object(w)["url"], w.url+"/conda/alice/noarch/"+spec.FileName(); got != want {
			w.Errorf("url %v, want %v", got, want)
		}
		w.want(http.StatusOK, w.upload(alice, "/api/v1/upload/alice", spec.FileName(), b))
		conflict := w.want(http.StatusConflict, w.upload(alice, "/api/v1/upload/alice", spec.FileName(), other))
		if got := conflict.header.Get("Content-Type"); got != "application/problem+json" {
			w.Errorf("the refusal is %s", got)
		}
		needs(w, conflict.object(w), "message", "reason", "detail", "status")
		w.want(http.StatusCreated, w.upload(alice, "/api/v1/upload/alice?force=true", spec.FileName(), other))
		file := w.want(http.StatusOK, w.send(alice, "GET", "/api/v1/files/alice/main/noarch/"+spec.FileName(), "")).object(w)
		if got := file["sha256"]; got != digest(other) {
			w.Errorf("the file has %v, want the forced bytes", got)
		}

		for name, a := range map[string]answer{
			"digest":  w.upload(alice, "/api/v1/upload/alice/dev", spec.FileName(), b, header{"X-File-SHA256", digest(other)}),
			"hex":     w.upload(alice, "/api/v1/upload/alice/dev", spec.FileName(), b, header{"X-File-SHA256", "abc"}),
			"md5":     w.upload(alice, "/api/v1/upload/alice/dev", spec.FileName(), b, header{"Content-MD5", "AAAA"}),
			"archive": w.upload(alice, "/api/v1/upload/alice/dev", spec.FileName(), []byte("no archive")),
			"flag":    w.upload(alice, "/api/v1/upload/alice/dev?force=perhaps", spec.FileName(), b),
			"name":    w.upload(alice, "/api/v1/upload/alice/dev", "", b),
		} {
			if a.status != http.StatusUnprocessableEntity {
				w.Errorf("%s: status %d: %s", name, a.status, a.body)
			}
		}
		w.want(http.StatusRequestEntityTooLarge, w.upload(alice, "/api/v1/upload/alice", spec.FileName(), make([]byte, 1<<20+1)))
		w.want(http.StatusForbidden, w.upload(bob, "/api/v1/upload/alice", spec.FileName(), b))
		w.want(http.StatusUnauthorized, w.bytes("POST", "/api/v1/upload/alice", b, header{"X-File-Name", spec.FileName()}))
		w.want(http.StatusNotFound, w.upload(alice, "/api/v1/upload/nobody", spec.FileName(), b))
	})
}

// TestUploadForm is the form of prefix.dev's uploaders: what is said about the
// file stands in the headers of its part.
func TestUploadForm(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		spec := condatest.Spec{Name: "a", Version: "1", Subdir: "linux-64"}
		b := condatest.Make(w, spec)
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="file"; filename="` + spec.FileName() + `"`},
			"X-File-Name":         {spec.FileName()}, "X-File-Sha256": {digest(b)}, "Content-Length": {fmt.Sprint(len(b))},
		})
		if err != nil {
			w.Fatal(err)
		}
		if _, err := part.Write(b); err != nil {
			w.Fatal(err)
		}
		if err := form.Close(); err != nil {
			w.Fatal(err)
		}
		w.want(http.StatusCreated, w.bytes("POST", "/api/v1/upload/alice/some/dev", body.Bytes(),
			header{"Content-Type", form.FormDataContentType()}, bearer(alice)))
		if got := w.listed("", "alice/some/dev", "linux-64"); !slices.Equal(got, []string{spec.FileName()}) {
			w.Errorf("the channel lists %v", got)
		}
	})
}

// TestPut is the upload at the address where the file will be found.
func TestPut(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		spec := condatest.Spec{Name: "a", Version: "1"}
		b := condatest.Make(w, spec)
		put := func(path string, headers ...header) answer {
			return w.bytes("PUT", path, b, append(headers, bearer(alice))...)
		}
		w.want(http.StatusCreated, put("/conda/alice/noarch/"+spec.FileName(), header{"X-Checksum-Sha256", digest(b)}))
		w.want(http.StatusOK, put("/conda/alice/main/noarch/"+spec.FileName()))
		w.want(http.StatusUnprocessableEntity, put("/conda/alice/dev/linux-64/"+spec.FileName())) // not what the archive says
		w.want(http.StatusUnprocessableEntity, put("/conda/alice/"+spec.FileName()))
		got := w.bytes("GET", "/conda/alice/noarch/"+spec.FileName(), nil)
		if !bytes.Equal(got.body, b) {
			w.Errorf("other bytes come back: %d %d bytes", got.status, len(got.body))
		}
	})
}

// TestV1Lists walks the pages of a list by its links.
func TestV1Lists(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			spec := condatest.Spec{Name: name, Version: "1"}
			w.want(http.StatusCreated, w.upload(alice, "/api/v1/upload/alice/"+name, spec.FileName(), condatest.Make(w, spec)))
		}
		walk := func(path string) (names []string) {
			for pages := 0; path != "" && pages < 10; pages++ {
				a := w.want(http.StatusOK, w.send(alice, "GET", path, ""))
				for _, item := range a.object(w)["items"].([]any) {
					names = append(names, item.(map[string]any)["name"].(string))
				}
				path, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
			}
			return names
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, walk("/api/v1/packages?owner=alice&limit=2")); diff != "" {
			w.Errorf("packages: %s", diff)
		}
		if diff := cmp.Diff([]string{"main", "a", "b", "c", "d", "e"}, walk("/api/v1/channels?owner=alice&limit=2")); diff != "" {
			w.Errorf("channels: %s", diff)
		}
		if diff := cmp.Diff([]string{"test"}, walk("/api/v1/tokens")); diff != "" {
			w.Errorf("tokens: %s", diff)
		}
	})
}

// TestV1Files withdraws, deletes and restores; what conda sees follows.
func TestV1Files(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		spec := condatest.Spec{Name: "a", Version: "1"}
		w.want(http.StatusCreated, w.upload(alice, "/api/v1/upload/alice/a/b", spec.FileName(), condatest.Make(w, spec)))
		file := "/api/v1/files/alice/a/b/noarch/" + spec.FileName()
		shows := func(want int) {
			w.Helper()
			if got := w.listed("", "alice/a/b", "noarch"); len(got) != want {
				w.Errorf("the channel lists %v, want %d", got, want)
			}
		}
		w.want(http.StatusForbidden, w.send(bob, "PATCH", file, `{"withdrawn": true}`))
		w.want(http.StatusOK, w.send(alice, "PATCH", file, `{"withdrawn": true, "why": "broken"}`))
		shows(0)
		w.want(http.StatusOK, w.send(alice, "PATCH", file, `{"withdrawn": false}`))
		shows(1)
		w.want(http.StatusForbidden, w.send(bob, "DELETE", file, ""))
		w.want(http.StatusNoContent, w.send(alice, "DELETE", file, ""))
		shows(0)
		w.want(http.StatusNotFound, w.send(alice, "GET", file, ""))
		trash := w.want(http.StatusOK, w.send(alice, "GET", "/api/v1/trash/alice", "")).object(w)["items"].([]any)
		id := trash[0].(map[string]any)["id"].(string)
		w.want(http.StatusForbidden, w.send(bob, "POST", "/api/v1/trash/alice/"+id+"/restore", ""))
		w.want(http.StatusNotFound, w.send(bob, "POST", "/api/v1/trash/bob/"+id+"/restore", ""))
		w.want(http.StatusOK, w.send(alice, "POST", "/api/v1/trash/alice/"+id+"/restore", ""))
		shows(1)
	})
}

// TestV1Settings makes and changes a package, a channel, and people.
func TestV1Settings(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		made := w.want(http.StatusCreated, w.send(alice, "POST", "/api/v1/channels", `{"owner": "alice", "name": "in/side", "visibility": "private"}`))
		at, _ := strings.CutPrefix(made.header.Get("Location"), w.url)
		if at != "/api/v1/channels/alice/in/side" {
			w.Errorf("Location %q", at)
		}
		w.want(http.StatusConflict, w.send(alice, "POST", "/api/v1/channels", `{"owner": "alice", "name": "in/side"}`))
		w.want(http.StatusNotFound, w.send("", "GET", at, ""))
		c := w.want(http.StatusOK, w.send(alice, "PATCH", at, `{"visibility": "public", "locked": true, "replace": "never"}`)).object(w)
		if diff := cmp.Diff(map[string]any{"visibility": "public", "locked": true, "replace": "never"}, only(c, "visibility", "locked", "replace")); diff != "" {
			w.Errorf("channel: %s", diff)
		}
		w.want(http.StatusOK, w.send("", "GET", at, ""))

		w.want(http.StatusCreated, w.send(alice, "POST", "/api/v1/packages", `{"owner": "alice", "name": "p", "summary": "s"}`))
		w.want(http.StatusConflict, w.send(alice, "POST", "/api/v1/packages", `{"owner": "alice", "name": "p"}`))
		w.want(http.StatusOK, w.send("", "GET", "/api/v1/packages/alice/p", ""))
		w.want(http.StatusOK, w.send(alice, "PATCH", "/api/v1/packages/alice/p", `{"visibility": "private"}`))
		w.want(http.StatusNotFound, w.send("", "GET", "/api/v1/packages/alice/p", ""))
		w.want(http.StatusNoContent, w.send(alice, "DELETE", "/api/v1/packages/alice/p", ""))

		w.organization(alice, "org1")
		mine := w.want(http.StatusOK, w.send(alice, "GET", "/api/v1/organizations", "")).object(w)["items"].([]any)
		if len(mine) != 1 || mine[0].(map[string]any)["role"] != "owner" {
			w.Errorf("organisations: %v", mine)
		}
		w.want(http.StatusNotFound, w.send(alice, "GET", "/api/v1/organizations/alice", ""))
		me := w.want(http.StatusOK, w.send(alice, "GET", "/api/v1/users/me", "")).object(w)
		if me["name"] != "alice" || me["email"] != "alice@example.com" {
			w.Errorf("me: %v", me)
		}
		w.want(http.StatusForbidden, w.send(alice, "GET", "/api/v1/users", ""))
		log := w.want(http.StatusOK, w.send(alice, "GET", "/api/v1/audit?action=channel.", "")).object(w)["items"].([]any)
		if len(log) == 0 || log[0].(map[string]any)["actor"] != "alice" {
			w.Errorf("audit: %v", log)
		}
		w.want(http.StatusForbidden, w.send(alice, "GET", "/api/v1/audit?owner=*", ""))
		w.want(http.StatusUnauthorized, w.send("", "GET", "/api/v1/audit", ""))
	})
}

// TestV1Operator is what an operator does with accounts.
func TestV1Operator(t *testing.T) {
	each(t, func(w *world) {
		if _, err := w.people.CreateUser(w.Context(), access.System(), account.NewUser{Name: "root1", Email: "root1@example.com", Operator: true}); err != nil {
			w.Fatal(err)
		}
		op := w.token("root1")
		w.want(http.StatusCreated, w.send(op, "POST", "/api/v1/users", `{"name": "carol", "email": "carol@example.com", "password": "`+password+`"}`))
		w.want(http.StatusConflict, w.send(op, "POST", "/api/v1/users", `{"name": "carol", "email": "other@example.com"}`))
		carol := w.token("carol")
		w.want(http.StatusOK, w.send(carol, "GET", "/api/v1/users/me", ""))
		w.want(http.StatusOK, w.send(op, "PATCH", "/api/v1/users/carol", `{"disabled": true}`))
		w.want(http.StatusUnauthorized, w.send(carol, "GET", "/api/v1/users/me", ""))
		w.want(http.StatusOK, w.send(op, "PATCH", "/api/v1/users/carol", `{"disabled": false}`))
		all := w.want(http.StatusOK, w.send(op, "GET", "/api/v1/users?limit=1", ""))
		if got := all.header.Get("Link"); !strings.Contains(got, `rel="next"`) {
			w.Errorf("Link %q", got)
		}
		w.want(http.StatusOK, w.send(op, "GET", "/api/v1/audit?owner=*", ""))
	})
}

// TestIdempotency: the same POST again changes nothing and gives the same
// answer, without the secret.
func TestIdempotency(t *testing.T) {
	each(t, func(w *world) {
		alice, bob := w.user("alice"), w.user("bob")
		key := header{"Idempotency-Key", "3f2a"}
		add := func(token, name string) answer {
			return w.send(token, "POST", "/api/v1/tokens", `{"name": "`+name+`"}`, key)
		}
		first := w.want(http.StatusCreated, add(alice, "ci"))
		again := w.want(http.StatusCreated, add(alice, "ci"))
		if first.header.Get("Location") != again.header.Get("Location") || again.header.Get("Idempotent-Replayed") != "true" {
			w.Errorf("the second answer has %v", again.header)
		}
		secret, _ := first.object(w)["token"].(string)
		if secret == "" || strings.Contains(string(again.body), secret) {
			w.Errorf("first %s, again %s", first.body, again.body)
		}
		if first.object(w)["id"] != again.object(w)["id"] {
			w.Errorf("first %s, again %s", first.body, again.body)
		}
		w.want(http.StatusUnprocessableEntity, add(alice, "another"))
		w.want(http.StatusCreated, add(bob, "ci")) // keys are of one person
		// What failed is tried again.
		key.value = "4b"
		w.want(http.StatusConflict, add(alice, "ci"))
		w.want(http.StatusNoContent, w.send(alice, "DELETE", "/api/v1/tokens/ci", ""))
		w.want(http.StatusCreated, add(alice, "ci"))
	})
}

// TestProblems: whatever is wrong under /api/v1, the body is a problem document
// with a sentence, and says which member it means.
func TestProblems(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		for _, c := range []struct {
			token, method, path, body string
			want                      int
			field                     string
		}{
			{"", "GET", "/api/v1/users/me", "", 401, ""},
			{"tm-x", "GET", "/api/v1/packages", "", 401, ""},
			{alice, "GET", "/api/v1/nothing", "", 404, ""},
			{alice, "GET", "/api/v1/packages/alice/none", "", 404, ""},
			{alice, "GET", "/api/v1/packages?limit=0", "", 422, "query.limit"},
			{alice, "GET", "/api/v1/channels", "", 422, "query.owner"},
			{alice, "POST", "/api/v1/organizations", `{"email": "x@example.com"}`, 422, "body"},
			{alice, "POST", "/api/v1/organizations", `{"name": 7, "email": "x@example.com"}`, 422, "name"},
			{alice, "POST", "/api/v1/organizations", `{`, 422, "body"},
			{alice, "POST", "/api/v1/organizations", `{"name": "-", "email": "x@example.com"}`, 422, ""},
			{alice, "PUT", "/api/v1/organizations", `{}`, 405, ""},
		} {
			a := w.send(c.token, c.method, c.path, c.body)
			if a.status != c.want || a.header.Get("Content-Type") != "application/problem+json" {
				w.Errorf("%s %s: %d %s, want %d: %s", a.request, c.body, a.status, a.header.Get("Content-Type"), c.want, a.body)
				continue
			}
			o := a.object(w)
			needs(w, o, "type", "title", "status", "detail", "message", "reason")
			if allow := a.header.Get("Allow"); (c.want == http.StatusMethodNotAllowed) != (allow == "GET, HEAD, POST") {
				w.Errorf("%s: Allow is %q", a.request, allow)
			}
			if got, _ := o["field"].(string); c.field != "" && got != c.field {
				w.Errorf("%s %s: field %q, want %q: %s", a.request, c.body, got, c.field, a.body)
			}
		}
	})
}

// TestOpenAPI: the description names every route of /api/v1 that it serves.
func TestOpenAPI(t *testing.T) {
	each(t, func(w *world) {
		doc := w.want(http.StatusOK, w.send("", "GET", "/api/v1/openapi.json", "")).object(w)
		if got := doc["openapi"]; got != "3.1.0" {
			w.Errorf("openapi %v", got)
		}
		operations := 0
		for path, methods := range doc["paths"].(map[string]any) {
			if !strings.HasPrefix(path, "/api/v1/") {
				w.Errorf("the description has %s", path)
			}
			operations += len(methods.(map[string]any))
		}
		served := 0
		for _, r := range w.face.Routes() {
			if strings.HasPrefix(r.Pattern, "/api/v1/") && !strings.HasPrefix(r.Pattern, "/api/v1/upload/") && r.Pattern != "/api/v1/openapi.json" {
				served++
			}
		}
		if operations != served || operations == 0 {
			w.Errorf("the description has %d operations, the table %d", operations, served)
		}
	})
}

// TestRoutes: every line of the table says who it serves, and no address is
// there twice.
func TestRoutes(t *testing.T) {
	each(t, func(w *world) {
		known := []web.Who{web.Anybody, web.Reader, web.Writer, web.Admin, web.Member, web.Person, web.Operator, web.SecretLink}
		seen := map[string]bool{}
		for _, r := range w.face.Routes() {
			at := r.Method + " " + r.Pattern
			if !slices.Contains(known, r.Who) || r.Handle == nil {
				w.Errorf("%s serves %q", at, r.Who)
			}
			if seen[at] {
				w.Errorf("%s is there twice", at)
			}
			seen[at] = true
			if r.Mutates == (r.Method == http.MethodGet) {
				w.Errorf("%s: Mutates is %v", at, r.Mutates)
			}
		}
	})
}
