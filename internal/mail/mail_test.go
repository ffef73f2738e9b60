package mail_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/errs"
	ours "terrarium/internal/mail"
)

var message = ours.Message{
	To:      "Änne <anne@example.org>",
	Subject: "Confirm your address — Terrarium",
	Text:    "Hello Änne,\n\nopen this link:\n\nhttps://terrarium.example/verify?code=abc=def&x=" + strings.Repeat("0123456789", 20) + "\n\nBye\n",
	HTML:    "<p>Hello Änne</p>\n",
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "mail")
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	m, err := ours.Open("dir:"+dir, ours.Options{From: "Terrarium <no-reply@terrarium.example>", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if m.Kind() != "dir" || m.Folder() != dir {
		t.Errorf("kind %q, folder %q", m.Kind(), m.Folder())
	}
	if err := m.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if err := m.Send(t.Context(), ours.Message{To: "b@example.org", Subject: "Plain", Text: "Just text"}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d files, %v; want 2", len(entries), err)
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".eml" {
			t.Errorf("%s is no .eml", entry.Name())
		}
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", entry.Name(), info.Mode(), err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, entries[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	checkMessage(t, raw)
	raw, err = os.ReadFile(filepath.Join(dir, entries[1].Name()))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if kind := plain.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("content type %q, want text/plain", kind)
	}
}

// checkMessage reads a mail as anybody would.
func checkMessage(t *testing.T, raw []byte) {
	t.Helper()
	link := strings.Split(message.Text, "\n")[4]
	if !slices.Contains(strings.Split(string(raw), "\r\n"), link) {
		t.Errorf("the link does not stand alone on a line of the raw mail:\n%s", raw)
	}
	got, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	words := new(mime.WordDecoder)
	want := map[string]string{
		"From": `"Terrarium" <no-reply@terrarium.example>`, "To": "Änne <anne@example.org>",
		"Subject": message.Subject, "Auto-Submitted": "auto-generated", "Date": "Sat, 21 Nov 2026 10:00:00 +0000",
	}
	headers := map[string]string{}
	for name := range want {
		decoded, err := words.DecodeHeader(got.Header.Get(name))
		if err != nil {
			t.Fatal(err)
		}
		headers[name] = decoded
	}
	if diff := cmp.Diff(want, headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if id := got.Header.Get("Message-ID"); !strings.HasSuffix(id, "@terrarium.example>") {
		t.Errorf("message id %q", id)
	}
	_, boundary, _ := strings.Cut(strings.ReplaceAll(got.Header.Get("Content-Type"), `"`, ""), "boundary=")
	parts := multipart.NewReader(got.Body, boundary)
	bodies := map[string]string{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
		bodies[kind] = strings.TrimSpace(strings.ReplaceAll(string(body), "\r\n", "\n"))
	}
	wantBodies := map[string]string{"text/plain": strings.TrimSpace(message.Text), "text/html": strings.TrimSpace(message.HTML)}
	if diff := cmp.Diff(wantBodies, bodies); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

func TestLongLinesAreEncoded(t *testing.T) {
	dir := t.TempDir()
	m, err := ours.Open("dir:"+dir, ours.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), ours.Message{To: "a@example.org", Text: strings.Repeat("x", 5000)}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if len(line) > 1000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

func TestSendRefuses(t *testing.T) {
	m, err := ours.Open("dir:"+t.TempDir(), ours.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []ours.Message{
		{To: ""},
		{To: "nobody"},
		{To: "a@example.org\r\nBcc: b@example.org"},
		{To: "a@example.org", Subject: "x\r\nBcc: b@example.org"},
	} {
		if err := m.Send(t.Context(), bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v, want invalid", bad, err)
		}
	}
	left, err := os.ReadDir(m.Folder())
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left behind, %v", len(left), err)
	}
	if err := os.Remove(m.Folder()); err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), message); !errs.Is(err, errs.Unavailable) {
		t.Errorf("without its folder: %v, want unavailable", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		address, from string
		want          errs.Kind
	}{
		{"", "", errs.Invalid},
		{"dir:", "", errs.Invalid},
		{"sendmail:", "", errs.Invalid},
		{"smtp://", "", errs.Invalid},
		{"smtp://host:99999", "", errs.Invalid},
		{"smtp://host?tls=sometimes", "", errs.Invalid},
		{"smtp://host?x=y", "", errs.Invalid},
		{"dir:/tmp", "nobody", errs.Invalid},
		{"dir:/dev/null/x", "", errs.Unavailable},
		{"smtp://user:secret@host:not-a-port", "", errs.Invalid},
	} {
		_, err := ours.Open(test.address, ours.Options{From: test.from})
		if !errs.Is(err, test.want) {
			t.Errorf("%q: %v, want %v", test.address, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", test.address, err)
		}
	}
}

// smtpServer answers one client on loopback and gives the mail that it got.
func smtpServer(t *testing.T, refuse string) (address string, got <-chan []byte) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	mails := make(chan []byte, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		text := textproto.NewConn(conn)
		say := func(line string) { _ = text.PrintfLine("%s", line) } // that the client hung up is seen by the next ReadLine
		say("220 test ESMTP")
		for {
			line, err := text.ReadLine()
			if err != nil {
				return
			}
			verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
			switch {
			case verb == "EHLO":
				say("250-test\r\n250 8BITMIME")
			case verb == "RCPT" && refuse != "":
				say(refuse)
			case verb == "DATA":
				say("354 go on")
				raw, err := io.ReadAll(bufio.NewReader(text.DotReader()))
				if err != nil {
					return
				}
				mails <- bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
				say("250 taken")
			case verb == "QUIT":
				say("221 bye")
				return
			default:
				say("250 fine")
			}
		}
	}()
	return listener.Addr().String(), mails
}

func TestSMTP(t *testing.T) {
	address, got := smtpServer(t, "")
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	m, err := ours.Open("smtp://"+address, ours.Options{From: "Terrarium <no-reply@terrarium.example>", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if m.Kind() != "smtp" || m.Folder() != "" {
		t.Errorf("kind %q, folder %q", m.Kind(), m.Folder())
	}
	if err := m.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	checkMessage(t, <-got)
}

func TestSMTPRefusals(t *testing.T) {
	for _, test := range []struct {
		answer string
		want   errs.Kind
	}{
		{"550 no such person", errs.Invalid},
		{"451 later", errs.Unavailable},
	} {
		address, _ := smtpServer(t, test.answer)
		m, err := ours.Open("smtp://"+address, ours.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Send(t.Context(), message); !errs.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.answer, err, test.want)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	for _, url := range []string{"smtp://" + address, "smtps://" + address} {
		m, err := ours.Open(url, ours.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Send(t.Context(), message); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%s: %v, want unavailable", url, err)
		}
	}
	secure, _ := smtpServer(t, "")
	m, err := ours.Open("smtp://"+secure+"?tls=required", ours.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), message); err == nil {
		t.Error("sent without the TLS that is required")
	}
}
