package job

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
)

// narrator is what River logs to. It lets nothing below a warning through, since
// River tells of every start; and while the client stops, not the errors of what
// the stop itself cancels, which would make a clean end look like a fault.
type narrator struct {
	slog.Handler
	stopping *atomic.Bool
}

// Enabled implements slog.Handler.
func (n narrator) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && n.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (n narrator) Handle(ctx context.Context, r slog.Record) error {
	if n.stopping.Load() && cancelled(r) {
		return nil
	}
	return n.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (n narrator) WithAttrs(attrs []slog.Attr) slog.Handler {
	return narrator{n.Handler.WithAttrs(attrs), n.stopping}
}

// WithGroup implements slog.Handler.
func (n narrator) WithGroup(name string) slog.Handler {
	return narrator{n.Handler.WithGroup(name), n.stopping}
}

// cancelled reports whether a record tells of an error that a cancelled context
// is behind. River gives errors as texts.
func cancelled(r slog.Record) bool {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = strings.Contains(a.Value.String(), context.Canceled.Error())
		return !found
	})
	return found
}
