package app

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lmittmann/tint"

	"terrarium/internal/web"
)

// TestPlainLines: the quick way writes what tint writes, for every kind of value
// and of text, and for what is taken from the log by With.
func TestPlainLines(t *testing.T) {
	at := time.Date(2026, 11, 28, 4, 5, 6, 7, time.UTC)
	for _, attrs := range [][]slog.Attr{
		nil,
		{slog.String("path", "/conda/a/b/x.json"), slog.Int("status", 200), slog.Duration("took", 51221*time.Nanosecond), slog.Int64("bytes", -1)},
		{slog.String("agent", "conda/25.1 Linux")},
		{slog.String("agent", "a=b c"), slog.String("other", " ")},
		{slog.String("agent", "")},
		{slog.String("agent", "a=b")},
		{slog.String("agent", `"quoted"`)},
		{slog.String("agent", `back\slash`)},
		{slog.String("agent", "caf\u00e9"), slog.String("other", "\x1b[31mred\x1b[0m"), slog.String("bad", "a\xffb")},
		{slog.String("line", "one\ntwo")},
		{slog.Any("err", errors.New("broken"))},
		{slog.Bool("yes", true), slog.Float64("f", 1.5), slog.Time("at", at), slog.Group("g", slog.String("k", "v"))},
		{slog.String("odd key", "v")},
	} {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelInfo + 1, slog.LevelWarn, slog.LevelError} {
			for _, derive := range []func(*slog.Logger) *slog.Logger{
				func(l *slog.Logger) *slog.Logger { return l },
				func(l *slog.Logger) *slog.Logger { return l.With("who", "x").WithGroup("g") },
			} {
				var got, want bytes.Buffer
				ours := derive(NewLog(&got, Config{LogLevel: "debug"})).Handler()
				theirs := derive(slog.New(tint.NewTextHandler(&want, &tint.Options{Level: slog.LevelDebug, NoColor: true, TimeFormat: time.TimeOnly}))).Handler()
				r := slog.NewRecord(at, level, "request", 0)
				r.AddAttrs(attrs...)
				if err := errors.Join(ours.Handle(t.Context(), r), theirs.Handle(t.Context(), r)); err != nil {
					t.Fatal(err)
				}
				if got.String() != want.String() {
					t.Errorf("wrote %q, tint writes %q", got.String(), want.String())
				}
				got.Reset()
				if err := ours.(web.LineHandler).HandleLine(t.Context(), at, level, "request", attrs); err != nil {
					t.Fatal(err)
				}
				if got.String() != want.String() {
					t.Errorf("HandleLine wrote %q, tint writes %q", got.String(), want.String())
				}
			}
		}
	}
}

// request logs what is logged of a request.
func request(t *testing.T, log *slog.Logger, level slog.Level, path string) {
	t.Helper()
	r := slog.NewRecord(time.Now(), level, requestLine, 0)
	r.AddAttrs(slog.String("path", path))
	if err := log.Handler().Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// TestLinesWait: lines of requests wait for each other; whatever else is logged
// comes with all that waited, in order, and so do many bytes of them.
func TestLinesWait(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			file, err := os.Create(filepath.Join(t.TempDir(), "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			log := NewLog(file, Config{LogFormat: format})
			log.Handler().(*batched).to.wait = time.Hour // nothing is written for its age
			paths := func() []string {
				t.Helper()
				b, err := os.ReadFile(file.Name())
				if err != nil {
					t.Fatal(err)
				}
				if len(b) > 0 && b[len(b)-1] != '\n' {
					t.Fatalf("the log ends within a line: %q", b)
				}
				var out []string
				for line := range strings.Lines(string(b)) {
					_, rest, _ := strings.Cut(line, "/p")
					out = append(out, strings.Trim(rest, "\"}\n"))
				}
				return out
			}
			want := func(list string) {
				t.Helper()
				if got := strings.Join(paths(), " "); got != list {
					t.Errorf("the log has %q, want %q", got, list)
				}
			}
			request(t, log, slog.LevelInfo, "/p1")
			request(t, log.With("more", 1).WithGroup("g"), slog.LevelInfo, "/p2")
			want("")
			log.Info("published", "path", "/p3")
			want("1 2 3")
			request(t, log, slog.LevelInfo, "/p4")
			want("1 2 3")
			request(t, log, slog.LevelError, "/p5")
			want("1 2 3 4 5")
			request(t, log, slog.LevelInfo, "/p6")
			log.With("more", 1).Warn("careful", "path", "/p7")
			want("1 2 3 4 5 6 7")
			request(t, log, slog.LevelInfo, "/p8")
			if err := Flush(log); err != nil {
				t.Fatal(err)
			}
			want("1 2 3 4 5 6 7 8")
			long := "/p" + strings.Repeat("x", 1000)
			for range 2 * logSize / len(long) {
				request(t, log, slog.LevelInfo, long)
			}
			if got := len(paths()) - 8; got < logSize/len(long)/2 || got >= 2*logSize/len(long) {
				t.Errorf("%d long lines are written, want those of one or two batches", got)
			}
			request(t, log, slog.LevelInfo, "/p"+strings.Repeat("y", 2*logSize)) // longer than a batch
			if list := paths(); len(list[len(list)-1]) != 2*logSize {
				t.Errorf("the last line has %d bytes, want the one that is longer than a batch", len(list[len(list)-1]))
			}
		})
	}
}

// TestLinesComeInTime: a line that nothing follows is written all the same, and so
// is one after it.
func TestLinesComeInTime(t *testing.T) {
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer to.Close()
	log := NewLog(to, Config{})
	in := bufio.NewReader(from)
	for _, path := range []string{"/one", "/two"} {
		request(t, log, slog.LevelInfo, path)
		line, err := in.ReadString('\n') // blocks until it comes
		if err != nil || !strings.HasSuffix(line, " INF request path="+path+"\n") {
			t.Fatalf("read %q, %v", line, err)
		}
	}
}

// TestLinesThatFail: a log that cannot be written says so, at the latest when it is
// flushed.
func TestLinesThatFail(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	log := NewLog(file, Config{})
	log.Handler().(*batched).to.wait = time.Hour
	request(t, log, slog.LevelInfo, "/one")
	file.Close()
	if err := Flush(log); !errors.Is(err, os.ErrClosed) {
		t.Errorf("flushing to a closed file: %v, want %v", err, os.ErrClosed)
	}
	if err := Flush(slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("flushing another kind of log: %v", err)
	}
}
