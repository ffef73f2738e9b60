package app

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/lmittmann/tint"
)

// TestPlainLines: the quick way writes what tint writes, for every kind of value
// and of text, and for what is taken from the log by With.
func TestPlainLines(t *testing.T) {
	at := time.Date(2026, 11, 28, 4, 5, 6, 7, time.UTC)
	for _, attrs := range [][]slog.Attr{
		nil,
		{slog.String("path", "/conda/a/b/x.json"), slog.Int("status", 200), slog.Duration("took", 51221*time.Nanosecond), slog.Int64("bytes", -1)},
		{slog.String("agent", "conda/25.1 Linux")},
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
			}
		}
	}
}
