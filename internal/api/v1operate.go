package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/web"
)

// Operate is what the program does to the instance as a whole, which no part of
// the domain can do alone. Each call but Schema judges the actor itself.
type Operate struct {
	// Backup writes everything. Nothing is written before it is known that
	// there is something to write.
	Backup func(ctx context.Context, actor access.Actor, w io.Writer) error
	Fsck   func(ctx context.Context, actor access.Actor, digests bool) (registry.Report, error)
	Sweep  func(ctx context.Context, actor access.Actor, dryRun bool, grace time.Duration) (Swept, error)
	// Settings are shown without passwords.
	Settings func(actor access.Actor) ([]Setting, error)
	Schema   func(ctx context.Context) (int64, error)

	// Import begins to load a channel and answers at once.
	Import  func(ctx context.Context, actor access.Actor, n NewImport) (Import, error)
	Imports func(ctx context.Context, actor access.Actor) ([]Import, error) // newest first
	// ImportOf tells what became of one.
	ImportOf func(ctx context.Context, actor access.Actor, id int64) (Import, error)
}

// Setting is one setting of the program with where its value came from.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value" doc:"Passwords in addresses are left out."`
	Source string `json:"source" doc:"flag, environment, file PATH or default."`
}

// Swept says what a sweep removed, or would remove.
type Swept struct {
	DryRun  bool  `json:"dry_run"`
	Owners  int   `json:"owners" doc:"Deleted more than 7 days ago, and erased now."`
	Files   int   `json:"files" doc:"Out of the trash."`
	Uploads int   `json:"uploads" doc:"Announced and never committed."`
	Blobs   int   `json:"blobs" doc:"That nothing named any more."`
	Bytes   int64 `json:"bytes" doc:"Of these blobs."`
	Temps   int   `json:"temporary_files"`
}

// v1Report is what fsck found.
type v1Report struct {
	Clean       bool      `json:"clean" doc:"Nothing is wrong."`
	Files       int       `json:"files"`
	Records     int       `json:"records"`
	Blobs       int       `json:"blobs"`
	Orphans     int       `json:"orphans" doc:"Blobs that no row names: no fault, gc sweeps them."`
	OrphanBytes int64     `json:"orphan_bytes"`
	Faults      []v1Fault `json:"faults"`
}

type v1Fault struct {
	Kind   string `json:"kind"`
	Object string `json:"object"`
	Detail string `json:"detail"`
}

type v1Version struct {
	Version string `json:"version"`
	Schema  int64  `json:"schema" doc:"Of the database; a server brings it up to its own before it listens."`
}

func (v *v1) operate() {
	operate := v.face.operate
	handle(v, operation{verdict{web.Anybody, false}, "get-version", http.MethodGet, "/version", "Say which program this is", "operation", 200, false},
		func(ctx context.Context, _ access.Actor, _ *struct{}) (*one[v1Version], error) {
			schema, err := operate.Schema(ctx)
			if err != nil {
				return nil, err
			}
			return &one[v1Version]{v1Version{v.face.version, schema}}, nil
		})
	handle(v, operation{verdict{web.Operator, false}, "list-config", http.MethodGet, "/config", "List every setting with its value and where it came from", "operation", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct{ Paging }) (*list[Setting], error) {
			all, err := operate.Settings(actor)
			if err != nil {
				return nil, err
			}
			return slice(ctx, all, in.Paging, func(s Setting) string { return s.Key }, func(s Setting) Setting { return s }), nil
		})
	handle(v, operation{verdict{web.Operator, false}, "get-backup", http.MethodGet, "/backup", "Read everything as one tar", "operation", 200, false},
		func(ctx context.Context, actor access.Actor, _ *struct{}) (*stream, error) {
			if err := access.Operates(actor); err != nil {
				return nil, err
			}
			return &stream{"application/x-tar", `attachment; filename="terrarium-backup.tar"`, func(hctx huma.Context) {
				req, _ := hctx.(*request)
				if req.Method() == http.MethodHead {
					req.SetStatus(http.StatusOK) // no row of the log for a look at the headers
					return
				}
				w := &lateWriter{req: req}
				err := operate.Backup(ctx, actor, w)
				switch {
				case err == nil:
				case w.begun:
					// It must not look like a whole one: the connection is cut
					// off, before the end of the body.
					web.EventOf(req.r).Fail(err)
					panic(http.ErrAbortHandler)
				default:
					req.err = err
				}
			}}, nil
		})
	handle(v, operation{verdict{web.Operator, false}, "check", http.MethodPost, "/fsck", "Compare rows, bytes and indexes", "operation", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Body *struct {
				Digests bool `json:"digests,omitempty" doc:"Read every file and compare its digest, too."`
			}
		},
		) (*one[v1Report], error) {
			r, err := operate.Fsck(ctx, actor, in.Body != nil && in.Body.Digests)
			if err != nil {
				return nil, err
			}
			return &one[v1Report]{v1Report{
				len(r.Faults) == 0, r.Files, r.Records, r.Blobs, r.Orphans, r.OrphanBytes,
				each(r.Faults, func(f registry.Fault) v1Fault { return v1Fault(f) }),
			}}, nil
		})
	handle(v, operation{verdict{web.Operator, false}, "sweep", http.MethodPost, "/gc", "Erase deleted owners, empty the trash and sweep what nothing names", "operation", 200, false},
		func(ctx context.Context, actor access.Actor, in *struct {
			Body *struct {
				DryRun bool   `json:"dry_run,omitempty" doc:"Say what would go, and leave it."`
				Grace  string `json:"grace,omitempty" doc:"How old what nothing names must be, such as 90m or 48h; without it 24h."`
			}
		},
		) (*one[Swept], error) {
			dryRun, grace := false, registry.DefaultGrace
			if in.Body != nil {
				dryRun = in.Body.DryRun
				if in.Body.Grace != "" {
					var err error
					if grace, err = time.ParseDuration(in.Body.Grace); err != nil {
						return nil, errs.Wrap(errs.Invalid, err, "The grace is a time such as 90m or 48h.").On("grace")
					}
				}
			}
			s, err := operate.Sweep(ctx, actor, dryRun, grace)
			if err != nil {
				return nil, err
			}
			return &one[Swept]{s}, nil
		})
}

// stream is an answer whose body is written while it is made.
type stream struct {
	Type        string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        func(huma.Context)
}

// streamed describes a stream.
func streamed() map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: "The file. It is whole if the answer ends as HTTP says and its last member is end.json.",
		Content:     map[string]*huma.MediaType{"application/x-tar": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
}

// lateWriter begins the answer with its first byte, so that what goes wrong
// before is a problem document.
type lateWriter struct {
	req   *request
	begun bool
}

// Write sends bytes.
func (w *lateWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.req.SetStatus(http.StatusOK)
	}
	n, err := w.req.BodyWriter().Write(b)
	if err != nil {
		err = errors.Join(errs.New(errs.Unavailable, "The client is gone."), err)
	}
	return n, err
}
