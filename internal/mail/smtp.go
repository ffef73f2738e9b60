package mail

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"terrarium/internal/dial"
	"terrarium/internal/errs"
)

// server is a mail server, connected to anew for each mail.
type server struct {
	host string
	opts []gomail.Option
}

func newServer(u *url.URL, dialer *dial.Dialer) (*server, error) {
	policy := gomail.TLSOpportunistic
	port := 25
	if u.User != nil {
		port = 587 // submission (RFC 6409)
	}
	if u.Scheme == "smtps" {
		port = 465
	}
	if text := u.Port(); text != "" {
		var err error
		if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
			return nil, errs.New(errs.Invalid, "The port %q of the mail server is no port.", text).On("mail")
		}
	}
	for name, values := range u.Query() {
		switch {
		case name == "tls" && values[0] == "required":
			policy = gomail.TLSMandatory
		case name == "tls" && values[0] == "off":
			policy = gomail.NoTLS
		default:
			return nil, errs.New(errs.Invalid, "The address of the mail server has an unknown part %q. Known are tls=required and tls=off.", name+"="+values[0]).On("mail")
		}
	}
	host := u.Hostname()
	opts := []gomail.Option{
		gomail.WithPort(port),
		gomail.WithTLSPolicy(policy),
		gomail.WithTimeout(30 * time.Second),
	}
	dialer = dialer.Allowing(net.JoinHostPort(host, strconv.Itoa(port)))
	if u.Scheme == "smtps" {
		// With a dialer of one's own the library leaves TLS to it.
		opts = append(opts, gomail.WithSSL(), gomail.WithDialContextFunc(dialer.DialTLSContext))
	} else {
		opts = append(opts, gomail.WithDialContextFunc(dialer.DialContext))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		// Of what the server offers the safest; never a password in the clear.
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	s := &server{host, opts}
	if _, err := gomail.NewClient(host, opts...); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The settings of the mail server do not fit together.").On("mail")
	}
	return s, nil
}

func (s *server) send(ctx context.Context, message *gomail.Msg) error {
	client, err := gomail.NewClient(s.host, s.opts...)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The settings of the mail server do not fit together.")
	}
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if refusal, ok := errors.AsType[*gomail.SendError](err); ok && !refusal.IsTemp() && refusal.ErrorCode() >= 500 {
			return errs.Wrap(errs.Invalid, err, "The mail server refuses the mail.")
		}
		return errs.Wrap(errs.Unavailable, err, "The mail server is away. Try again later.")
	}
	return nil
}
