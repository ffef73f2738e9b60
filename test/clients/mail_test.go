//go:build clients

package clients

import (
	"bufio"
	"encoding/json/v2"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/cookiejar"
	"net/mail"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// letter is a mail as aiosmtpd took it.
type letter struct {
	From    string   `json:"from"`
	To      []string `json:"to"`
	Content string   `json:"content"`
}

// mailServer starts aiosmtpd; its letters come one by one.
func mailServer(t testing.TB) (address string, next func() letter) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("scripts", "smtp_sink.py"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python(t), path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	read := func(v any) {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("aiosmtpd: %v", err)
		}
		if err := json.Unmarshal([]byte(line), v); err != nil {
			t.Fatalf("aiosmtpd: %v: %s", err, line)
		}
	}
	t.Cleanup(func() {
		stdin.Close() // which ends it
		_ = cmd.Wait()
	})
	var first struct {
		Port int `json:"port"`
	}
	read(&first)
	return fmt.Sprintf("smtp://127.0.0.1:%d", first.Port), func() letter {
		t.Helper()
		var l letter
		read(&l)
		return l
	}
}

// plain is the text/plain part of a letter.
func (l letter) plain(t testing.TB) string {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(l.Content))
	if err != nil {
		t.Fatalf("the mail: %v", err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatalf("the mail's type: %v", err)
	}
	body, coding := m.Body, m.Header.Get("Content-Transfer-Encoding")
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(m.Body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err != nil {
				t.Fatalf("the mail has no plain part: %v", err)
			}
			if strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
				body, coding = part, part.Header.Get("Content-Transfer-Encoding")
				break
			}
		}
	}
	if strings.EqualFold(coding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// link is the one that stands bare on a line of its own.
func (l letter) link(t testing.TB, server string) string {
	t.Helper()
	for line := range strings.Lines(l.plain(t)) {
		if line = strings.TrimRight(line, "\r\n"); strings.HasPrefix(line, server+"/") && !strings.ContainsAny(line, " <>") {
			return strings.TrimPrefix(line, server)
		}
	}
	t.Fatalf("no line of the mail is a bare link:\n%s", l.plain(t))
	return ""
}

// TestMail signs somebody up as the page does, takes the mail from a mail server
// of other people, follows its link, and then publishes, which an address that
// nobody has verified may not. A forgotten password goes the same way.
func TestMail(t *testing.T) {
	t.Parallel()
	address, next := mailServer(t)
	s := serve(t, emptyPlace(t), "--mail", address)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{server: s, client: &http.Client{Jar: jar}}
	b.open(t, http.MethodGet, "/signup", nil)
	b.open(t, http.MethodPost, "/signup", url.Values{
		"username": {"ada"}, "email": {"ada@example.com"}, "password": {"seven green ferns"}, "password2": {"seven green ferns"}, "terms": {"on"},
	})
	token := strings.TrimSpace(s.must(t, "", "token", "create", "--user", "ada", "--name", "test"))
	ada := person{name: "ada", password: "seven green ferns", token: token}

	l := next()
	if len(l.To) != 1 || l.To[0] != "ada@example.com" {
		t.Errorf("the mail goes to %q", l.To)
	}
	tool := pack(t, spec("tool", "1.0"))
	o := s.anaconda(t, standalone, ada.token).run(t, "", "upload", tool.path)
	if o.status != 1 || !strings.Contains(strings.ToLower(o.all()), "verif") {
		t.Errorf("an upload before the address is verified: status %d: %s", o.status, o.all())
	}
	link := l.link(t, s.url)
	b.open(t, http.MethodGet, link, nil) // mail programs do that too, so it alone verifies nothing
	s.anaconda(t, standalone, ada.token).refused(t, "", "upload", tool.path)
	said(t, b.open(t, http.MethodPost, link, url.Values{}), "ada@example.com")
	s.anaconda(t, standalone, ada.token).must(t, "upload", tool.path)
	s.listed(t, "ada", "noarch", "", filepath.Base(tool.path))

	b.open(t, http.MethodPost, "/forgot/password", url.Values{"who": {"ada@example.com"}})
	reset := next().link(t, s.url)
	b.open(t, http.MethodGet, reset, nil)
	b.open(t, http.MethodPost, reset, url.Values{"password": {"eight green ferns"}, "password2": {"eight green ferns"}})
	s.anaconda(t, standalone, "").must(t, "login", "--username", "ada", "--password", "eight green ferns")
}

// browser visits pages and keeps cookies.
type browser struct {
	server *server
	client *http.Client
}

// open asks for a page, or sends a form where there is one, and gives the text of
// the page that it ends at.
func (b *browser) open(t testing.TB, method, path string, form url.Values) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.server.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.server.url)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s", method, path, resp.Status, page)
	}
	return string(page)
}
