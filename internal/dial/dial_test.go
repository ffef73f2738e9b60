package dial_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"terrarium/internal/dial"
	"terrarium/internal/errs"
)

func TestPrivateAddressesAreRefused(t *testing.T) {
	d := dial.New(dial.Options{})
	for _, host := range []string{
		"127.0.0.1", "127.9.9.9", "localhost", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1",
		"::1", "::", "fe80::1", "fc00::1", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "::127.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2001:db8::1",
	} {
		conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(host, "9"))
		if err == nil {
			conn.Close()
			t.Errorf("%s: connected", host)
			continue
		}
		// A host without IPv6 may say so before it asks us.
		if !dial.IsRefused(err) && !strings.Contains(host, ":") {
			t.Errorf("%s: %v, want a refusal", host, err)
		}
	}
}

func TestOtherNetworksAreRefused(t *testing.T) {
	d := dial.New(dial.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if _, err := d.DialContext(t.Context(), "udp", "127.0.0.1:9"); !errs.Is(err, errs.Forbidden) {
		t.Errorf("udp: %v, want forbidden", err)
	}
}

func TestOperatorAllows(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()

	for _, test := range []struct {
		name      string
		dialer    *dial.Dialer
		url       string
		connected bool
	}{
		{"nothing", dial.New(dial.Options{}), server.URL, false},
		{"the network", dial.New(dial.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), server.URL, true},
		{"another network", dial.New(dial.Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}), server.URL, false},
		{"the host and port", dial.New(dial.Options{AllowHosts: []string{address}}), server.URL, true},
		{"another port", dial.New(dial.Options{AllowHosts: []string{address}}), other.URL, false},
		{"added later", dial.New(dial.Options{}).Allowing(address), server.URL, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			response, err := test.dialer.HTTPClient().Get(test.url)
			if err == nil {
				response.Body.Close()
			}
			if (err == nil) != test.connected {
				t.Errorf("got %v, want connected %t", err, test.connected)
			}
			if err != nil && (!dial.IsRefused(err) || !strings.Contains(errs.Message(err), "127.0.0.1")) {
				t.Errorf("refused without naming the address: %v", err)
			}
		})
	}
}

func TestRedirectsAreChecked(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed into the private network")
	}))
	defer inner.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/inner":
			http.Redirect(w, r, inner.URL, http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	}))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()

	client := dial.New(dial.Options{AllowHosts: []string{
		strings.TrimPrefix(plain.URL, "http://"), strings.TrimPrefix(secure.URL, "https://"),
	}}).HTTPClient()
	client.Transport.(*http.Transport).TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
	for _, test := range []struct {
		url  string
		want string
	}{
		{plain.URL + "/inner", "is not public"},
		{plain.URL + "/loop", "redirects more than 10 times"},
		{secure.URL, "from https to http"},
	} {
		response, err := client.Get(test.url)
		if err == nil {
			response.Body.Close()
		}
		if err == nil || !strings.Contains(errs.Message(err), test.want) {
			t.Errorf("%s: %v, want %q", test.url, err, test.want)
		}
	}
}
