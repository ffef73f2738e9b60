package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/lmittmann/tint"
)

// NewLog makes the log that the configuration asks for. Lines of requests that are
// answered well may wait in memory for a moment, see lines; Flush writes them.
func NewLog(w io.Writer, cfg Config) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}[cfg.LogLevel]
	f, isFile := w.(*os.File)
	if isFile && isTerminal(f) && cfg.LogFormat != "json" {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly}))
	}
	to := &lines{w: w}
	if isFile && !isTerminal(f) { // whoever reads a buffer, as tests do, wants to see each line at once
		to.wait = logWait
	}
	if cfg.LogFormat == "json" {
		return slog.New(&batched{slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level}), to})
	}
	return slog.New(&batched{&plainLines{
		Handler: tint.NewTextHandler(to, &tint.Options{Level: level, NoColor: true, TimeFormat: time.TimeOnly}), to: to,
	}, to})
}

// Flush writes the lines of a log of NewLog that still wait.
func Flush(log *slog.Logger) error {
	if h, ok := log.Handler().(*batched); ok {
		return h.to.flush()
	}
	return nil
}

// requestLine is what the line of a request says first.
const requestLine = "request"

// batched lets the lines of requests wait for each other. Every other line, and
// whatever is a warning or worse, is written at once with all that waited before it.
type batched struct {
	slog.Handler
	to *lines
}

// Handle implements slog.Handler.
func (h *batched) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level < slog.LevelWarn && r.Message == requestLine {
		return err
	}
	return errors.Join(err, h.to.flush())
}

// HandleLine is Handle of a record with these attributes, which costs more to make
// than its line: web.LineHandler.
func (h *batched) HandleLine(ctx context.Context, at time.Time, level slog.Level, message string, attrs []slog.Attr) error {
	if lines, ok := h.Handler.(*plainLines); ok && level < slog.LevelWarn && message == requestLine {
		if done, err := lines.handleLine(at, level, message, attrs); done {
			return err
		}
	}
	r := slog.NewRecord(at, level, message, 0) // where in the program it was written says nothing
	r.AddAttrs(attrs...)
	return h.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *batched) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &batched{h.Handler.WithAttrs(attrs), h.to}
}

// WithGroup implements slog.Handler.
func (h *batched) WithGroup(name string) slog.Handler {
	return &batched{h.Handler.WithGroup(name), h.to}
}

// Where lines may wait, they wait at most so long and until there are so many
// bytes of them: a call of the system for each was a tenth of a request's cost.
const (
	logWait = 200 * time.Millisecond
	logSize = 64 << 10
)

// lines takes one line at a time and writes many at once, whole ones only and in
// the order in which they came.
type lines struct {
	w    io.Writer
	wait time.Duration // 0: no line waits

	mu     sync.Mutex
	buf    []byte
	timer  *time.Timer
	failed error // of a write that nobody was told of
}

// Write implements io.Writer. The error may be that of lines before.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buf)+len(b) > logSize {
		l.write()
	}
	if l.wait == 0 || len(b) > logSize {
		_, l.failed = l.w.Write(b)
	} else {
		if len(l.buf) == 0 {
			l.begin()
		}
		l.buf = append(l.buf, b...)
	}
	err := l.failed
	l.failed = nil
	return len(b), err
}

// begin makes room for lines that wait, and has them written in time; the lines
// are locked.
func (l *lines) begin() {
	if l.timer != nil {
		l.timer.Reset(l.wait)
		return
	}
	l.buf = make([]byte, 0, logSize)
	l.timer = time.AfterFunc(l.wait, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.write()
	})
}

// write writes what waits; the lines are locked.
func (l *lines) write() {
	if len(l.buf) == 0 {
		return
	}
	if _, err := l.w.Write(l.buf); err != nil {
		l.failed = err
	}
	l.buf = l.buf[:0]
}

func (l *lines) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write()
	err := l.failed
	l.failed = nil
	return err
}

// plainLines writes the lines of tint without colour, those of requests at a tenth
// of its cost, which was a fifth of that of a request. What is not plain (letters
// beyond ASCII, groups, other kinds of values) is left to tint.
type plainLines struct {
	slog.Handler
	to    *lines
	space sync.Pool // of *[]byte, to make lines in
}

// Handle implements slog.Handler.
func (h *plainLines) Handle(ctx context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, 16)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	if done, err := h.handleLine(r.Time, r.Level, r.Message, attrs); done {
		return err
	}
	return h.Handler.Handle(ctx, r)
}

// handleLine writes a line, if it is a plain one.
func (h *plainLines) handleLine(at time.Time, level slog.Level, message string, attrs []slog.Attr) (done bool, err error) {
	space, _ := h.space.Get().(*[]byte)
	if space == nil {
		space = new(make([]byte, 0, 1024))
	}
	defer h.space.Put(space)
	line, plain := appendLine((*space)[:0], at, level, message, attrs)
	*space = line[:0]
	if !plain {
		return false, nil
	}
	_, err = h.to.Write(line)
	return true, err
}

// appendLine appends what is logged as a line, if that is plain.
func appendLine(line []byte, at time.Time, level slog.Level, message string, attrs []slog.Attr) (_ []byte, plain bool) {
	line = appendClock(line, at)
	switch level {
	case slog.LevelInfo:
		line = append(line, " INF "...)
	case slog.LevelWarn:
		line = append(line, " WRN "...)
	default:
		return line, false
	}
	line = append(line, message...)
	for i := range attrs {
		a := &attrs[i]
		if bare, _ := isPlain(a.Key); !bare {
			return line, false
		}
		line = append(append(append(line, ' '), a.Key...), '=')
		switch a.Value.Kind() {
		case slog.KindString:
			text := a.Value.String()
			switch bare, quoted := isPlain(text); {
			case quoted:
				line = append(append(append(line, '"'), text...), '"')
			case bare:
				line = append(line, text...)
			default:
				return line, false
			}
		case slog.KindInt64:
			line = strconv.AppendInt(line, a.Value.Int64(), 10)
		case slog.KindDuration:
			line = append(line, a.Value.Duration().String()...)
		default:
			return line, false
		}
	}
	return append(line, '\n'), true
}

// appendClock is AppendFormat of time.TimeOnly.
func appendClock(b []byte, t time.Time) []byte {
	hour, minute, second := t.Clock()
	for i, n := range [...]int{hour, minute, second} {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, byte('0'+n/10), byte('0'+n%10))
	}
	return b
}

// isPlain reports whether a text stands in a line as it is, or else as it is between
// quotation marks: the agents of conda have spaces.
func isPlain(s string) (bare, quoted bool) {
	bare = s != ""
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f || c == '"' || c == '\\':
			return false, false
		case c == ' ' || c == '=':
			bare = false
		}
	}
	return bare, !bare
}

// quiet lets only warnings and worse through, for parts that narrate.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(warnings{log.Handler()}) }

type warnings struct{ slog.Handler }

// Enabled drops what is below a warning.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func isTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
