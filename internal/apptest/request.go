package apptest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json/v2"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Via is how a request shows its credential.
type Via string

// The ways to show a credential.
const (
	Token  Via = ""       // Authorization: token T
	Bearer Via = "bearer" // Authorization: Bearer T
	Basic  Via = "basic"  // the token as the password
	Path   Via = "path"   // /t/TOKEN before the path
	Cookie Via = "cookie" // the session of a browser
)

// Request is what Do sends beside method and path.
type Request struct {
	Token  string // or the value of the session cookie; "" is nobody
	Via    Via
	Body   []byte
	Type   string            // of the body; "" is application/json
	Header map[string]string // further headers
}

// Answer is what came back. Body is whole.
type Answer struct {
	Method, Path string
	Status       int
	Header       http.Header
	Body         []byte
}

// String is the request and its answer, for messages of tests.
func (a *Answer) String() string {
	return fmt.Sprintf("%s %s: %d %.400s", a.Method, a.Path, a.Status, a.Body)
}

// Try sends a request, path as it goes over the wire. Redirects are not followed.
func (a *App) Try(ctx context.Context, method, path string, r Request) (*Answer, error) {
	target := path
	if r.Token != "" && r.Via == Path {
		target = "/t/" + r.Token + path
	}
	req, err := http.NewRequestWithContext(ctx, method, a.Base+target, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	switch {
	case r.Token == "" || r.Via == Path:
	case r.Via == Cookie:
		req.AddCookie(&http.Cookie{Name: a.CookieName(), Value: r.Token})
	case r.Via == Basic:
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("anybody:"+r.Token)))
	case r.Via == Bearer:
		req.Header.Set("Authorization", "Bearer "+r.Token)
	default:
		req.Header.Set("Authorization", "token "+r.Token)
	}
	if len(r.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Type != "" {
		req.Header.Set("Content-Type", r.Type)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	return &Answer{method, path, resp.StatusCode, resp.Header, body}, nil
}

// Do is Try for requests that get an answer.
func (a *App) Do(t testing.TB, method, path string, r Request) *Answer {
	t.Helper()
	got, err := a.Try(t.Context(), method, path, r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Want is Do, and fails the test where the status is another one.
func (a *App) Want(t testing.TB, status int, method, path string, r Request) *Answer {
	t.Helper()
	got := a.Do(t, method, path, r)
	if got.Status != status {
		t.Fatalf("%s; want the status %d", got, status)
	}
	return got
}

// JSON reads the body as JSON.
func (a *Answer) JSON(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
}

// CookieName is that of the session, after the configured address.
func (a *App) CookieName() string {
	if strings.HasPrefix(a.Config.URL, "https://") {
		return "__Host-terrarium"
	}
	return "terrarium"
}
