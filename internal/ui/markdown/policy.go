package markdown

import (
	"regexp"

	"github.com/microcosm-cc/bluemonday"
)

var (
	tokenClass = regexp.MustCompile(`^[a-z]{1,2}[0-9]?$`) // chroma's; no class of ours is so short
	scrollOnly = regexp.MustCompile(`^scroll$`)
	zero       = regexp.MustCompile(`^0$`)
	ownAnchor  = regexp.MustCompile(`^readme-[a-z0-9_-]*$`)
	ownPath    = regexp.MustCompile(`^/[^/\\]`)
	side       = regexp.MustCompile(`^(left|center|right)$`)
	pixels     = regexp.MustCompile(`^[0-9]{1,4}$`)
)

// policy is what may stand in a page, and the only thing that makes a README
// safe: what comes before it may be wrong without harm. There is no style, no
// form, no frame, no media; images are paths of this server.
func policy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements(
		"h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "div", "span", "blockquote", "ul", "ol", "li", "dl", "dt", "dd",
		"pre", "code", "kbd", "samp", "var", "em", "strong", "b", "i", "u", "s", "del", "ins", "sub", "sup", "small", "q",
		"cite", "abbr", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "details", "summary",
	)
	p.AllowAttrs("class").Matching(tokenClass).OnElements("span")
	p.AllowAttrs("class").Matching(scrollOnly).OnElements("div")
	p.AllowAttrs("tabindex").Matching(zero).OnElements("pre", "div")
	p.AllowAttrs("id").Matching(ownAnchor).OnElements("h2", "h3", "h4", "h5", "h6", "a", "p", "li")
	p.AllowAttrs("align").Matching(side).OnElements("th", "td")
	p.AllowAttrs("start").Matching(pixels).OnElements("ol")
	p.AllowAttrs("colspan", "rowspan").Matching(pixels).OnElements("th", "td")
	p.AllowAttrs("open").Matching(regexp.MustCompile(`^(open)?$`)).OnElements("details")

	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("src").Matching(ownPath).OnElements("img")
	p.AllowAttrs("alt").OnElements("img")
	p.AllowAttrs("width", "height").Matching(pixels).OnElements("img")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(true)
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
}
