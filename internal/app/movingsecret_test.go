package app_test

import (
	"net/http"
	"strings"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/app"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// TestMoveKeepsSecrets: what not everybody may read where it comes from, not everybody
// may read here: with a token that may download and no more, and of a channel that is
// closed there.
func TestMoveKeepsSecrets(t *testing.T) {
	from := apptest.New(t)
	ana := from.User(t, "ana")
	ana.Upload(t, "ana", condatest.Spec{Name: "shut"}, "private=true")
	ana.Upload(t, "ana/inner", condatest.Spec{Name: "inner"}, "")
	from.Want(t, http.StatusOK, "PATCH", "/api/v1/channels/ana/inner", apptest.Request{Token: ana.Token, Body: []byte(`{"visibility":"private"}`)})
	for name, token := range map[string]string{
		"all scopes":    ana.Token,
		"download only": ana.NewToken(t, account.NewToken{Name: "download", Scopes: []string{"conda:download"}}),
	} {
		t.Run(name, func(t *testing.T) {
			to := apptest.New(t, apptest.Setting("outgoing_allow", "127.0.0.0/8"))
			to.User(t, "bob")
			m := app.Moving{Owner: "bob", Channel: "main", Source: from.Base + "/conda/ana", Token: token, Labels: true}
			if _, err := to.Move(t.Context(), access.System(), m, nil, nil); err != nil {
				t.Log(err) // to be refused is fine
			}
			for _, where := range []string{"main", "inner"} {
				got := to.Do(t, "GET", "/conda/bob/"+where+"/noarch/repodata.json", apptest.Request{})
				if strings.Contains(string(got.Body), "shut-1.0") || strings.Contains(string(got.Body), "inner-1.0") {
					t.Errorf("anybody sees in %s: %s", where, got.Body)
				}
			}
		})
	}
}
