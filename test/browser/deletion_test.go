//go:build browser

package browser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/internal/apptest"
)

// TestDeletion walks the way of somebody who deletes an account and keeps it after
// all, and of an organisation that is deleted and brought back, in a browser that
// runs no scripts. Pictures of what is asked and offered go to artefacts/.
func TestDeletion(t *testing.T) {
	w := fill(t)
	axe := readAxe(t)
	c := launch(t, w.App)
	shoot := func(b *tab, name string) {
		t.Helper()
		b.size(1280, 900)
		b.until(`document.fonts.status === "loaded"`)
		folder := filepath.Join("..", "..", "artefacts")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+".png"), b.picture(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := c.open(t, w.ben)
	b.size(1280, 900)
	b.scripts(false)
	b.visit("/settings/account")
	b.press(`a[href="/settings/account/delete"]`)
	b.at("/settings/account/delete", "Delete ben?", "you are their only owner", "acme", "bio")
	shoot(b, "delete-account-blocked")
	b.visit("/organization/bio/settings/account")
	b.press(`a[href="/organization/bio/settings/account/delete"]`)
	b.at("/organization/bio/settings/account/delete", "Delete bio?", "by each of its owners")
	shoot(b, "delete-organization")
	b.enter("typed", "bio")
	b.press(`form.fields button.danger`)
	b.at("/settings/organizations", "bio is deleted.", "by ben")
	shoot(b, "organizations-deleted")
	b.press(`form[action="/settings/organizations/undo"] button`)
	b.at("/settings/organizations", "bio is back.")

	b = c.open(t, w.ana)
	b.size(1280, 900)
	b.scripts(false)
	b.visit("/settings/account/delete")
	b.at("/settings/account/delete", "Delete ana?", "downloads in the last 30 days")
	shoot(b, "delete-account")
	b.enter("password", "not this one")
	b.press(`form.fields button.danger`)
	b.at("/settings/account/delete", "This is not your password.")
	b.enter("password", apptest.Password)
	b.press(`form.fields button.danger`)
	b.at("/login", "ana is deleted.", "To keep it, sign in before then.")
	b.enter("username", "ana")
	b.enter("password", apptest.Password)
	b.press(`form[action="/login"] button.primary`)
	b.at("/login/keep", "ana was deleted", "Keep the account")
	shoot(b, "keep-account")
	b.scripts(true) // those of axe
	b.inspect(t, look{"/login/keep", "/login/keep", "ana", 0}, axe)
	b.scripts(false)
	b.visit("/login/keep")
	b.press(`form[action="/login/keep"] button`)
	b.at("/dashboard", "Your account is kept.", "survey-notebooks")
	for _, said := range b.complaints() {
		if !strings.Contains(said, "422") {
			t.Error(said)
		}
	}
}
