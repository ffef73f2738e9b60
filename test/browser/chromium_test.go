//go:build browser

// Package browser looks at the pages in Chromium: every page of the router with
// axe, on wide and narrow screens, light and dark; the ways of somebody without
// scripts and of somebody without a mouse; packages that mean harm. It writes
// pictures of six pages into artefacts/. `make test-browser` runs it.
package browser

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"terrarium/internal/apptest"
)

// patience is how long one step in the browser may take.
const patience = time.Minute

// chromium is a running browser, which ends with its test.
type chromium struct {
	t   *testing.T
	app *apptest.App
	ctx context.Context
}

// launch starts Chromium with a profile of its own.
func launch(t *testing.T, app *apptest.App) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: .ci/run installs it", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &chromium{t, app, ctx}
}

// tab is one tab, with cookies of its own.
type tab struct {
	t   *testing.T
	app *apptest.App
	ctx context.Context

	mu     sync.Mutex
	faults []string // what the console said since it was last asked
}

// open gives a tab in which the person is signed in, with a session of its own;
// nil is nobody.
func (c *chromium) open(t *testing.T, who *apptest.Person) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	b := &tab{t: t, app: c.app, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	if who != nil {
		call(b, network.SetCookie, network.SetCookieParams{Name: c.app.CookieName(), Value: who.NewSession(t), URL: c.app.Base, HTTPOnly: new(true)})
	}
	b.media("light")
	return b
}

// listen keeps what a visitor with an open console would be shocked by.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			b.faults = append(b.faults, fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			b.faults = append(b.faults, fmt.Sprintf("console.%s", e.Type))
		}
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		b.faults = append(b.faults, "dialog: "+e.Message)
	}
}

// complaints gives what the console said since the last call.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.faults
	b.faults = nil
	return list
}

// run does steps that give nothing.
func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("at %s: %v\n%s", b.where(), err, b.text())
	}
}

// ask runs an action that gives something.
func ask[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// eval gives the value of an expression.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	return ask(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// call sends a command of the protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	return ask(b, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
}

// visit opens a page and gives its status.
func (b *tab) visit(path string) int {
	b.t.Helper()
	answer := ask(b, chromedp.NavigateResponse(b.app.Base+path))
	if answer == nil {
		b.t.Fatalf("%s does not answer", path)
	}
	return int(answer.Status)
}

// where is the path of the page.
func (b *tab) where() string {
	where, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(where, b.app.Base)
}

// text is what the page says.
func (b *tab) text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// at fails the test where the page is another one, or lacks one of the texts.
func (b *tab) at(path string, texts ...string) {
	b.t.Helper()
	if where := b.where(); where != path {
		b.t.Fatalf("the browser is at %s, want %s\n%s", where, path, b.text())
	}
	for _, text := range texts {
		if !strings.Contains(b.text(), text) {
			b.t.Fatalf("%s does not say %q:\n%s", path, text, b.text())
		}
	}
}

// leads does a step and waits for the page that it leads to.
func (b *tab) leads(step chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ask(b, chromedp.WaitEvent(page.LoadEventFired, nil, step))
}

// otherPage is what the protocol says where the page that was asked is gone.
const otherPage = "Cannot find context with specified id"

// until waits for an expression to become true. Chromium may say that a page has come
// before it says where to ask it; it is asked again then.
func (b *tab) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	var err error
	for again := true; again; again = err != nil && strings.Contains(err.Error(), otherPage) && ctx.Err() == nil {
		_, err = chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond)))
	}
	if err != nil {
		b.t.Fatalf("%s at %s: %v\n%s", expression, b.where(), err, b.text())
	}
}

// size gives the window a width and a height in pixels.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, height))
}

// media says which colours the visitor likes; nothing moves.
func (b *tab) media(scheme string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// scripts switches scripts of pages on or off.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// picture gives the window's content as PNG.
func (b *tab) picture() []byte {
	b.t.Helper()
	return ask(b, chromedp.CaptureScreenshot())
}

// evaluated runs a program in the page and wants nothing of it.
func evaluated(source string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](source)
}
