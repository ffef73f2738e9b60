package condahttp_test

import (
	"net/http"
	"strings"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// problem is what conda reads of a refusal.
type problem struct {
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
}

func TestWhoMayRead(t *testing.T) {
	w := newWorld(t)
	noScope, unknown, expired := w.narrow(t, "api:read"), "tm-user-0123456789abcdefghijkl-000000", w.expired(t)
	const hidden = "This channel is private or does not exist."
	for _, c := range []struct {
		name, token, channel string
		want                 int
		says                 string // in the detail
	}{
		{"nobody, public", "", "acme", 200, ""},
		{"nobody, private", "", "acme/secret", 401, hidden},
		{"nobody, internal", "", "acme/inner", 401, hidden},
		{"nobody, absent", "", "acme/absent", 401, hidden},
		{"nobody, absent below label", "", "acme/label/absent/one", 401, hidden},
		{"nobody, no such owner", "", "nobody-is-this", 404, "nobody-is-this"},
		{"nobody, public beside something private", "", "half", 200, ""},
		{"nobody, mirror", "", "main", 401, hidden},
		{"stranger, public", w.carol.Token, "acme", 200, ""},
		{"stranger, private", w.carol.Token, "acme/secret", 404, ""},
		{"stranger, internal", w.carol.Token, "acme/inner", 404, ""},
		{"stranger, absent", w.carol.Token, "acme/absent", 404, ""},
		{"stranger, mirror", w.carol.Token, "main", 200, ""},
		{"member without a grant", w.bob.Token, "acme/secret", 403, "no grant"},
		{"member, internal", w.bob.Token, "acme/inner", 200, ""},
		{"member, absent", w.bob.Token, "acme/absent", 404, ""},
		{"owner", w.alice.Token, "acme/secret", 200, ""},
		{"owner, absent", w.alice.Token, "acme/absent", 404, ""},
		{"owner's token without the scope", noScope, "acme/secret", 403, "conda:download"},
		{"owner's token without the scope, public", noScope, "acme", 200, ""},
		{"unknown token, public", unknown, "acme", 200, ""},
		{"expired token, public", expired, "acme", 200, ""},
		{"unknown token, private", unknown, "acme/secret", 401, "token"},
		{"expired token, private", expired, "acme/secret", 401, "ended on"},
		{"unknown token, absent", unknown, "acme/absent", 401, "token"},
		{"unknown token, public beside something private", unknown, "half", 401, "token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := "/conda/" + c.channel
			for _, path := range []string{base + "/noarch/repodata.json", base + "/noarch/repodata.json.zst", base + "/noarch/repodata_shards.msgpack.zst", base + "/channeldata.json", base + "/rss.xml", base} {
				got := w.get(t, c.token, path)
				if got.Status != c.want {
					t.Errorf("%s; want %d", got, c.want)
				}
				if challenge := got.Header.Get("WWW-Authenticate"); strings.HasPrefix(challenge, "Bearer ") != (c.want == 401) {
					t.Errorf("%s: WWW-Authenticate %q", got, challenge)
				}
				if got.Status < 400 {
					continue
				}
				var p problem
				got.JSON(t, &p)
				if p.Status != c.want || p.Detail == "" || p.Detail != p.Message || p.Reason == "" || !strings.Contains(p.Detail, c.says) {
					t.Errorf("%s: want a detail with %q, the same message and a reason", got, c.says)
				}
				if typ := got.Header.Get("Content-Type"); typ != "application/problem+json" {
					t.Errorf("%s: Content-Type %q", got, typ)
				}
				if cc := got.Header.Get("Cache-Control"); cc != "no-store" {
					t.Errorf("%s: Cache-Control %q", got, cc)
				}
			}
			for _, name := range []string{"notices.json", "terms.json"} {
				if got := w.get(t, c.token, base+"/"+name); got.Status == 401 || got.Status == 403 {
					t.Errorf("%s; it asks nobody who they are", got)
				}
			}
		})
	}
}

