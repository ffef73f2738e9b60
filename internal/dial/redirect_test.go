package dial_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"terrarium/internal/dial"
)

// TestRedirectsTellNothing: who is redirected to does not learn the address that
// redirected, whose path may hold a token, nor a credential for it.
func TestRedirectsTellNothing(t *testing.T) {
	var referer, authorization string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		referer, authorization = r.Referer(), r.Header.Get("Authorization")
	}))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer first.Close()
	client := dial.New(dial.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}).HTTPClient()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, first.URL+"/t/secret/ada/noarch/a-1-0.conda", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token secret")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if referer != "" || authorization != "" {
		t.Errorf("told the referer %q and the authorization %q", referer, authorization)
	}
}
