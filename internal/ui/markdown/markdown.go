// Package markdown turns a README, which anybody may have written, into HTML
// that can stand in a page: sanitised, without scripts, styles or images from
// elsewhere, its headings below those of the page, its code highlighted.
package markdown

import (
	"bytes"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	goldhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// MaxBytes is how much of a text is read; the rest counts as cut.
const MaxBytes = 256 << 10

// maxEffort bounds the time that a text may cost. Measured, a parser needs up
// to 3 ns a unit, so this is a third of a second; README files of real packages
// stay below a hundredth of it.
const maxEffort = 100_000_000

// Options say how a text is shown.
type Options struct {
	MaxLines int                      // lines shown at most; 0 shows all
	Link     func(dest string) string // address for a relative link; "" keeps only its words
	Image    func(dest string) string // address on this server for an image of the archive; "" keeps only its words
}

// Result is safe HTML.
type Result struct {
	HTML string
	Cut  bool // there is more text than is shown
}

// Render turns Markdown, which may hold HTML, into safe HTML. Images from
// elsewhere become links to them, so that reading a page tells nobody else of
// it. It never fails: a text that cannot be parsed is shown as it stands.
func Render(source []byte, o Options) Result {
	text, cut := clip(source, o.MaxLines)
	if effort(text) > maxEffort {
		return Result{HTML: preformatted(text), Cut: cut}
	}
	var b bytes.Buffer
	if err := engine().Convert([]byte(text), &b); err != nil {
		return Result{HTML: preformatted(text), Cut: cut}
	}
	settled, err := settle(&b, o)
	if err != nil {
		return Result{HTML: preformatted(text), Cut: cut}
	}
	return Result{HTML: policy().Sanitize(settled), Cut: cut}
}

// Plain shows a text as it stands, for formats that are not Markdown.
func Plain(source []byte, o Options) Result {
	text, cut := clip(source, o.MaxLines)
	return Result{HTML: preformatted(text), Cut: cut}
}

func preformatted(text string) string {
	return `<pre tabindex="0"><code>` + html.EscapeString(text) + `</code></pre>`
}

// clip takes the first lines of a text and makes it valid UTF-8.
func clip(source []byte, lines int) (text string, cut bool) {
	if len(source) > MaxBytes {
		source, cut = source[:MaxBytes], true
	}
	text = strings.ToValidUTF8(string(source), "\uFFFD")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\x00", "")
	if lines <= 0 {
		return text, cut
	}
	at := 0
	for range lines {
		next := strings.IndexByte(text[at:], '\n')
		if next < 0 {
			return text, cut
		}
		at += next + 1
	}
	return text[:at], cut || strings.TrimSpace(text[at:]) != ""
}

// effort estimates the worst that parsing costs: goldmark's time grows with the
// square of the marks in one block, and blank lines part blocks.
func effort(text string) int {
	sum := 0
	for block := range strings.SplitSeq(text, "\n\n") {
		marks := 0
		for i := range len(block) {
			switch block[i] {
			case '*', '_', '[', ']', '(', '!', '<', '>', '`', '~', '&', '-', '+', '|':
				marks++
			}
		}
		sum += marks * marks
	}
	return sum
}

// engine is goldmark with the tables, strikes and bare links of GitHub. Raw
// HTML passes it, as the policy comes after it.
func engine() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(
			extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
			extension.Strikethrough,
			extension.Linkify,
		),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(
			goldhtml.WithUnsafe(),
			renderer.WithNodeRenderers(util.Prioritized(codeRenderer{}, 100)),
		),
	)
}
