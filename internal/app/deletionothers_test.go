package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// TestDeletedSnapshot: a snapshot of a deleted owner's channel is like none for who
// made it, whatever is asked of it, and gone with the channel when that is erased.
func TestDeletedSnapshot(t *testing.T) {
	a := apptest.New(t)
	root, sara := a.Operator(t, "root"), a.User(t, "sara")
	a.User(t, "src").Upload(t, "src", condatest.Spec{Name: "soil"}, "")
	ctx := t.Context()
	snapshot := func() registry.Channel {
		t.Helper()
		ch, err := a.Registry.CreateSnapshot(ctx, sara.Actor(t), "sara", registry.NewSnapshot{Name: "copy", Owner: "src"})
		must(t, err)
		return ch
	}
	copied := snapshot()
	must(t, a.Accounts.Grant(ctx, sara.Actor(t), account.Subject{Kind: "user", Name: "root"},
		access.Object{OwnerID: sara.ID, OwnerName: "sara", ChannelID: copied.ID, Channel: "copy"}, access.Admin))
	patch := func(channel, body string) *apptest.Answer {
		t.Helper()
		return a.Do(t, "PATCH", "/api/v1/channels/sara/"+channel, apptest.Request{Token: sara.Token, Body: []byte(body)})
	}
	if got := patch("copy", `{"description":"There"}`); got.Status != http.StatusOK {
		t.Fatalf("before: %s", got)
	}
	delSrc := func() {
		t.Helper()
		_, err := a.Accounts.DeleteOwner(ctx, root.Actor(t), "src", "src")
		must(t, err)
	}
	delSrc()
	before := a.Dump(t)
	for _, body := range []string{`{"frozen":false}`, `{"frozen":true}`, `{"description":"x"}`, `{"locked":true}`, `{"visibility":"private"}`} {
		got, never := patch("copy", body), patch("nope", body)
		if got.Status != http.StatusNotFound || strings.ReplaceAll(string(got.Body), "copy", "nope") != string(never.Body) {
			t.Errorf("PATCH %s answers %s; of a channel that never was, %s", body, got, never)
		}
	}
	if after := a.Dump(t); after != before {
		t.Error("a change that was refused left rows")
	}

	_, err := a.Accounts.RestoreOwner(ctx, root.Actor(t), "src")
	must(t, err)
	if got := patch("copy", `{"description":"Back"}`); got.Status != http.StatusOK {
		t.Errorf("restored: %s", got)
	}

	delSrc()
	a.Clock.Pass(week + time.Minute)
	if n, err := a.EraseOwners(ctx, access.System()); err != nil || n != 1 {
		t.Fatalf("%d owners were erased: %v", n, err)
	}
	rows := a.Rows(t)
	for _, table := range []string{"channels", "grants"} {
		for _, row := range rows.Of(t, table) {
			for column, v := range row {
				if v == copied.ID {
					t.Errorf("%s.%s still names the snapshot", table, column)
				}
			}
		}
	}
	if actions := logged(t, a, root, "sara"); !slices.Contains(actions, "channel.erase") {
		t.Errorf("the log of sara has %v", actions)
	}
	// The name is free again.
	if _, err := a.Registry.CreateChannel(ctx, sara.Actor(t), "sara", registry.NewChannel{Name: "copy"}); err != nil {
		t.Error(err)
	}
	a.Want(t, http.StatusOK, "GET", "/conda/sara/copy/noarch/repodata.json", apptest.Request{})
	report, err := a.Fsck(ctx, true)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("fsck: %v, %v", report.Faults, err)
	}
}
