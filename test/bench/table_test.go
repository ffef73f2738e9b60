//go:build bench

package bench

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// figures is the one table to which every row of performance.md §10 adds what it
// measured. TestMain prints it when all have run, and writes it to the file that
// TERRARIUM_BENCH_OUT names.
var figures report

// report gathers lines from tests.
type report struct {
	mu    sync.Mutex
	lines []figure
}

// figure is one figure of a row: ours beside a peer's at one size.
type figure struct {
	row     int    // of performance.md §10
	name    string // "serve-shard"
	at      string // "10,000 records", "real packages"
	ours    string
	peer    string // "" where there is none
	besides string // who or what that is
	ratio   float64
	better  string // what the ratio should be: "≤ 1.7"; "" = only told
}

// unmeasured stands where a peer is not installed.
const unmeasured = "*not measured*"

// add notes a figure and prints it.
func (t *report) add(tb testing.TB, l figure) {
	tb.Helper()
	t.mu.Lock()
	t.lines = append(t.lines, l)
	t.mu.Unlock()
	tb.Logf("%d %s, %s: %s, %s %s, ratio %s (%s)", l.row, l.name, l.at, l.ours, l.besides, l.peer, l.ratioText(), l.better)
}

func (l figure) ratioText() string {
	if l.ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", l.ratio)
}

// atMost notes a figure whose ratio is ours to the peer's, and fails the test
// above the bound that CI judges. That one is wide, for other work shares the
// machine; want is the one of the issue.
func (t *report) atMost(tb testing.TB, l figure, want, judged float64) {
	tb.Helper()
	l.better = fmt.Sprintf("≤ %g", want)
	t.add(tb, l)
	if l.ratio > judged {
		tb.Errorf("%s, %s: %.2f times %s, more than %g", l.name, l.at, l.ratio, l.besides, judged)
	}
}

// told is atMost where the issue sets no bound.
func (t *report) told(tb testing.TB, l figure, judged float64) {
	tb.Helper()
	l.better = "told"
	t.add(tb, l)
	if l.ratio > judged {
		tb.Errorf("%s, %s: %.2f times %s, more than %g", l.name, l.at, l.ratio, l.besides, judged)
	}
}

// atLeast is atMost for ratios that should be high.
func (t *report) atLeast(tb testing.TB, l figure, want, judged float64) {
	tb.Helper()
	l.better = fmt.Sprintf("≥ %g", want)
	t.add(tb, l)
	if l.ratio < judged {
		tb.Errorf("%s, %s: %.2f times %s, less than %g", l.name, l.at, l.ratio, l.besides, judged)
	}
}

// sorted gives the lines by row.
func (t *report) sorted() []figure {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := slices.Clone(t.lines)
	slices.SortStableFunc(lines, func(a, b figure) int { return a.row - b.row })
	return lines
}

func (t *report) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "#\trow\tat\tours\tbeside\tpeer\tratio\twanted")
	for _, l := range t.sorted() {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.row, l.name, l.at, l.ours, l.peer, l.besides, l.ratioText(), l.better)
	}
	if err := w.Flush(); err != nil {
		return err.Error()
	}
	return b.String()
}

// markdown is the table with the machine, the versions and the command.
func (t *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s/%s with %d processors (%s), %s. Peers: %s.\n\n`TERRARIUM_BENCH=%s go test -tags bench -run Bench -v ./test/bench`\n\n",
		time.Now().UTC().Format("2 January 2006"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), runtime.Version(), peers(), os.Getenv("TERRARIUM_BENCH"))
	b.WriteString("| # | row | at | ours | beside | peer | ratio | wanted |\n|---:|---|---|---:|---:|---|---:|---|\n")
	for _, l := range t.sorted() {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s | %s |\n", l.row, l.name, l.at, l.ours, l.peer, l.besides, l.ratioText(), l.better)
	}
	return b.String()
}

// processor is the model name of the first processor.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for entry := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(entry, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// peers are the versions of what stands beside us.
func peers() string {
	list := []string{"conda-index " + unmeasured}
	if condaSources() != "" {
		list[0] = "conda-index of " + cmp.Or(os.Getenv("CONDA_INDEX_SRC"), "PYTHONPATH")
	}
	if out, err := exec.Command("nginx", "-v").CombinedOutput(); err == nil {
		list = append(list, strings.TrimSpace(strings.TrimPrefix(string(out), "nginx version: ")))
	}
	if python := os.Getenv("TERRARIUM_PYTHON"); python != "" {
		out, err := exec.Command(python, "-c",
			"from importlib.metadata import version as v; print(', '.join(p + ' ' + v(p) for p in ('py-rattler', 'zstandard', 'conda-package-handling')))").Output()
		if err == nil {
			list = append(list, strings.TrimSpace(string(out)))
		}
	}
	return strings.Join(list, ", ")
}

// print writes what there is to the output and to the file of TERRARIUM_BENCH_OUT.
func (t *report) print() {
	if len(t.sorted()) == 0 {
		return
	}
	fmt.Fprintf(os.Stdout, "\n%s", t.text())
	file := os.Getenv("TERRARIUM_BENCH_OUT")
	if file == "" {
		return
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join("..", "..", file) // of the checkout, not of this package
	}
	if err := os.WriteFile(file, []byte(t.markdown()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func TestMain(m *testing.M) {
	if path := os.Getenv(naiveDocument); path != "" {
		if err := decodeNaively(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	folder, err := os.MkdirTemp("", "terrarium-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	channels.scratch, channels.folder = folder, cmp.Or(os.Getenv("TERRARIUM_BENCH_DATA"), folder)
	code := m.Run()
	figures.print()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
