package app_test

import (
	"bytes"
	"context"
	"encoding/json/v2"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/app"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

// beginning sends the head of a request and half of its body, and gives what sends the
// rest and reads the answer.
func beginning(t *testing.T, a *apptest.App, method, path string, header map[string]string, body []byte) (rest func() *apptest.Answer) {
	t.Helper()
	arrived, more := make(chan struct{}), make(chan struct{})
	req, err := http.NewRequestWithContext(t.Context(), method, a.Base+path, &halting{data: body, at: len(body) / 2, arrived: arrived, rest: more})
	must(t, err)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	type outcome struct {
		answer *apptest.Answer
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			done <- outcome{err: err}
			return
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		done <- outcome{&apptest.Answer{Method: method, Path: path, Status: resp.StatusCode, Header: resp.Header, Body: got}, err}
	}()
	<-arrived
	return func() *apptest.Answer {
		t.Helper()
		close(more)
		o := <-done
		must(t, o.err)
		return o.answer
	}
}

// reason is the word of a problem, or of an error of the anaconda.org API.
func reason(a *apptest.Answer) string {
	var said struct {
		Reason string `json:"reason"`
		Error  string `json:"error"`
	}
	if json.Unmarshal(a.Body, &said) != nil {
		return string(a.Body)
	}
	return said.Reason + said.Error
}

// TestRightsLostWhileUploading: an upload that is running when its token ends or its
// maker loses the right to publish is refused at its end as a new one is, by every door,
// and nothing of it stays. One whose maker keeps the right is published.
func TestRightsLostWhileUploading(t *testing.T) {
	a := apptest.New(t)
	ctx := t.Context()
	root, olga := a.Operator(t, "root"), a.User(t, "olga")
	a.Org(t, "acme", olga)
	var ana *apptest.Person
	token := func(n account.NewToken) string { return ana.NewToken(t, n) }
	type way struct {
		name   string
		token  func() string // "" for the session
		lose   func()
		status int // 0: it is published
	}
	ways := []way{
		{"revoked", func() string { return token(account.NewToken{Name: "ci"}) }, func() { must(t, a.Accounts.RevokeToken(ctx, ana.Actor(t), "", "ci")) }, http.StatusUnauthorized},
		{"ended", func() string { return token(account.NewToken{Name: "short", MaxAge: time.Hour}) }, func() { a.Clock.Pass(time.Hour + time.Minute) }, http.StatusUnauthorized},
		{"disabled", func() string { return ana.Token }, func() { must(t, a.Accounts.DisableUser(ctx, root.Actor(t), ana.Name)) }, http.StatusUnauthorized},
		{"removed", func() string { return ana.Token }, func() { must(t, a.Accounts.RemoveMember(ctx, olga.Actor(t), "acme", ana.Name)) }, http.StatusForbidden},
		{"lowered", func() string { return ana.Token }, func() { must(t, a.Accounts.SetRole(ctx, olga.Actor(t), "acme", ana.Name, access.RoleMember)) }, http.StatusForbidden},
		{"signed out", func() string { return "" }, func() { must(t, a.Accounts.EndSession(ctx, access.Anonymous("127.0.0.1"), ana.Cookie)) }, http.StatusUnauthorized},
		{"others", func() string { return ana.Token }, func() { a.User(t, "other"+ana.Name) }, 0},
	}
	spec := condatest.Spec{Name: "soil"}
	data := condatest.Make(t, spec)
	doors := []struct {
		name, method, path string
		header             map[string]string
		session            bool // opens it as well
	}{
		{"conda", "PUT", "/conda/acme/main/noarch/" + spec.FileName(), map[string]string{}, false},
		{"v1", "POST", "/api/v1/upload/acme", map[string]string{"X-File-Name": spec.FileName()}, true},
	}
	n := 0
	for _, door := range doors {
		for _, w := range ways {
			if w.name == "signed out" && !door.session {
				continue
			}
			t.Run(door.name+" "+w.name, func(t *testing.T) {
				n++
				ana = a.User(t, "ana"+string(rune('a'+n)))
				must(t, a.Accounts.AddMember(ctx, olga.Actor(t), "acme", ana.Name, access.RoleAdministrator))
				header := map[string]string{}
				for name, value := range door.header {
					header[name] = value
				}
				if secret := w.token(); secret != "" {
					header["Authorization"] = "token " + secret
				} else {
					header["Cookie"] = a.CookieName() + "=" + ana.Cookie
				}
				rest := beginning(t, a, door.method, door.path, header, data)
				w.lose()
				late := rest()
				if w.status == 0 {
					if late.Status != http.StatusCreated {
						t.Fatalf("%s", late)
					}
					return
				}
				fresh := a.Do(t, door.method, door.path, apptest.Request{Header: header, Body: data})
				// A request with the cookie of a session that ended is one of nobody.
				same := w.name == "signed out" || reason(late) == reason(fresh)
				if late.Status != w.status || fresh.Status != w.status || !same {
					t.Errorf("at its end: %s\na new one: %s", late, fresh)
				}
				if doc := a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{}); strings.Contains(string(doc.Body), spec.FileName()) {
					t.Error("it is published")
				}
				if _, err := a.Sweep(ctx, access.System(), app.Sweeping{Grace: time.Nanosecond}); err != nil {
					t.Fatal(err)
				}
				if stored := a.Stored(t); len(stored) > 0 {
					t.Errorf("its bytes are kept: %v", stored)
				}
			})
		}
		_, err := a.Registry.DeleteFile(ctx, olga.Actor(t), "acme", "soil", "1.0", "noarch/"+spec.FileName())
		must(t, err)
		a.Clock.Pass(15 * 24 * time.Hour)
		_, err = a.Sweep(ctx, access.System(), app.Sweeping{Grace: time.Nanosecond})
		must(t, err)
	}
}

