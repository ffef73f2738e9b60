package markdown_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"terrarium/internal/ui/markdown"
)

func TestRender(t *testing.T) {
	archive := markdown.Options{
		Link:  func(dest string) string { return "/files/" + dest },
		Image: func(dest string) string { return map[string]string{"logo.png": "/readme/logo.png"}[dest] },
	}
	tests := []struct {
		name, in, want string
		o              markdown.Options
	}{
		{"headings go below those of the page", "# A\n\n### B\n\n### C\n\n## D", `<h2 id="readme-a">A</h2> <h3 id="readme-b">B</h3> <h3 id="readme-c">C</h3> <h3 id="readme-d">D</h3>`, markdown.Options{}},
		{"anchors", "[to](#Install-it)", `<p><a href="#readme-install-it" rel="nofollow noreferrer">to</a></p>`, markdown.Options{}},
		{"remote image becomes a link", "![a map](https://e.example/m.png)", `<p><a href="https://e.example/m.png" rel="nofollow noreferrer">a map</a></p>`, markdown.Options{}},
		{"remote image without words", `<img src="//e.example/m.png">`, `<a href="//e.example/m.png" rel="nofollow noreferrer">image at e.example</a>`, markdown.Options{}},
		{"badge within a link keeps the link", "[![build](https://e.example/b.svg)](https://e.example/ci)", `<p><a href="https://e.example/ci" rel="nofollow noreferrer">build</a></p>`, markdown.Options{}},
		{"image of the archive", "![logo](logo.png)", `<p><img src="/readme/logo.png" alt="logo"/></p>`, archive},
		{"image that is not there", "![none](none.png)", `<p>none</p>`, archive},
		{"relative link of the archive", "[docs](docs/a.md)", `<p><a href="/files/docs/a.md" rel="nofollow noreferrer">docs</a></p>`, archive},
		{"relative link to nowhere", "[docs](docs/a.md)", `<p>docs</p>`, markdown.Options{}},
		{"code with classes", "```python\nimport a\n```", `<pre tabindex="0"><code><span class="kn">import</span> <span class="nn">a</span>` + "\n</code></pre>", markdown.Options{}},
		{"code of no known language", "```klingon\n<b>\n```", `<pre tabindex="0"><code>&lt;b&gt;` + "\n</code></pre>", markdown.Options{}},
		{"table scrolls", "|a|\n|:-:|\n|b|", `<div class="scroll" tabindex="0"><table>`, markdown.Options{}},
		{"harmless HTML stays", "a<sub>2</sub> <kbd>x</kbd>", `<p>a<sub>2</sub> <kbd>x</kbd></p>`, markdown.Options{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := strings.TrimSpace(markdown.Render([]byte(test.in), test.o).HTML)
			if !strings.HasPrefix(squeeze(got), squeeze(test.want)) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestCut(t *testing.T) {
	text := strings.Repeat("line\n", 50)
	tests := []struct {
		in    string
		lines int
		want  bool
	}{{text, 40, true}, {text, 50, false}, {text, 0, false}, {"a\nb", 2, false}, {"a\n\n\n", 1, false}, {strings.Repeat("a ", markdown.MaxBytes), 0, true}}
	for _, test := range tests {
		if got := markdown.Render([]byte(test.in), markdown.Options{MaxLines: test.lines}).Cut; got != test.want {
			t.Errorf("%d bytes at %d lines: cut %v, want %v", len(test.in), test.lines, got, test.want)
		}
	}
}

func TestCutInsideCode(t *testing.T) {
	got := markdown.Render([]byte("```\na\nb\nc\n```\n"), markdown.Options{MaxLines: 2}).HTML
	if want := "<pre tabindex=\"0\"><code>a\n</code></pre>"; strings.TrimSpace(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPlain(t *testing.T) {
	got := markdown.Plain([]byte("Title\n=====\n<script>"), markdown.Options{})
	if want := "<pre tabindex=\"0\"><code>Title\n=====\n&lt;script&gt;</code></pre>"; got.HTML != want {
		t.Errorf("got %q, want %q", got.HTML, want)
	}
}

// hostile are texts that try to get something through.
func hostile() []string {
	return []string{
		`<script>alert(1)</script>`,
		`<scr<script>ipt>alert(1)</scr</script>ipt>`,
		`<img src=x onerror=alert(1)>`,
		`<img src="https://e.example/pixel.gif" width="1" height="1">`,
		`<img src="data:image/svg+xml,<svg onload=alert(1)>">`,
		`<svg><script>alert(1)</script></svg><math><mtext></p><style><img src=x onerror=alert(1)></style>`,
		`<svg><use href="/assets/icons.svg#x" onload="alert(1)"/></svg>`,
		`<a href="javascript:alert(1)">a</a> [b](javascript:alert(1)) [c](JaVaScRiPt:alert(1)) <java&#115;cript:alert(1)>`,
		"[a](data:text/html;base64,PHNjcmlwdD4=) [b](vbscript:x) [c](\x01javascript:alert(1)) [d](java\tscript:alert(1))",
		`<p style="position:fixed;inset:0" class="note bad" id="main">x</p>`,
		`<form action="https://e.example"><input name=password><button formaction="javascript:alert(1)">Sign in</button></form>`,
		`<iframe srcdoc="<script>alert(1)</script>"></iframe><object data="x"></object><embed src="x"><base href="https://e.example"><meta http-equiv=refresh content="0;url=https://e.example"><link rel=stylesheet href=https://e.example>`,
		`<style>@import "https://e.example"</style><video src=https://e.example/v autoplay></video><audio src=https://e.example></audio><picture><source srcset=https://e.example><img src=https://e.example></picture>`,
		`<div hx-get="/settings/tokens" hx-trigger="load" data-hx-post="/x">x</div>`,
		`<noscript><p title="</noscript><img src=x onerror=alert(1)>">`,
		`<textarea></textarea><title></title><xmp><img src=x onerror=alert(1)></xmp><plaintext>`,
		`</code></pre></div></main></body></html><h1>Another page</h1><main id="main">`,
		"```html\n</code></pre><script>alert(1)</script>\n```",
		"```python\n\"\"\"</code></pre><script>alert(1)</script>\n```",
		"```\"><script>alert(1)</script>\nx\n```",
		"# <img src=x onerror=alert(1)> {#main onclick=alert(1)}",
		"|<script>|\n|-|\n|<img src=x onerror=alert(1)>|",
		"\x00<script\x00>alert(1)</script>\xff\xfe",
		"![a\"onerror=\"alert(1)](x)",
		"<!--><script>alert(1)</script>-->",
		"<details ontoggle=alert(1) open><summary>a</summary></details>",
		"<a href='https://e.example' target=_top rel=opener ping=https://e.example download>x</a>",
		"https://e.example/\"onmouseover=\"alert(1)",
	}
}

func TestHostile(t *testing.T) {
	for _, text := range hostile() {
		checkSafe(t, text, markdown.Render([]byte(text), markdown.Options{MaxLines: 40}).HTML)
		checkSafe(t, text, markdown.Plain([]byte(text), markdown.Options{}).HTML)
	}
}

// TestBounded renders texts that parsers are slow on.
func TestBounded(t *testing.T) {
	for name, text := range map[string]string{
		"quotes":    strings.Repeat(">", 100_000),
		"brackets":  strings.Repeat("[", 100_000),
		"links":     strings.Repeat("[a](", 50_000),
		"allowed":   strings.Repeat("*a_", 4_900),
		"blocks":    strings.Repeat(strings.Repeat("[a](", 600)+"\n\n", 60),
		"quoted":    strings.Repeat(strings.Repeat(">", 900)+"a\n\n", 100),
		"images":    strings.Repeat("![", 50_000),
		"emphasis":  strings.Repeat("*a_", 50_000),
		"lists":     strings.Repeat("- ", 50_000),
		"tags":      strings.Repeat("<div>", 50_000),
		"backticks": strings.Repeat("`a``", 50_000),
		"entities":  strings.Repeat("&#", 50_000),
		"code":      "```python\n" + strings.Repeat("\"\"\"'", 40_000),
		"tables":    strings.Repeat("|a", 2_000) + "\n" + strings.Repeat("|-", 2_000) + "\n" + strings.Repeat(strings.Repeat("|b", 20)+"\n", 1_000),
	} {
		start := time.Now()
		html := markdown.Render([]byte(text), markdown.Options{}).HTML
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		checkSafe(t, name, html)
	}
}

func FuzzRender(f *testing.F) {
	for _, text := range hostile() {
		f.Add([]byte(text))
	}
	f.Add([]byte("# Title\n\n- a\n- b\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\n```python\nx = 1\n```\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4<<10 {
			t.Skip("longer texts only take longer")
		}
		checkSafe(t, string(text), markdown.Render(text, markdown.Options{Link: func(dest string) string { return "/x?" + dest }}).HTML)
	})
}

// checkSafe parses what came out as a browser would and looks at every
// element and attribute.
func checkSafe(t *testing.T, in, out string) {
	t.Helper()
	elements := strings.Fields("html head body h2 h3 h4 h5 h6 p br hr div span blockquote ul ol li dl dt dd pre code kbd samp var em strong b i u s del ins sub sup small q cite abbr table caption colgroup thead tbody tfoot tr th td details summary a img")
	attributes := strings.Fields("class tabindex id align start colspan rowspan open href src alt width height rel")
	root, err := html.Parse(strings.NewReader(out))
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(elements, n.Data) {
			t.Errorf("%q lets <%s> through: %s", in, n.Data, out)
		}
		for _, a := range n.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			switch {
			case !slices.Contains(attributes, a.Key):
				t.Errorf("%q lets the attribute %s through: %s", in, a.Key, out)
			case a.Key == "id" && !strings.HasPrefix(value, "readme-"):
				t.Errorf("%q sets the id %q", in, a.Val)
			case a.Key == "src" && (!strings.HasPrefix(value, "/") || strings.HasPrefix(value, "//")):
				t.Errorf("%q loads %q", in, a.Val)
			case a.Key == "href":
				scheme, _, found := strings.Cut(value, ":")
				if found && !strings.ContainsAny(scheme, "/#?") && !slices.Contains([]string{"http", "https", "mailto"}, scheme) {
					t.Errorf("%q links to %q", in, a.Val)
				}
			case a.Key == "class" && len(value) > 3 && value != "scroll":
				t.Errorf("%q sets the class %q", in, a.Val)
			}
		}
	}
}
