package ui_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"terrarium/internal/apptest"
)

// TestSetupShowsSettings: the page says what this server is set to and from where,
// and warns where it was asked for at another address than the public one.
func TestSetupShowsSettings(t *testing.T) {
	app := apptest.New(t, apptest.Setting("instance_name", "Moss & Co"), apptest.Setting("signup", "domain:example.com"))
	code, err := app.Accounts.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, app)
	a := b.want(b.get("/setup/"+code), 200, "", "Moss & Co", app.Base, "domain:example.com", "addresses of example.com", "dir:"+app.MailFolder(), "From the flag --signup.", "Send a test mail")
	if strings.Contains(a.body, "This page was asked for at") {
		t.Error("it warns though the addresses agree")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.Base+"/setup/"+code, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "elsewhere.example"
	b.want(b.do(req), 200, "", "This page was asked for at elsewhere.example", "set --url")
}

// TestSetupMail sends the test mail, into the folder, and not for ever.
func TestSetupMail(t *testing.T) {
	app := apptest.New(t)
	code, err := app.Accounts.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, path := open(t, app), "/setup/"+code+"/mail"
	b.want(b.post("/setup/wrong/mail", "mailto", "ola@example.com"), 404, "")
	b.want(b.post(path, "mailto", "ola"), 422, path, "This is not an e-mail address.")
	if got := len(app.Mails(t, 0)); got != 0 {
		t.Fatalf("%d mails went out without a code or an address", got)
	}
	b.want(b.post(path, "mailto", "ola@example.com"), 200, path, "The mail is in the folder "+app.MailFolder())
	if mail := app.Mails(t, 1)[0]; !strings.Contains(mail, "ola@example.com") || !strings.Contains(mail, app.Base) || strings.Contains(mail, code) {
		t.Errorf("the mail is\n%s", mail)
	}
	for range 4 {
		b.want(b.post(path, "mailto", "ola@example.com"), 200, path)
	}
	a := b.want(b.post(path, "mailto", "ola@example.com"), http.StatusTooManyRequests, path)
	if a.header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	if got := len(app.Mails(t, 5)); got != 5 {
		t.Errorf("%d mails, want 5", got)
	}
	app.Clock.Pass(2 * time.Hour)
	b.want(b.post(path, "mailto", "ola@example.com"), 200, path)
	// The link still makes the operator, and then no more mail.
	b.want(b.post("/setup/"+code, "username", "ola", "email", "ola@example.com", "password", "seven green ferns", "password2", "seven green ferns"), 200, "/dashboard")
	b.want(open(t, app).post(path, "mailto", "ola@example.com"), 404, "")
}

// TestSetupMailServerAway tells that the server does not answer, and shows no password.
func TestSetupMailServerAway(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close() // nobody listens there now
	app := apptest.New(t, apptest.Setting("mail", "smtp://me:hunter2@"+address))
	code, err := app.Accounts.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, app)
	a := b.want(b.post("/setup/"+code+"/mail", "mailto", "ola@example.com"), http.StatusServiceUnavailable, "", "The cause is in the log of the server.", address, "sent by a mail server")
	if strings.Contains(a.body, "hunter2") || strings.Contains(app.Logged(), "hunter2") {
		t.Error("the password of the mail server shows")
	}
}
