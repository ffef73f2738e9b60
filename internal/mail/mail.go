// Package mail sends Terrarium's mails, to a mail server or, where there is none,
// into a folder in which the operator can read them. What they say is written by
// others.
package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"terrarium/internal/dial"
	"terrarium/internal/errs"
)

// Message is one mail to one person.
type Message struct {
	To      string // "ann@example.org" or "Ann <ann@example.org>"
	Subject string // one line
	Text    string // the plain text; a link stands alone on its line
	HTML    string // the same for people who like it so, or empty
}

// Mailer sends mails. It is safe for concurrent use.
type Mailer struct {
	opts   Options
	folder string // "" when there is a server
	server *server
}

// Options are the choices of Open.
type Options struct {
	// From is the sender, as in Message.To; "" means terrarium@localhost.
	From string
	// Dialer connects to the server, which it is allowed in any case; nil
	// means a plain one.
	Dialer *dial.Dialer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Open says where mails go: "dir:PATH", a folder that is made if it is not there
// and gets one .eml file for each, or "smtp://USER:PASSWORD@HOST:PORT", which
// uses STARTTLS where the server offers it ("?tls=required" insists, "?tls=off"
// does without), or "smtps://…", which is TLS from the start. It connects to
// nothing yet. A url of another kind is errs.Invalid.
func Open(address string, opts Options) (*Mailer, error) {
	if opts.From == "" {
		opts.From = "Terrarium <terrarium@localhost>"
	}
	if _, err := mail.ParseAddress(opts.From); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The sender of mails %q is no mail address.", opts.From).On("mail")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Dialer == nil {
		opts.Dialer = dial.New(dial.Options{})
	}
	m := &Mailer{opts: opts}
	scheme, rest, _ := strings.Cut(address, ":")
	switch scheme {
	case "dir":
		return m, m.openFolder(rest)
	case "smtp", "smtps":
		// The parse error would repeat the password.
		u, err := url.Parse(address)
		if err != nil || u.Hostname() == "" {
			return nil, errs.New(errs.Invalid, "The address of the mail server is not of the form smtp://USER:PASSWORD@HOST:PORT.").On("mail")
		}
		m.server, err = newServer(u, opts.Dialer)
		return m, err
	default:
		return nil, errs.New(errs.Invalid, "The address for mails begins with %q. Use dir:PATH or smtp://HOST:PORT.", scheme+":").On("mail")
	}
}

// Kind says where mails go: "dir" or "smtp".
func (m *Mailer) Kind() string {
	if m.server != nil {
		return "smtp"
	}
	return "dir"
}

// Folder is the folder that mails go into, "" where a server takes them.
func (m *Mailer) Folder() string { return m.folder }

// Send delivers a mail to the server or the folder. An address that is none, or
// that the server refuses for good, is errs.Invalid; a server that is away, or a
// folder that cannot be written, errs.Unavailable.
func (m *Mailer) Send(ctx context.Context, message Message) error {
	composed, err := m.compose(message)
	if err != nil {
		return err
	}
	if m.server != nil {
		return m.server.send(ctx, composed)
	}
	var text bytes.Buffer
	if _, err := composed.WriteTo(&text); err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	return m.store(text.Bytes())
}

func (m *Mailer) compose(message Message) (*gomail.Msg, error) {
	to, err := mail.ParseAddress(message.To)
	if err != nil || strings.ContainsAny(message.To, "\r\n") {
		return nil, errs.Wrap(errs.Invalid, err, "%q is no mail address.", message.To).On("email")
	}
	if strings.ContainsAny(message.Subject, "\r\n") {
		return nil, errs.New(errs.Invalid, "The subject of a mail is one line.")
	}
	from, err := mail.ParseAddress(m.opts.From)
	if err != nil {
		return nil, fmt.Errorf("read the sender: %w", err) // Open has checked it
	}
	composed := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	composed.FromMailAddress(from)
	composed.AddToMailAddress(to)
	composed.Subject(message.Subject)
	composed.SetDateWithValue(m.opts.Now())
	_, domain, _ := strings.Cut(from.Address, "@")
	composed.SetMessageIDWithValue(rand.Text() + "@" + domain)
	// Nobody's holiday notice should answer (RFC 3834).
	composed.SetGenHeader("Auto-Submitted", "auto-generated")
	composed.SetBodyString(gomail.TypeTextPlain, lines(message.Text), gomail.WithPartEncoding(encoding(message.Text)))
	if message.HTML != "" {
		composed.AddAlternativeString(gomail.TypeTextHTML, lines(message.HTML), gomail.WithPartEncoding(encoding(message.HTML)))
	}
	return composed, nil
}

// lines ends each line as mails do.
func lines(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.ReplaceAll(strings.TrimRight(text, "\n")+"\n", "\n", "\r\n")
}

// encoding leaves a text as it is, so that a link in it can be read by eye and by
// simple programs, unless a line is longer than a mail may have (RFC 5322).
func encoding(text string) gomail.Encoding {
	for line := range strings.Lines(text) {
		if len(line) > 900 {
			return gomail.EncodingQP
		}
	}
	return gomail.NoEncoding
}
