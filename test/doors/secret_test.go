package doors_test

import (
	"encoding/base64"
	"encoding/json/v2"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/trace/tracetest"
	"terrarium/internal/web"
)

// secretPaths are parts of a path that are their own credential.
var secretPaths = regexp.MustCompile(`/(?:verify|reset|setup|_storage)/([A-Za-z0-9_-]+)`)

// tokens are secrets that answers show once.
var tokens = regexp.MustCompile(`tm-[a-z]+-[A-Za-z0-9]+-[A-Za-z0-9]+`)

// TestSecretsStay sends tokens, passwords, session cookies and one-time codes to
// every route, well and badly, through a panic and a broken disk, with the log at
// its most talkative and traces on, and looks for them wherever something is
// written down.
func TestSecretsStay(t *testing.T) {
	collector := tracetest.New(t)
	var disk atomic.Value
	disk.Store("")
	w := newWorld(t, apptest.Setting("traces", collector.URL), apptest.Trace(func(blob.Step) error {
		switch what := disk.Load().(string); {
		case what == "":
			return nil
		case strings.HasPrefix(what, "panic"):
			panic(what)
		default:
			return errors.New(what)
		}
	}))
	secrets := map[string]string{apptest.Password: "a password"}
	for _, p := range []*apptest.Person{w.olga, w.adam, w.wanda, w.mike, w.sara, w.root} {
		secrets[p.Token], secrets[p.Cookie] = "a token", "a session"
	}
	note := func(a *apptest.Answer) {
		for _, m := range secretPaths.FindAllStringSubmatch(a.Path, -1) {
			secrets[m[1]] = "a one-time code"
		}
		for _, token := range tokens.FindAllString(string(a.Body), -1) {
			secrets[token] = "a new token"
		}
		for _, c := range (&http.Response{Header: a.Header}).Cookies() {
			if c.Name == w.CookieName() && c.Value != "" {
				secrets[c.Value] = "a new session"
			}
		}
	}

	bad := w.sara.Token[:len(w.sara.Token)-2] + "zz"
	secrets[bad] = "a token that is none"
	asked := map[string]bool{} // the names that spans of requests must have
	for _, rt := range w.Faces.Routes() {
		sampleFor, ok := samples[key(rt)]
		if !ok {
			continue // TestVerdicts says so
		}
		p := w.sender(rt)
		if p == nil && rt.Who != web.Anybody && rt.Who != web.SecretLink {
			p = w.adam
		}
		s := sampleFor(w, p)
		r := request(t, rt, as(rt, p), s)
		if r.Via == apptest.Cookie {
			secrets[r.Token] = "a session"
		}
		asked[rt.Method+" /"+strings.Trim(rt.Pattern, "/")] = true
		note(w.Do(t, rt.Method, s.path, r)) // well
		note(w.Do(t, rt.Method, s.path, r)) // again: used up, there already
		for _, via := range []apptest.Via{apptest.Token, apptest.Bearer, apptest.Basic, apptest.Path, apptest.Cookie} {
			for _, token := range []string{bad, w.sara.Token} {
				note(w.Do(t, rt.Method, s.path+"x", apptest.Request{Token: token, Via: via, Type: s.kind, Body: []byte(s.body)}))
			}
		}
		// As a query, in every header that is noted or passed on anywhere, and as a body that is none.
		note(w.Do(t, rt.Method, s.path+"?token="+bad+"&q="+bad, apptest.Request{Header: strewn(bad), Body: []byte("{" + bad)}))
		w.must(w.Traces.Flush(t.Context())) // else what does not fit into the queue would be dropped
		w.made += 1000
	}
	for _, path := range []string{
		"/t/" + w.sara.Token, "/t/" + w.sara.Token + "/nothing", "/conda/t/" + w.sara.Token + "/acme/noarch/nothing.json", "/repo/t/" + w.sara.Token + "/x",
		"/api/nothing?token=" + w.sara.Token, "/" + w.sara.Token, "/acme/" + w.sara.Token, "/conda/acme/" + w.sara.Token + "/noarch/repodata.json",
		"/login?next=/t/" + w.sara.Token, "/api/v1/tokens/" + w.sara.Token, "/search?q=" + w.sara.Token, "/%2ft/" + w.sara.Token, "//t/" + w.sara.Token + "/conda",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "BREW", w.sara.Token} {
			w.Do(t, method, path, apptest.Request{})
		}
	}
	// A password in every field that is not one.
	for _, path := range []string{"/login", "/signup", "/forgot/password", "/forgot/username"} {
		w.Do(t, "POST", path, apptest.Request{Type: formKind, Body: []byte(form("password", apptest.Password, "password2", apptest.Password+"!"))})
	}
	w.Do(t, "POST", "/login", apptest.Request{Type: formKind, Body: []byte(form("username", "olga", "password", apptest.Password+"!"))})
	w.Do(t, "POST", "/api/authentications", apptest.Request{Token: apptest.Password, Via: apptest.Basic, Body: []byte(`{"note":"x"}`)})

	// Sent again with the same key, an answer that held a secret comes without it.
	again := apptest.Request{Token: w.olga.Token, Body: []byte(`{"name":"once"}`), Header: map[string]string{"Idempotency-Key": "k"}}
	note(w.Want(t, http.StatusCreated, "POST", "/api/v1/tokens", again))
	note(w.Want(t, http.StatusCreated, "POST", "/api/v1/tokens", again))

	// A disk that fails, and a panic that holds the token of whoever asks.
	spec := condatest.Spec{Name: "broken"}
	upload := apptest.Request{
		Token: w.olga.Token, Body: condatest.Make(t, spec), Type: "application/octet-stream", Header: map[string]string{"X-File-Name": spec.FileName()},
	}
	for _, what := range []string{"panic while " + w.olga.Token + " was asking /reset/" + bad, "the disk is broken"} {
		disk.Store(what)
		got := w.Do(t, "POST", "/api/v1/upload/acme", upload)
		if got.Status < 500 {
			t.Errorf("%s; want an error of the server", got)
		}
		if strings.Contains(string(got.Body), w.olga.Token) {
			t.Errorf("%s: the answer holds the token", got)
		}
	}
	disk.Store("")
	code, err := w.Accounts.SetupLink(t.Context())
	if err == nil {
		secrets[code] = "the one-time link of the operator"
	}
	_, link := w.unverified()
	secrets[secretPaths.FindStringSubmatch(link)[1]] = "a one-time code"
	_, err = w.Accounts.Authenticate(t.Context(), account.Credential{Scheme: "cookie", Value: w.olga.Cookie}, access.Request{})
	w.must(err)

	lookFor(t, w, collector, secrets)
	for _, step := range []string{"sqldb.Tx", "sqldb.ReadTx", "blob.Write", "blob.Read", "index.Publish", "index.CatchUp"} {
		asked[step] = true
	}
	for _, s := range collector.Spans() {
		delete(asked, s.Name)
	}
	for name := range asked {
		t.Errorf("no span came of %s", name)
	}
	if len(secrets) < 60 {
		t.Errorf("only %d secrets were looked for; the routes showed fewer than they should", len(secrets))
	}
}

// strewn are headers that each hold a secret where it does not belong.
func strewn(secret string) map[string]string {
	return map[string]string{
		"User-Agent": "tool " + secret, "Referer": "https://example.com/t/" + secret, "If-None-Match": `"` + secret + `"`, "Range": secret,
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-" + secret, "Tracestate": "x=" + secret, "Baggage": "x=" + secret,
		"X-Request-Id": secret, "X-Forwarded-For": secret, "X-File-Name": secret, "Idempotency-Key": secret, "Accept-Language": secret,
	}
}

// values gives the lines of a dump, and what is encoded in their columns of bytes.
func values(t *testing.T, dump string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(dump) {
		out = append(out, line)
		if !strings.HasPrefix(line, "[") {
			continue
		}
		var row []any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		for _, v := range row {
			if text, ok := v.(string); ok {
				if b, err := base64.StdEncoding.DecodeString(text); err == nil && len(b) > 0 {
					out = append(out, string(b))
				}
			}
		}
	}
	return out
}

// around is the text before a secret, to find where it came from.
func around(text, secret string) string {
	i := strings.Index(text, secret)
	return text[max(0, i-300):i] + "…"
}
