package markdown

import (
	"slices"
	"strings"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/alecthomas/chroma/v2/styles"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// maxHighlighted is the size of a block of code beyond which it is shown
// without colours: highlighting is made of regular expressions, and the text
// is anybody's.
const maxHighlighted = 16 << 10

// languages are those that READMEs of packages are full of. Others stay plain.
var languages = []string{
	"bash", "c", "c++", "cmake", "console", "cpp", "cython", "diff", "fortran", "go", "ini", "java", "javascript",
	"js", "json", "julia", "markdown", "py", "pycon", "python", "python3", "r", "rust", "sh", "shell", "sql", "toml",
	"ts", "typescript", "xml", "yaml", "yml",
}

// codeRenderer draws blocks of code with a class for each kind of token; the
// page's style gives the colours.
type codeRenderer struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (c codeRenderer) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, c.render)
	r.Register(ast.KindCodeBlock, c.render)
}

func (codeRenderer) render(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	var code strings.Builder
	lines := node.Lines()
	for i := range lines.Len() {
		segment := lines.At(i)
		code.Write(segment.Value(source))
	}
	language := ""
	if fenced, ok := node.(*ast.FencedCodeBlock); ok {
		language = strings.ToLower(string(fenced.Language(source)))
	}
	_, _ = w.WriteString("<pre><code>")
	if !highlight(w, code.String(), language) {
		_, _ = w.Write(util.EscapeHTML([]byte(code.String())))
	}
	_, _ = w.WriteString("</code></pre>\n")
	return ast.WalkContinue, nil
}

// highlight writes code with classes and reports whether it could.
func highlight(w util.BufWriter, code, language string) bool {
	if len(code) > maxHighlighted || !slices.Contains(languages, language) {
		return false
	}
	lexer := lexers.Get(language)
	if lexer == nil {
		return false
	}
	tokens, err := chroma.Tokenise(chroma.Coalesce(lexer), nil, code)
	if err != nil {
		return false
	}
	var b strings.Builder
	format := html.New(html.WithClasses(true), html.PreventSurroundingPre(true))
	if err := format.Format(&b, styles.Fallback, chroma.Literator(tokens...)); err != nil {
		return false
	}
	_, _ = w.WriteString(b.String())
	return true
}
