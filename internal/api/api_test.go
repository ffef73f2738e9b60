package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json/v2"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/api"
	"terrarium/internal/blob"
	"terrarium/internal/condahttp"
	"terrarium/internal/index"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
	"terrarium/internal/web"
)

const password = "a long and quiet evening"

// world is a whole instance behind an HTTP server: the face of programs, and
// that of conda to see what the changes did.
type world struct {
	*testing.T
	url    string
	face   *api.Face
	people *account.Accounts
	reg    *registry.Registry
}

// each runs a test over every engine.
func each(t *testing.T, f func(w *world)) {
	t.Helper()
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(newWorld(t, db)) })
}

func newWorld(t *testing.T, db *sqldb.DB) *world {
	t.Helper()
	blobs, err := blob.Open(t.Context(), "file:"+t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	w := &world{T: t, url: "http://" + server.Listener.Addr().String()}
	gen := access.NewGeneration(db)
	w.people = account.New(db, account.Options{Gen: gen, URL: w.url, PasswordMemory: 64})
	w.reg = registry.New(db, blobs, registry.Options{Gen: gen, MaxUpload: 1 << 20})
	idx := index.New(db, w.reg, index.Options{URL: w.url, Now: time.Now})
	w.reg.SetPublisher(idx)
	w.face = api.New(api.Options{Accounts: w.people, Registry: w.reg, Index: idx, Now: time.Now, URL: w.url, Version: "0"})

	frame := &web.Frame{
		Authenticate: func(ctx context.Context, c web.Credential, from access.Request) (access.Actor, error) {
			return w.people.Authenticate(ctx, account.Credential{Scheme: c.Scheme, Value: c.Value, User: c.User}, from)
		},
		Cookie: "terrarium", Now: time.Now,
	}
	programs := frame.Identify(web.Means{Header: true}, w.face.Handler())
	conda := frame.Identify(web.Means{Header: true, Path: true}, condahttp.New(w.reg, idx, condahttp.Options{URL: w.url}).Handler())
	server.Config.Handler = frame.Begin(web.StripToken(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api") || r.Method == http.MethodPut {
			programs.ServeHTTP(rw, r)
			return
		}
		conda.ServeHTTP(rw, r)
	})))
	server.Start()
	t.Cleanup(func() {
		server.Close()
		for _, end := range []func(context.Context) error{w.reg.Close, w.people.Close} {
			if err := end(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// user makes an account and gives a token of it.
func (w *world) user(name string) string {
	w.Helper()
	_, err := w.people.CreateUser(w.Context(), access.System(), account.NewUser{
		Name: name, Email: name + "@example.com", Password: password,
	})
	if err != nil {
		w.Fatal(err)
	}
	return w.token(name)
}

// token makes a token with scopes; none is all.
func (w *world) token(name string, scopes ...string) string {
	w.Helper()
	_, secret, err := w.people.CreateToken(w.Context(), access.System(), account.NewToken{
		Name: "test" + strings.Join(scopes, " "), UserName: name, Scopes: scopes,
	})
	if err != nil {
		w.Fatal(err)
	}
	return secret
}

// organization makes one that the holder of the token owns.
func (w *world) organization(token, name string) {
	w.Helper()
	w.want(http.StatusCreated, w.send(token, "POST", "/api/v1/organizations", `{"name":"`+name+`","email":"`+name+`@example.com"}`))
}

// answer is what came back.
type answer struct {
	request string
	status  int
	header  http.Header
	body    []byte
}

// object reads the body as a JSON object.
func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	return decode[map[string]any](t, a)
}

func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%s: %v in %s", a.request, err, a.body)
	}
	return v
}

// header is one header of a request.
type header struct{ name, value string }

// send makes a request the way anaconda-client does; "" is no token.
func (w *world) send(token, method, path, body string, headers ...header) answer {
	w.Helper()
	if token != "" {
		headers = append(headers, header{"Authorization", "token " + token})
	}
	return w.bytes(method, path, []byte(body), append([]header{{"Content-Type", "application/json"}}, headers...)...)
}

func (w *world) bytes(method, path string, body []byte, headers ...header) answer {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	for _, h := range headers {
		req.Header.Set(h.name, h.value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer{method + " " + path, resp.StatusCode, resp.Header, b}
}

// want fails the test where a status is another one, and gives the answer.
func (w *world) want(status int, a answer) answer {
	w.Helper()
	if a.status != status {
		w.Fatalf("%s: status %d, want %d: %s", a.request, a.status, status, a.body)
	}
	return a
}

func basic(user, pass string) header {
	return header{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))}
}

// listed gives the file names that a channel shows to a token.
func (w *world) listed(token, channel, subdir string) []string {
	w.Helper()
	path := "/conda/" + channel + "/" + subdir + "/repodata.json"
	if token != "" {
		path = "/conda/t/" + token + "/" + channel + "/" + subdir + "/repodata.json"
	}
	a := w.want(http.StatusOK, w.bytes("GET", path, nil))
	doc := decode[struct {
		Packages map[string]any `json:"packages"`
		Conda    map[string]any `json:"packages.conda"`
	}](w, a)
	names := []string{}
	for _, m := range []map[string]any{doc.Packages, doc.Conda} {
		for name := range m {
			names = append(names, name)
		}
	}
	return names
}

func escaped(s string) string { return url.PathEscape(s) }