// TestRightsLostWhileCommitting: the last of the classic five calls judges when it
// writes, too.
func TestRightsLostWhileCommitting(t *testing.T) {
	a := apptest.New(t)
	ctx := t.Context()
	olga, ana := a.User(t, "olga"), a.User(t, "ana")
	a.Org(t, "acme", olga)
	must(t, a.Accounts.AddMember(ctx, olga.Actor(t), "acme", "ana", access.RoleAdministrator))
	post := func(path, body string) *apptest.Answer {
		t.Helper()
		return a.Want(t, http.StatusOK, "POST", path, apptest.Request{Token: ana.Token, Body: []byte(body)})
	}
	post("/api/package/acme/soil", `{"public": true, "public_attrs": {"package_types": ["conda"]}}`)
	post("/api/release/acme/soil/1.0", `{"requirements": []}`)
	spec := condatest.Spec{Name: "soil"}
	path := "acme/soil/1.0/noarch/" + spec.FileName()
	var staged struct {
		PostURL string `json:"post_url"`
		DistID  string `json:"dist_id"`
	}
	post("/api/stage/"+path, `{"distribution_type": "conda", "attrs": {}, "channels": ["main"]}`).JSON(t, &staged)
	body, kind := storageForm(t, condatest.Make(t, spec))
	a.Want(t, http.StatusCreated, "POST", strings.TrimPrefix(staged.PostURL, a.Base), apptest.Request{Body: body, Type: kind})

	commit := []byte(`{"dist_id":"` + staged.DistID + `"}`)
	header := map[string]string{"Authorization": "token " + ana.Token, "Content-Type": "application/json"}
	rest := beginning(t, a, "POST", "/api/commit/"+path, header, commit)
	must(t, a.Accounts.SetRole(ctx, olga.Actor(t), "acme", "ana", access.RoleMember))
	late, fresh := rest(), a.Do(t, "POST", "/api/commit/"+path, apptest.Request{Header: header, Body: commit})
	if late.Status != http.StatusForbidden || fresh.Status != late.Status || !bytes.Equal(late.Body, fresh.Body) {
		t.Errorf("at its end: %s\na new one: %s", late, fresh)
	}
	must(t, a.Accounts.SetRole(ctx, olga.Actor(t), "acme", "ana", access.RoleAdministrator))
	a.Want(t, http.StatusOK, "POST", "/api/commit/"+path, apptest.Request{Header: header, Body: commit})
}

// TestRightsLostInLargeChange: an import whose maker loses the right while it is loaded
// does not become current; what is as large and begins afterwards with the actor of
// before neither.
func TestRightsLostInLargeChange(t *testing.T) {
	a := apptest.New(t)
	ctx := context.WithoutCancel(t.Context())
	olga, ana := a.User(t, "olga"), a.User(t, "ana")
	a.Org(t, "acme", olga)
	ana.Upload(t, "ana", condatest.Spec{Name: "soil"}, "")
	for what, lose := range map[string]func() errs.Kind{
		"removed": func() errs.Kind {
			must(t, a.Accounts.RemoveMember(ctx, olga.Actor(t), "acme", "ana"))
			return errs.Forbidden
		},
		"revoked": func() errs.Kind {
			must(t, a.Accounts.RevokeToken(ctx, ana.Actor(t), "", "test"))
			return errs.Unauthenticated
		},
	} {
		t.Run(what, func(t *testing.T) {
			ana.Token = ana.NewToken(t, account.NewToken{Name: "test", Replace: true})
			if role, err := roleIn(a, "acme", ana.ID); err != nil || role == "" {
				must(t, a.Accounts.AddMember(ctx, olga.Actor(t), "acme", "ana", access.RoleAdministrator))
			}
			actor := ana.Actor(t)
			var want errs.Kind
			var once sync.Once
			_, err := a.Registry.Import(ctx, actor, "acme", "main", registry.ImportSource{
				Files: channelOf(t, 100), Subdirs: []string{"noarch"}, MetadataOnly: true, BaseURL: "https://channel.example", Name: what,
			}, func(string, int) { once.Do(func() { want = lose() }) })
			if !errs.Is(err, want) {
				t.Errorf("the import ends with %v", err)
			}
			if doc := a.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{}); strings.Contains(string(doc.Body), "p00001") {
				t.Error("it is visible")
			}
		})
	}
}
