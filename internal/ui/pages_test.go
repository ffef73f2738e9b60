package ui_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"terrarium/internal/ui"
	"terrarium/internal/ui/uitest"
)

// maxPage is the budget of a page's HTML, compressed.
const maxPage = 20_000

func TestPages(t *testing.T) {
	assets := newAssets(t)
	icons := iconNames(t, assets)
	for _, c := range uitest.Cases(assets.URL) {
		t.Run(c.Name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.Page.Render(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
			if size := compressed(t, b.Bytes()); size > maxPage {
				t.Errorf("%d bytes compressed, more than %d", size, maxPage)
			}
			if i := bytes.IndexAny(b.Bytes(), "\x00"); i >= 0 {
				t.Errorf("a zero byte at %d", i)
			}
			root, err := html.Parse(&b)
			if err != nil {
				t.Fatal(err)
			}
			p := page{t: t, root: root, ids: map[string]*html.Node{}, icons: icons}
			p.identify()
			p.frame()
			p.policy()
			p.fields()
			p.links()
			p.tables()
		})
	}
}

// page is a parsed page with its elements by id.
type page struct {
	t     *testing.T
	root  *html.Node
	ids   map[string]*html.Node
	icons []string
}

// elements gives all elements, or those of the given names.
func (p page) elements(names ...string) []*html.Node {
	var found []*html.Node
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && (len(names) == 0 || slices.Contains(names, n.Data)) {
			found = append(found, n)
		}
	}
	return found
}

// identify collects the ids and refuses doubles.
func (p page) identify() {
	for _, n := range p.elements() {
		id, ok := attr(n, "id")
		if !ok {
			continue
		}
		if id == "" || p.ids[id] != nil {
			p.t.Errorf("<%s> has the id %q, which is empty or taken", n.Data, id)
		}
		p.ids[id] = n
	}
}

// frame looks at what every page has: one heading, the landmarks, the skip
// link, a title.
func (p page) frame() {
	if h1 := p.elements("h1"); len(h1) != 1 || words(h1[0]) == "" {
		p.t.Errorf("there are %d h1, want one that says something", len(h1))
	}
	for _, name := range []string{"header", "main", "footer", "title"} {
		count := 0
		for _, n := range p.elements(name) {
			if name == "title" || name == "main" || n.Parent.Data == "body" {
				count++
			}
		}
		if count != 1 {
			p.t.Errorf("there are %d <%s>, want one", count, name)
		}
	}
	if lang, _ := attr(p.elements("html")[0], "lang"); lang != "en" {
		p.t.Errorf("the language is %q", lang)
	}
	if title := words(p.elements("title")[0]); !strings.HasSuffix(title, "Acme") {
		p.t.Errorf("the title is %q", title)
	}
	if first, _ := attr(p.elements("a")[0], "href"); first != "#main" {
		p.t.Errorf("the first link leads to %q, not to the page", first)
	}
	if len(p.elements("nav")) == 0 {
		p.t.Error("there is no nav")
	}
}

// policy looks for what the content security policy forbids.
func (p page) policy() {
	for _, n := range p.elements() {
		for _, a := range n.Attr {
			switch {
			case a.Key == "style", strings.HasPrefix(a.Key, "on"), strings.HasPrefix(a.Key, "hx-on"):
				p.t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
			case strings.Contains(a.Val, "about:invalid") && !strings.Contains(p.t.Name(), "hostile"):
				p.t.Errorf("<%s> has the refused address %s", n.Data, a.Key)
			}
		}
		switch n.Data {
		case "style", "iframe", "object", "embed", "base":
			p.t.Errorf("there is a <%s>", n.Data)
		case "script":
			if src, _ := attr(n, "src"); !strings.HasPrefix(src, "/assets/") || n.FirstChild != nil {
				p.t.Errorf("there is a script from %q", src)
			}
		case "img":
			src, _ := attr(n, "src")
			if _, named := attr(n, "alt"); !named || !strings.HasPrefix(src, "/") {
				p.t.Errorf("the picture %q has no alt or is not ours", src)
			}
		}
	}
}