// Nobody can tell what is private from what is absent.
func TestPrivateLooksAbsent(t *testing.T) {
	w := newWorld(t)
	for _, token := range []string{"", w.carol.Token} {
		for _, path := range []string{"", "/noarch/repodata.json", "/noarch/in-secret-1.0-0.conda", "/noarch/none-1.0-0.conda", "/notices.json", "/channeldata.json", "/at/1/noarch/repodata.json"} {
			private, absent := w.get(t, token, "/conda/acme/secret"+path), w.get(t, token, "/conda/acme/absent"+path)
			if private.Status != absent.Status || strings.ReplaceAll(string(private.Body), "secret", "absent") != string(absent.Body) {
				t.Errorf("%s\n%s\ndiffer", private, absent)
			}
		}
	}
	for _, path := range []string{"/conda/half/noarch/shut-1.0-0.conda", "/conda/half/noarch/none-1.0-0.conda"} {
		if got := w.get(t, "", path); got.Status != http.StatusNotFound {
			t.Errorf("%s; want 404, since the channel is open", got)
		}
	}
}

// A right that is given or taken shows at the next request.
func TestRightsAtOnce(t *testing.T) {
	w := newWorld(t)
	ch, err := w.Registry.Channel(t.Context(), w.alice.Actor(t), "acme", "secret")
	if err != nil {
		t.Fatal(err)
	}
	object := access.Object{OwnerID: ch.OwnerID, OwnerName: ch.OwnerName, OwnerKind: ch.OwnerKind, ChannelID: ch.ID, Channel: ch.Name, Visibility: ch.Visibility}
	bob := account.Subject{Kind: "user", Name: "bob"}
	const path = "/conda/acme/secret/noarch/repodata.json"
	if got := w.get(t, w.bob.Token, path); got.Status != http.StatusForbidden {
		t.Fatalf("%s; want 403", got)
	}
	if err := w.Accounts.Grant(t.Context(), w.alice.Actor(t), bob, object, access.Read); err != nil {
		t.Fatal(err)
	}
	allowed := w.get(t, w.bob.Token, path)
	if allowed.Status != http.StatusOK {
		t.Fatalf("%s; want 200 after the grant", allowed)
	}
	if err := w.Accounts.Revoke(t.Context(), w.alice.Actor(t), bob, object); err != nil {
		t.Fatal(err)
	}
	if got := w.get(t, w.bob.Token, path, "If-None-Match", allowed.Header.Get("ETag")); got.Status != http.StatusForbidden {
		t.Errorf("%s; want 403 after the grant is gone, whatever is kept", got)
	}
}

func TestWaysToShowAToken(t *testing.T) {
	w := newWorld(t)
	const rest = "acme/secret/noarch/repodata.json"
	for _, prefix := range []string{"/conda/", "/repo/"} {
		for _, via := range []apptest.Via{apptest.Token, apptest.Bearer, apptest.Basic, apptest.Path} {
			w.Want(t, http.StatusOK, "GET", prefix+rest, apptest.Request{Token: w.alice.Token, Via: via})
			w.Want(t, http.StatusUnauthorized, "GET", prefix+rest, apptest.Request{Token: "nonsense", Via: via})
		}
		w.Want(t, http.StatusOK, "GET", prefix+"t/"+w.alice.Token+"/"+rest, apptest.Request{})
		w.Want(t, http.StatusUnauthorized, "GET", prefix+rest, apptest.Request{Token: w.alice.Cookie, Via: apptest.Cookie})
		w.Want(t, http.StatusUnauthorized, "GET", prefix+rest, apptest.Request{})
	}
	// The header decides, where there is one.
	w.Want(t, http.StatusUnauthorized, "GET", "/t/"+w.alice.Token+"/conda/"+rest, apptest.Request{Token: "nonsense"})
	w.Want(t, http.StatusOK, "GET", "/t/nonsense/conda/"+rest, apptest.Request{Token: w.alice.Token})
	if strings.Contains(w.Logged(), w.alice.Token) {
		t.Error("a token is in the log")
	}
	for _, c := range []string{"main", "r", "msys2"} {
		got := w.Want(t, http.StatusOK, "HEAD", "/repo/"+c+"/noarch/repodata.json", apptest.Request{Token: w.carol.Token})
		if len(got.Body) != 0 {
			t.Errorf("%s has a body", got)
		}
		w.Want(t, http.StatusOK, "HEAD", "/repo/t/"+w.carol.Token+"/"+c+"/noarch/repodata.json", apptest.Request{})
		w.Want(t, http.StatusNotFound, "HEAD", "/repo/"+c+"/linux-64/repodata.json", apptest.Request{Token: w.carol.Token})
	}
}

