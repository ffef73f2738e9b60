// Package dial opens Terrarium's connections to other machines. Addresses of
// upstreams, webhooks and pictures come from people, so a connection to an
// address inside the operator's own network is refused unless the operator
// allows it. The check looks at the address that is connected to, after its name
// has been resolved, and so holds for every redirect too. What is said over the
// connection is left to others.
package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"terrarium/internal/errs"
)

// maxRedirects is how many redirects an HTTP client follows.
const maxRedirects = 10

// Options are the choices of New. The zero value allows public addresses only.
type Options struct {
	// Allow are private networks that the operator opens to everything.
	Allow []netip.Prefix
	// AllowHosts are "host:port" pairs that the operator has configured as
	// the place of a service (the S3 endpoint, the mail server). A host is
	// compared as it is written; it may resolve to any address.
	AllowHosts []string
	// Timeout bounds the making of a connection; 0 means 10 s.
	Timeout time.Duration
}

// Dialer opens connections to public addresses and to what is allowed besides.
// It is safe for concurrent use.
type Dialer struct {
	opts    Options
	checked net.Dialer // refuses private addresses
	free    net.Dialer // for AllowHosts
}

// New gives a dialer.
func New(opts Options) *Dialer {
	opts.Allow = slices.Clone(opts.Allow)
	hosts := make([]string, len(opts.AllowHosts))
	for i, host := range opts.AllowHosts {
		hosts[i] = strings.ToLower(host)
	}
	opts.AllowHosts = hosts
	if opts.Timeout <= 0 {
		opts.Timeout = 10 * time.Second
	}
	d := &Dialer{opts: opts}
	d.free = net.Dialer{Timeout: opts.Timeout}
	d.checked = net.Dialer{Timeout: opts.Timeout, ControlContext: d.control}
	return d
}

// Allowing gives a dialer that allows further "host:port" pairs.
func (d *Dialer) Allowing(hosts ...string) *Dialer {
	opts := d.opts
	opts.AllowHosts = slices.Concat(opts.AllowHosts, hosts)
	return New(opts)
}

// DialContext connects to addr ("host:port") as net.Dialer does. An address that
// is not allowed is errs.Forbidden.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if slices.Contains(d.opts.AllowHosts, strings.ToLower(addr)) {
		return d.free.DialContext(ctx, network, addr)
	}
	return d.checked.DialContext(ctx, network, addr)
}

// HTTPClient gives a client that connects only by this dialer, follows at most
// ten redirects and none from https to http. Who is redirected to learns neither
// the address that redirected nor, on another host or port, the Authorization that
// was meant for it. It uses no proxy of the environment: a proxy would look names
// up behind our back. It has no overall time limit, since files are large; a
// request's context bounds it.
func (d *Dialer) HTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:           d.DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          100,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: time.Minute,
			ExpectContinueTimeout: time.Second,
		},
		CheckRedirect: checkRedirect,
	}
}

func checkRedirect(to *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return errs.New(errs.Invalid, "%s redirects more than %d times.", via[0].URL.Host, maxRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && to.URL.Scheme != "https" {
		return errs.New(errs.Forbidden, "%s redirects from https to %s, which is not followed.", via[0].URL.Host, to.URL.Scheme)
	}
	to.Header.Del("Referer") // the path of an address may hold a token
	if to.URL.Host != via[0].URL.Host {
		// net/http takes subdomains and other ports for the same host.
		to.Header.Del("Authorization")
	}
	return nil
}

// control sees each address just before it is connected to.
func (d *Dialer) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return errs.New(errs.Forbidden, "Connections by %s are not made.", network)
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errs.Wrap(errs.Forbidden, err, "The address %q cannot be checked.", address)
	}
	if d.allowed(at.Addr()) {
		return nil
	}
	return errs.New(errs.Forbidden, "The address %s is not public, so no connection is made to it. An operator can allow its network.", at.Addr()).Because("private-address")
}

func (d *Dialer) allowed(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, network := range d.opts.Allow {
		if network.Contains(addr) {
			return true
		}
	}
	return public(addr)
}

// IsRefused reports whether err says that an address was refused, however deep
// in the error of a client.
func IsRefused(err error) bool {
	e, ok := errors.AsType[*errs.Error](err)
	return ok && e.Reason == "private-address"
}

// DialTLSContext is DialContext with TLS on top, for the name in addr.
func (d *Dialer) DialTLSContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}
