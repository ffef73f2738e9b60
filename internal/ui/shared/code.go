package shared

import (
	"context"
	"html"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// codeLines draws the lines of a block of code. It is not a template because a
// template would put its own spaces between them, which a pre shows.
func codeLines(c Code) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		b.WriteString("<pre><code>")
		for i, line := range c.Lines {
			if i > 0 {
				b.WriteByte('\n')
			}
			if c.Prompt {
				b.WriteString("<span data-prompt>" + html.EscapeString(line) + "</span>")
			} else {
				b.WriteString(html.EscapeString(line))
			}
		}
		b.WriteString("</code></pre>")
		_, err := io.WriteString(w, b.String())
		return err
	})
}
