//go:build browser

package browser

import (
	"os"
	"path/filepath"
	"testing"

	"terrarium/internal/condatest"
	"terrarium/internal/registry"
)

// TestRollBackByHand goes back and makes a snapshot through the pages, with script
// and without.
func TestRollBackByHand(t *testing.T) {
	w := fill(t)
	c := launch(t, w.App)
	for _, scripts := range []bool{true, false} {
		t.Run(map[bool]string{true: "with script", false: "without"}[scripts], func(t *testing.T) {
			name := map[bool]string{true: "one", false: "two"}[scripts]
			for _, version := range []string{"1.0", "2.0"} {
				w.upload(t, artefact{owner: "acme", channel: name}, condatest.Spec{Name: "tool-" + name, Version: version})
			}
			b := c.open(t, w.ana)
			b.scripts(scripts)
			b.visit("/acme/-/channels/" + name)
			b.press(`a[href="/acme/-/history/` + name + `"]`)
			b.at("/acme/-/history/"+name, "Uploaded tool-"+name)
			shoot(t, b, "history-"+name)
			b.press(`a[href="/acme/-/changes/` + name + `?generation=1"]`)
			b.at("/acme/-/changes/"+name+"?generation=1", "tool-"+name+"-1.0-0.conda", "Added")
			shoot(t, b, "generation-"+name)
			b.press(`a[href="/acme/-/rollback/` + name + `?to=1"]`)
			b.at("/acme/-/rollback/"+name+"?to=1", "Roll back acme/"+name+" to generation 1?")
			shoot(t, b, "rollback-"+name)
			b.press(`form[action^="/acme/-/rollback/"] button`)
			b.at("/acme/-/history/"+name, "is what it was at generation 1", "Rolled back to generation 1")
			b.visit("/acme/-/snapshot/" + name + "?at=2")
			b.enter("name", "kept-"+name)
			b.press(`form[action^="/acme/-/snapshot/"] button`)
			b.at("/acme/-/channels/kept-"+name, "shows generation 2 of acme/"+name, "A snapshot of")
			shoot(t, b, "snapshot-"+name)
			list, _, err := w.Registry.ChannelPackages(t.Context(), w.opened(t, "kept-"+name), "", 10)
			if err != nil || len(list) != 1 || list[0].Version != "2.0" {
				t.Errorf("the snapshot has %v, %v", list, err)
			}
		})
	}
}

// opened is a channel of acme as ana sees it.
func (w *world) opened(t *testing.T, name string) registry.Opened {
	t.Helper()
	o, err := w.Registry.OpenChannel(t.Context(), w.ana.Actor(t), "acme", name)
	w.must(t, err)
	return o
}

// shoot takes pictures of the page on a desk and on a phone.
func shoot(t *testing.T, b *tab, name string) {
	t.Helper()
	folder := "../../artefacts"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for suffix, width := range map[string]int64{"": 1280, "-phone": 390} {
		b.size(width, 900)
		if err := os.WriteFile(filepath.Join(folder, name+suffix+".png"), b.picture(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.size(1280, 900)
}
