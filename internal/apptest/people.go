package apptest

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/condatest"
)

// Person is somebody with an account, a token of all scopes and a session.
type Person struct {
	ID, Name string
	Email    string
	Token    string
	Cookie   string // the value of the session cookie
	app      *App
}

// User makes a person whose address is verified.
func (a *App) User(t testing.TB, name string) *Person {
	t.Helper()
	return a.newPerson(t, account.NewUser{Name: name})
}

// Operator makes a person who operates the instance.
func (a *App) Operator(t testing.TB, name string) *Person {
	t.Helper()
	return a.newPerson(t, account.NewUser{Name: name, Operator: true})
}

func (a *App) newPerson(t testing.TB, n account.NewUser) *Person {
	t.Helper()
	n.Email, n.Password = n.Name+"@example.com", Password
	u, err := a.Accounts.CreateUser(t.Context(), access.System(), n)
	if err != nil {
		t.Fatal(err)
	}
	p := &Person{ID: u.ID, Name: u.Name, Email: n.Email, app: a}
	p.Token = p.NewToken(t, account.NewToken{Name: "test"})
	p.Cookie = p.NewSession(t)
	return p
}

// NewToken makes another token of the person and gives its secret.
func (p *Person) NewToken(t testing.TB, n account.NewToken) string {
	t.Helper()
	n.UserName = p.Name
	_, secret, err := p.app.Accounts.CreateToken(t.Context(), access.System(), n)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// NewSession signs the person in and gives the value of the cookie.
func (p *Person) NewSession(t testing.TB) string {
	t.Helper()
	cookie, _, err := p.app.Accounts.CreateSession(t.Context(), account.User{Owner: account.Owner{ID: p.ID, Name: p.Name}},
		access.Request{Remote: "127.0.0.1", Agent: "test"}, false)
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

// Actor is the person as the domain sees it behind its token.
func (p *Person) Actor(t testing.TB) access.Actor {
	t.Helper()
	actor, err := p.app.Accounts.Authenticate(t.Context(), account.Credential{Scheme: "token", Value: p.Token}, access.Request{Remote: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	return actor
}

// Org makes an organisation that the person owns.
func (a *App) Org(t testing.TB, name string, owner *Person) account.Organization {
	t.Helper()
	o, err := a.Accounts.CreateOrganization(t.Context(), owner.Actor(t), name, name+"@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Upload publishes a package in one request, into OWNER or OWNER/CHANNEL, and
// fails the test where it is refused. query is empty or such as "private=true".
func (p *Person) Upload(t testing.TB, into string, s condatest.Spec, query string) *Answer {
	t.Helper()
	path := "/api/v1/upload/" + into
	if query != "" {
		path += "?" + query
	}
	got := p.app.Do(t, http.MethodPost, path, Request{
		Token: p.Token, Body: condatest.Make(t, s), Type: "application/octet-stream",
		Header: map[string]string{"X-File-Name": s.FileName()},
	})
	if got.Status != http.StatusCreated && got.Status != http.StatusOK {
		t.Fatalf("%s", got)
	}
	return got
}

// Mails gives the mails that went out, oldest first, once there are at least n.
func (a *App) Mails(t testing.TB, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		mails := a.readMails(t)
		if len(mails) >= n {
			return mails
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d mails went out, want %d", len(mails), n)
		case <-tick.C: // mail is sent in the background
		}
	}
}

func (a *App) readMails(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(a.MailFolder(), "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var mails []string
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, string(b))
	}
	return mails
}

// Link gives the path of the link in a mail that begins with prefix, such as
// "/verify/".
func (a *App) Link(t testing.TB, mail, prefix string) string {
	t.Helper()
	for line := range strings.Lines(mail) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), a.Config.URL); ok && strings.HasPrefix(path, prefix) {
			return path
		}
	}
	t.Fatalf("no line of the mail is a link to %s…: %s", prefix, mail)
	return ""
}

// Stored gives the names of all files below the folder of bytes, sorted: also of
// those that an interrupted upload may have left. The mark of the instance, which
// is there from the first start, is left out.
func (a *App) Stored(t testing.TB) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(a.BlobFolder(), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // no folder yet, or swept away meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		if path != filepath.Join(a.BlobFolder(), "instance") {
			names = append(names, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}