func TestPageForBrowsers(t *testing.T) {
	w := newWorld(t)
	const chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	actor := w.alice.Actor(t)
	if _, err := w.Registry.DeleteFile(t.Context(), actor, "acme", "demo", "1.0", "noarch/demo-1.0-0.conda"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		want int
		says string
	}{
		{"/conda/acme/noarch/demo-1.0-0.conda", http.StatusGone, "was deleted"},
		{"/conda/acme/secret/noarch/in-secret-1.0-0.conda", http.StatusUnauthorized, "This channel is private or does not exist."},
		{"/conda/acme/noarch/none-1.0-0.conda", http.StatusNotFound, "Nothing here"},
	} {
		page := w.get(t, "", c.path, "Accept", chromium)
		if typ := page.Header.Get("Content-Type"); page.Status != c.want || !strings.HasPrefix(typ, "text/html") || !strings.Contains(string(page.Body), c.says) {
			t.Errorf("%s (%s); want a page of status %d with %q", page, typ, c.want, c.says)
		}
		if cc := page.Header.Get("Cache-Control"); cc != "no-store" {
			t.Errorf("%s: Cache-Control %q, though the answer depends on who asks and how", page, cc)
		}
		tool := w.get(t, "", c.path, "Accept", "*/*")
		if typ := tool.Header.Get("Content-Type"); tool.Status != c.want || typ != "application/problem+json" {
			t.Errorf("%s (%s); want a problem of status %d", tool, typ, c.want)
		}
	}
	got := w.get(t, "", "/conda/acme/my-dev", "Accept", chromium)
	if to := got.Header.Get("Location"); got.Status != http.StatusFound || to != w.Base+"/acme/-/channels/my-dev" {
		t.Errorf("%s, Location %q; want the page of the channel", got, to)
	}
}

// TestPublishedIsReadable: an upload is refused, or its file is read at the
// address of the channel that was named.
func TestPublishedIsReadable(t *testing.T) {
	w := newWorld(t)
	spec := condatest.Spec{Name: "there"}
	b := condatest.Make(t, spec)
	for _, c := range []struct {
		channel string
		made    bool
	}{
		{"x/at/dev", false},
		{"x/label/dev", false},
		{"x/at", false},
		{"rss.xml", false},
		{"my-dev/v1.json", false},
		{"x/t/dev", false},
		{"x/ate/dev", true},
		{"my-dev/v1.0", true},
		{"labels/x", true},
	} {
		up := w.Do(t, "POST", "/api/v1/upload/acme/"+c.channel, apptest.Request{
			Token: w.alice.Token, Body: b, Type: "application/octet-stream", Header: map[string]string{"X-File-Name": spec.FileName()},
		})
		if !c.made {
			if up.Status != http.StatusUnprocessableEntity && up.Status != http.StatusNotFound {
				t.Errorf("%s: %s; want a refusal", c.channel, up)
			}
			continue
		}
		for _, path := range []string{"/noarch/" + spec.FileName(), "/noarch/repodata.json", "/channeldata.json", ""} {
			w.Want(t, http.StatusOK, "GET", "/conda/acme/"+c.channel+path, apptest.Request{})
		}
	}
}
