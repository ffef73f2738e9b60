package condahttp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// world is a program with an organisation, acme, that alice owns. Of its
// channels main, rel/y2026/q1 and my-dev are public, inner is open to members and
// secret to nobody without a grant. The organisation half has a public channel
// with a private package in it.
type world struct {
	*apptest.App
	alice, bob, carol *apptest.Person // owner, member without grants, stranger
}

func newWorld(t *testing.T, opts ...apptest.Option) world {
	t.Helper()
	w := world{App: apptest.New(t, opts...)}
	w.alice, w.bob, w.carol = w.User(t, "alice"), w.User(t, "bob"), w.User(t, "carol")
	w.Org(t, "acme", w.alice)
	w.Org(t, "half", w.alice)
	if err := w.Accounts.AddMember(t.Context(), w.alice.Actor(t), "acme", "bob", access.RoleMember); err != nil {
		t.Fatal(err)
	}
	for name, visibility := range map[string]string{"secret": access.Private, "inner": access.Internal} {
		_, err := w.Registry.CreateChannel(t.Context(), w.alice.Actor(t), "acme", registry.NewChannel{Name: name, Visibility: visibility})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.alice.Upload(t, "acme", condatest.Spec{Name: "demo"}, "")
	w.alice.Upload(t, "acme", condatest.Spec{Name: "tool", Subdir: "linux-64"}, "")
	for _, channel := range []string{"secret", "inner", "rel/y2026/q1", "my-dev"} {
		w.alice.Upload(t, "acme/"+channel, condatest.Spec{Name: "in-" + strings.ReplaceAll(channel, "/", "-")}, "")
	}
	w.alice.Upload(t, "half", condatest.Spec{Name: "open"}, "")
	w.alice.Upload(t, "half", condatest.Spec{Name: "shut"}, "private=true")
	return w
}

// narrow is a token of alice with one scope.
func (w world) narrow(t *testing.T, scope string) string {
	t.Helper()
	return w.alice.NewToken(t, account.NewToken{Name: "only " + scope, Scopes: []string{scope}})
}

// expired is a token of alice that is good no more.
func (w world) expired(t *testing.T) string {
	t.Helper()
	secret := w.alice.NewToken(t, account.NewToken{Name: "short", MaxAge: time.Hour})
	w.Clock.Pass(2 * time.Hour)
	return secret
}

// get is a request with the token ("" is nobody) and headers in pairs.
func (w world) get(t *testing.T, token, path string, header ...string) *apptest.Answer {
	t.Helper()
	return w.send(t, http.MethodGet, token, path, header...)
}

func (w world) send(t *testing.T, method, token, path string, header ...string) *apptest.Answer {
	t.Helper()
	r := apptest.Request{Token: token, Header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = header[i+1]
	}
	return w.Do(t, method, path, r)
}

// downloads is the number counted for the only file of a package of acme.
func (w world) downloads(t *testing.T, pkg string) int64 {
	t.Helper()
	if err := w.Registry.FlushDownloads(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := w.Registry.Files(t.Context(), w.alice.Actor(t), "acme", pkg, "")
	if err != nil || len(files) != 1 {
		t.Fatalf("the files of %s: %v, %v", pkg, files, err)
	}
	return files[0].Downloads
}
