package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses whose X-Forwarded-For is believed.
type Proxies []netip.Prefix

// Contains reports whether the address is that of a trusted proxy.
func (p Proxies) Contains(a netip.Addr) bool {
	for _, x := range p {
		if x.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// RemoteOf gives the address of the client, without port; behind trusted
// proxies it is the last one that none of them is.
func RemoteOf(r *http.Request) string {
	if e := EventOf(r); e.remote != "" {
		return e.remote
	}
	return peer(r)
}

func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (p Proxies) remote(r *http.Request) string {
	at := peer(r)
	if len(p) == 0 {
		return at
	}
	a, err := netip.ParseAddr(at)
	if err != nil || !p.Contains(a) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		h, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = h.Unmap().String()
		if !p.Contains(h) {
			break
		}
	}
	return at
}
