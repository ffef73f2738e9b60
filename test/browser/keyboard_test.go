//go:build browser

package browser

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

// tabTo presses Tab until the focus is on what the selector names, as somebody
// without a mouse does, and holds the page to showing where the focus is.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	const most = 80
	for range most {
		b.run(chromedp.KeyEvent(kb.Tab))
		if eval[bool](b, `document.activeElement.matches(`+quote(selector)+`)`) {
			if !eval[bool](b, `(() => { const e = document.activeElement, near = [e, e.parentElement, e.nextElementSibling].filter(Boolean);
				return near.some((x) => { const s = getComputedStyle(x); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 || s.boxShadow !== "none"; }); })()`) {
				b.t.Errorf("at %s the focus on %s cannot be seen", b.where(), selector)
			}
			return
		}
	}
	b.t.Fatalf("at %s, %d times Tab do not lead to %s", b.where(), most, selector)
}

func quote(s string) string { return "`" + s + "`" }

// shortcut presses a printable key as hardware does: where the page takes it for
// itself, nothing is written.
func (b *tab) shortcut(key string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, event := range []input.DispatchKeyEventParams{
			{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key}, {Type: input.DispatchKeyEventTypeKeyUp, Key: key},
		} {
			if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, event); err != nil {
				return err
			}
		}
		return nil
	})
}

// types writes into the field that has the focus.
func (b *tab) types(text string) {
	b.t.Helper()
	b.run(chromedp.KeyEvent(text))
}

// focus says whether the focus is on what the selector names.
func (b *tab) focus(selector string) bool {
	b.t.Helper()
	return eval[bool](b, `document.activeElement.matches(`+quote(selector)+`)`)
}

// TestKeyboard signs up, uploads and makes a token with keys alone.
func TestKeyboard(t *testing.T) {
	app := apptest.New(t)
	b := launch(t, app).open(t, nil)
	b.size(1280, 900)

	b.visit("/signup")
	b.run(chromedp.KeyEvent(kb.Tab))
	if !b.focus(".skip") {
		t.Error("the first stop is not the link to the page")
	}
	b.leads0(chromedp.KeyEvent("\r"), `location.hash === "#main"`)
	b.tabTo("#username")
	b.types("status")
	b.tabTo("#email")
	b.until(`document.querySelector("#username").getAttribute("aria-describedby") && document.body.innerText.includes("status")`)
	b.types("nia@uni.example")
	b.run(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
	b.run(chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.types("nia")
	b.tabTo("#email")
	b.until(`document.body.innerText.includes("Free. Your packages will live at")`)
	b.tabTo("#password")
	b.types(password)
	b.tabTo("[data-reveal]")
	b.types(" ")
	if kind := eval[string](b, `document.querySelector("#password").type`); kind != "text" {
		t.Errorf("Show leaves the password a field of type %s", kind)
	}
	b.tabTo("#password2")
	b.types(password)
	b.tabTo("#terms")
	b.types(" ")
	b.tabTo(`form[action="/signup"] button.primary`)
	b.leads(chromedp.KeyEvent("\r"))
	b.at("/dashboard", "Your account is made.")

	// The menu opens with Enter and closes with Escape, which gives the focus back.
	b.tabTo("details.menu summary")
	b.types("\r")
	if !eval[bool](b, `document.querySelector("details.menu").open`) {
		t.Error("Enter does not open the menu")
	}
	b.tabTo(".menu-body a")
	b.run(chromedp.KeyEvent(kb.Escape))
	if eval[bool](b, `document.querySelector("details.menu").open`) || !b.focus("details.menu summary") {
		t.Error("Escape does not close the menu and give the focus back")
	}

	b.tabTo(`.bar a[href^="/add"]`)
	b.leads(chromedp.KeyEvent("\r"))
	b.at("/add?owner=nia")
	b.tabTo(`[name="private"]`) // who is not verified publishes in private only
	b.types(kb.ArrowDown)
	b.tabTo("#file") // the choice of a file is the system's own window
	b.run(chromedp.SetUploadFiles(chromedp.ID("file"), []string{save(t, condatest.Spec{Name: "soil"})}))
	b.tabTo("form[data-upload] button.primary")
	b.types("\r")
	b.until(`document.querySelector("[data-upload-list]").innerText.includes("published")`)

	b.keys("g", "d")
	b.at("/dashboard")
	b.keys("g", "s")
	b.at("/settings/profile")
	b.tabTo(`a[href="/settings/tokens"]`)
	b.leads(chromedp.KeyEvent("\r"))
	b.at("/settings/tokens")
	b.tabTo("#name")
	b.types("ci")
	b.tabTo(`[name="scope"]`)
	b.types(" ")
	b.tabTo("form.fields button.primary")
	b.leads(chromedp.KeyEvent("\r"))
	b.at("/settings/tokens", "ci is made", "You will not see it again")
	b.tabTo(".new-token [data-copy]")
	b.types("\r")
	b.until(`[...document.querySelectorAll(".new-token [data-copy] [aria-live]")].some((e) => /Copied|Ctrl C/.test(e.textContent))`)

	b.run(b.shortcut("/"))
	if !b.focus("[data-find]") {
		t.Error("/ does not lead to the search")
	}
	b.run(b.shortcut("/"))
	if value := ask(b, chromedp.Value(chromedp.CSS(".header [data-find]"))); value != "/" {
		t.Errorf("a key typed into the search is taken as a shortcut: the field holds %q", value)
	}
	b.run(chromedp.Blur(chromedp.CSS(".header [data-find]")))
	b.leads(b.shortcut("?"))
	b.at("/help#keyboard", "Keyboard")

	// j and k go along the rows, c copies the command.
	app.User(t, "ben").Upload(t, "ben", condatest.Spec{Name: "one"}, "")
	app.User(t, "ada").Upload(t, "ada", condatest.Spec{Name: "two"}, "")
	b.visit("/search")
	b.run(b.shortcut("j"))
	first := eval[string](b, `document.activeElement.getAttribute("href")`)
	b.run(b.shortcut("j"))
	second := eval[string](b, `document.activeElement.getAttribute("href")`)
	b.run(b.shortcut("k"))
	if again := eval[string](b, `document.activeElement.getAttribute("href")`); first == second || again != first || strings.Count(first, "/") != 2 {
		t.Errorf("j, j and k lead to %s, %s and %s", first, second, again)
	}
	b.leads(chromedp.KeyEvent("\r"))
	b.at(first)
	b.run(b.shortcut("c"))
	b.until(`[...document.querySelectorAll("[data-copy] [aria-live]")].some((e) => /Copied|Ctrl C/.test(e.textContent))`)
	if said := b.complaints(); len(said) > 0 {
		t.Error(said)
	}
}

// leads0 does a step that leads to no other page, and waits for what it brings.
func (b *tab) leads0(step chromedp.Action[chromedp.Void], expression string) {
	b.t.Helper()
	b.run(step)
	b.until(expression)
}

// keys presses single keys, the last of which leads to another page.
func (b *tab) keys(keys ...string) {
	b.t.Helper()
	for _, key := range keys[:len(keys)-1] {
		b.run(b.shortcut(key))
	}
	b.leads(b.shortcut(keys[len(keys)-1]))
}
