package markdown

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// idPrefix keeps the anchors of a README apart from those of the page.
const idPrefix = "readme-"

// maxDepth is how deep the elements of a document may lie in each other. Browsers and
// html.Parse stop at 512, the page around it included.
const maxDepth = 100

var errDeep = errors.New("the elements of a README lie too deep in each other")

// settle makes a document fit the page that it comes into: headings one level
// lower, anchors under a prefix, relative links and images resolved, remote
// images turned into links. It does not make the document safe.
func settle(r io.Reader, o Options) (string, error) {
	body := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
	nodes, err := html.ParseFragment(r, body)
	if err != nil {
		return "", fmt.Errorf("parsing a README: %w", err)
	}
	for _, n := range nodes {
		body.AppendChild(n)
	}
	s := settler{o: o}
	s.children(body, false)
	if s.deep {
		return "", errDeep
	}
	var b strings.Builder
	for n := range body.ChildNodes() {
		if err := html.Render(&b, n); err != nil {
			return "", fmt.Errorf("writing a README: %w", err)
		}
	}
	return b.String(), nil
}

type settler struct {
	o     Options
	above []byte // the levels of the headings that the present place lies below
	depth int    // of the present place
	deep  bool   // one was beyond maxDepth
}

// children settles all children of a node. Within a link an image cannot
// become a further link.
func (s *settler) children(parent *html.Node, linked bool) {
	if s.depth++; s.depth > maxDepth {
		s.deep = true
	}
	defer func() { s.depth-- }()
	for n := parent.FirstChild; n != nil; {
		next := n.NextSibling // n may be replaced
		s.node(parent, n, linked)
		n = next
	}
}

func (s *settler) node(parent, n *html.Node, linked bool) {
	if n.Type != html.ElementNode {
		return
	}
	if id := attribute(n, "id"); id != "" {
		setAttribute(n, "id", anchor(id))
	}
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		s.heading(n)
	case atom.A:
		setAttribute(n, "href", s.link(attribute(n, "href")))
		linked = true
	case atom.Pre:
		setAttribute(n, "tabindex", "0") // it may scroll
	case atom.Table:
		box := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div, Attr: []html.Attribute{{Key: "class", Val: "scroll"}, {Key: "tabindex", Val: "0"}}}
		parent.InsertBefore(box, n)
		parent.RemoveChild(n)
		box.AppendChild(n)
	case atom.Img:
		s.image(parent, n, linked)
		return
	}
	s.children(n, linked)
}

// heading lowers a heading below that of the page, and so that no level is
// left out, which READMEs do for the look of it.
func (s *settler) heading(n *html.Node) {
	level := n.Data[1]
	for len(s.above) > 0 && s.above[len(s.above)-1] >= level {
		s.above = s.above[:len(s.above)-1]
	}
	s.above = append(s.above, level)
	n.Data = "h" + string('1'+rune(min(len(s.above), 5)))
	n.DataAtom = atom.Lookup([]byte(n.Data))
}

// link gives the address of a link, or "" for one that leads nowhere.
func (s *settler) link(dest string) string {
	if name, found := strings.CutPrefix(dest, "#"); found {
		return "#" + anchor(name)
	}
	u, err := url.Parse(dest)
	if err != nil || dest == "" {
		return ""
	}
	if u.Scheme != "" || u.Host != "" {
		return dest // the policy knows which schemes may stay
	}
	if s.o.Link == nil {
		return ""
	}
	return s.o.Link(dest)
}

// image keeps an image of the archive and puts a link, or only words, in the
// place of any other.
func (s *settler) image(parent, n *html.Node, linked bool) {
	src, words := attribute(n, "src"), strings.TrimSpace(attribute(n, "alt"))
	u, err := url.Parse(src)
	remote := err == nil && u.Host != ""
	if err == nil && !remote && u.Scheme == "" && s.o.Image != nil {
		if address := s.o.Image(src); address != "" {
			setAttribute(n, "src", address)
			setAttribute(n, "alt", words)
			return
		}
	}
	if words == "" && remote {
		words = "image at " + u.Hostname()
	}
	replacement := &html.Node{Type: html.TextNode, Data: words}
	if remote && !linked {
		link := &html.Node{Type: html.ElementNode, Data: "a", DataAtom: atom.A, Attr: []html.Attribute{{Key: "href", Val: src}}}
		link.AppendChild(replacement)
		replacement = link
	}
	parent.InsertBefore(replacement, n)
	parent.RemoveChild(n)
}

var notInAnchor = regexp.MustCompile(`[^a-z0-9_-]+`)

// anchor makes an anchor's name out of what a README calls one.
func anchor(id string) string {
	return idPrefix + strings.Trim(notInAnchor.ReplaceAllString(strings.ToLower(id), "-"), "-")
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// setAttribute sets an attribute, or takes it away where the value is empty,
// save for alt, which says something by being empty.
func setAttribute(n *html.Node, key, value string) {
	kept := n.Attr[:0]
	for _, a := range n.Attr {
		if a.Key != key {
			kept = append(kept, a)
		}
	}
	n.Attr = kept
	if value != "" || key == "alt" {
		n.Attr = append(n.Attr, html.Attribute{Key: key, Val: value})
	}
}
