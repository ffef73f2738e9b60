package app_test

import (
	"encoding/json/v2"
	"net/http"
	"strings"
	"testing"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/app"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
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

// TestTokenInAddress: an address that has a token in it is refused, since the page of
// the channel shows where it comes from, and so is one that files are fetched from.
func TestTokenInAddress(t *testing.T) {
	from := apptest.New(t)
	ana := from.User(t, "ana")
	ana.Upload(t, "ana", condatest.Spec{}, "")
	to := apptest.New(t, apptest.Setting("outgoing_allow", "127.0.0.0/8"))
	to.User(t, "bob")
	root := to.Operator(t, "root")
	source := folder(t, from, "noarch")
	host := strings.TrimPrefix(from.Base, "http://")
	for _, c := range []struct{ field, source, base string }{
		{"source", from.Base + "/t/" + ana.Token + "/conda/ana", ""},
		{"source", from.Base + "/conda/t//" + ana.Token, ""},
		{"source", from.Base + "/%74/" + ana.Token + "/conda/ana", ""},
		{"source", "http://" + ana.Token + "@" + host + "/conda/ana", ""},
		{"base_url", source, from.Base + "/t/" + ana.Token + "/conda/ana"},
		{"base_url", source, "http://x:" + ana.Token + "@" + host + "/conda/ana"},
		{"base_url", source, from.Base + "/conda/ana?token=" + ana.Token},
	} {
		m := app.Moving{Owner: "bob", Channel: "main", Source: c.source, BaseURL: c.base, MetadataOnly: true}
		_, err := to.Move(t.Context(), access.System(), m, nil, nil)
		if errs.KindOf(err) != errs.Invalid || !strings.Contains(errs.Message(err), "--token-env") || strings.Contains(err.Error(), ana.Token) {
			t.Errorf("%s %s: %v", c.source, c.base, err)
		}
		body, err := json.Marshal(map[string]any{"source": c.source, "base_url": c.base, "metadata_only": true})
		if err != nil {
			t.Fatal(err)
		}
		got := to.Want(t, http.StatusUnprocessableEntity, "POST", "/api/v1/channels/bob/main/import", apptest.Request{Token: root.Token, Body: body})
		if text := string(got.Body); !strings.Contains(text, c.field) || strings.Contains(text, ana.Token) {
			t.Errorf("%s %s: %s", c.source, c.base, text)
		}
	}
	for where, text := range map[string]string{"log": to.Logged(), "rows": to.Dump(t), "page": string(to.Do(t, "GET", "/bob/main", apptest.Request{}).Body)} {
		if strings.Contains(text, ana.Token) {
			t.Errorf("the token is in the %s", where)
		}
	}
}
