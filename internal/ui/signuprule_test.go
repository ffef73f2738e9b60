package ui_test

import (
	"strings"
	"testing"

	"terrarium/internal/apptest"
)

// TestSignUpIsOffered: pages offer to sign up only where whoever comes can do so;
// the page itself says how to get in anyway.
func TestSignUpIsOffered(t *testing.T) {
	for rule, offered := range map[string]bool{"open": true, "domain:example.com": true, "invite": false, "closed": false} {
		b := open(t, apptest.New(t, apptest.Setting("signup", rule)))
		if got := strings.Contains(b.get("/search").body, `href="/signup"`); got != offered {
			t.Errorf("with the rule %s the header offers to sign up: %v", rule, got)
		}
		b.want(b.get("/signup"), 200, "")
	}
}