// fields looks at whether every control has a name and every reference leads
// somewhere.
func (p page) fields() {
	for _, n := range p.elements() {
		for _, key := range []string{"for", "form", "aria-labelledby", "aria-describedby"} {
			value, ok := attr(n, key)
			if !ok {
				continue
			}
			for id := range strings.FieldsSeq(value) {
				if p.ids[id] == nil {
					p.t.Errorf("<%s %s=%q> leads nowhere", n.Data, key, value)
				}
			}
		}
	}
	for _, n := range p.elements("input", "select", "textarea", "button", "summary") {
		kind, _ := attr(n, "type")
		name, _ := attr(n, "name")
		if kind == "hidden" {
			continue
		}
		if kind == "password" {
			if value, _ := attr(n, "value"); value != "" {
				p.t.Errorf("the password %q is sent back", name)
			}
		}
		if !p.named(n) {
			p.t.Errorf("<%s name=%q> has no label", n.Data, name)
		}
		if _, ok := attr(n, "autocomplete"); !ok && n.Data == "input" && !slices.Contains([]string{"checkbox", "radio", "file"}, kind) {
			p.t.Errorf("the field %q says nothing of autocomplete", name)
		}
		if n.Data == "button" && kind != "button" && !inside(n, "form") {
			p.t.Errorf("the button %q belongs to no form", words(n))
		}
	}
	for _, n := range p.elements("form") {
		action, _ := attr(n, "action")
		method, _ := attr(n, "method")
		if !strings.HasPrefix(action, "/") || method != "" && method != "post" {
			p.t.Errorf("a form goes to %q by %q", action, method)
		}
	}
}

// named reports whether a control has a name for those who do not see it.
func (p page) named(n *html.Node) bool {
	if label, _ := attr(n, "aria-label"); label != "" {
		return true
	}
	if n.Data == "button" || n.Data == "summary" {
		return words(n) != ""
	}
	if inside(n, "label") {
		return true
	}
	id, _ := attr(n, "id")
	return slices.ContainsFunc(p.elements("label"), func(label *html.Node) bool {
		target, ok := attr(label, "for")
		return ok && target == id
	})
}

// links looks at every link and icon.
func (p page) links() {
	for _, n := range p.elements("a", "use") {
		href, ok := attr(n, "href")
		u, err := url.Parse(href)
		if n.Data == "use" {
			if !slices.Contains(p.icons, u.Fragment) {
				p.t.Errorf("there is no icon %q", u.Fragment)
			}
			continue
		}
		if !ok || href == "" || err != nil || !slices.Contains([]string{"", "http", "https", "mailto", "about"}, u.Scheme) {
			p.t.Errorf("the link %q leads to %q", words(n), href)
			continue
		}
		if u.Opaque == "" && u.Path == "" && u.Host == "" && u.Fragment != "" && p.ids[u.Fragment] == nil {
			p.t.Errorf("the link %q leads to %q, which is not on the page", words(n), href)
		}
		if label, _ := attr(n, "aria-label"); words(n) == "" && label == "" {
			p.t.Errorf("the link to %q says nothing", href)
		}
	}
}

// tables looks at the heads of tables.
func (p page) tables() {
	for _, n := range p.elements("th") {
		if scope, _ := attr(n, "scope"); scope == "" && !inside(n, "article") {
			p.t.Errorf("the head %q has no scope", words(n))
		}
	}
	for _, n := range p.elements("svg") {
		role, _ := attr(n, "role")
		label, _ := attr(n, "aria-label")
		hidden, _ := attr(n, "aria-hidden")
		if hidden != "true" && (role != "img" || label == "") {
			p.t.Error("a drawing is neither hidden nor described")
		}
	}
}

func attr(n *html.Node, key string) (value string, ok bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

// words gives the text of an element.
func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func inside(n *html.Node, name string) bool {
	for p := range n.Ancestors() {
		if p.Data == name {
			return true
		}
	}
	return false
}

func newAssets(t *testing.T) *ui.Assets {
	t.Helper()
	assets, err := ui.NewAssets()
	if err != nil {
		t.Fatal(err)
	}
	return assets
}

func iconNames(t *testing.T, assets *ui.Assets) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`<symbol id="([^"]+)"`).FindAllStringSubmatch(fetch(t, assets, "icons.svg"), -1) {
		names = append(names, m[1])
	}
	return names
}

func compressed(t *testing.T, body []byte) int {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}
