package app

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/api"
	"terrarium/internal/audit"
	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/job"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

const (
	importKind = "import-channel"
	// importTime is how long an import with all its archives may take.
	importTime = 24 * time.Hour
	// importAttempts outlast an import that died with its process, which
	// holds its channel for some seconds more, and others that go first: they
	// are made over a quarter of an hour.
	importAttempts = 6
	importsShown   = 1000
)

// importJob is the job that loads a channel. Begun again after a
// stop, it keeps what it has loaded.
type importJob struct {
	Owner        string      `json:"owner"`
	Channel      string      `json:"channel"`
	Source       string      `json:"source"`
	Subdirs      []string    `json:"subdirs"`
	MetadataOnly bool        `json:"metadata_only"`
	BaseURL      string      `json:"base_url"`
	For          importActor `json:"for"`
}

// importActor is who asked, for the log.
type importActor struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Credential string `json:"credential"`
	Remote     string `json:"remote"`
	RequestID  string `json:"request_id"`
}

// actor is the system, which may load any channel as a command does, in the name
// of the operator who asked.
func (i importActor) actor() access.Actor {
	a := access.System()
	a.ID, a.Name, a.Credential = i.ID, i.Name, i.Credential
	return a.From(access.Request{Remote: i.Remote, RequestID: i.RequestID})
}

// importReport is what the job tells of itself.
type importReport struct {
	Subdirs []api.ImportSubdir `json:"subdirs"`
	Why     string             `json:"why,omitempty"`
}

// at gives the entry of a subdir, made if need be.
func (r *importReport) at(subdir string) *api.ImportSubdir {
	i := slices.IndexFunc(r.Subdirs, func(s api.ImportSubdir) bool { return s.Subdir == subdir })
	if i < 0 {
		i = len(r.Subdirs)
		r.Subdirs = append(r.Subdirs, api.ImportSubdir{Subdir: subdir})
	}
	return &r.Subdirs[i]
}

// sum gives how many records were taken or were there, and how many left out.
func (r *importReport) sum() (taken, leftOut int) {
	for _, s := range r.Subdirs {
		taken, leftOut = taken+s.Added+s.Changed+s.Kept, leftOut+s.LeftOut
	}
	return taken, leftOut
}

// requestImport enqueues an import for the operator. What can be known of it to
// be wrong is refused at once.
func (a *App) requestImport(ctx context.Context, actor access.Actor, n api.NewImport) (api.Import, error) {
	if err := access.Operates(actor); err != nil {
		return api.Import{}, err
	}
	o, err := a.Accounts.Owner(ctx, n.Owner)
	if err != nil {
		return api.Import{}, err
	}
	channel := strings.ToLower(n.Channel)
	if err := conda.CheckLabel(channel); err != nil {
		return api.Import{}, err
	}
	moving := Moving{Owner: o.Name, Channel: channel, Source: n.Source, Subdirs: n.Subdirs, MetadataOnly: n.MetadataOnly, BaseURL: n.BaseURL}
	if !moving.remote() {
		switch st, err := os.Stat(n.Source); {
		case !filepath.IsAbs(n.Source):
			return api.Import{}, errs.New(errs.Invalid, "The source is a folder of the server's machine, named from its root, or the address of a channel.").On("source")
		case err != nil || !st.IsDir():
			return api.Import{}, errs.New(errs.Invalid, "The server's machine has no folder %s.", n.Source).On("source")
		}
		n.Source = filepath.Clean(n.Source)
		moving.Source = n.Source
	}
	src, err := a.importSource(ctx, moving)
	if err != nil {
		return api.Import{}, err
	}
	if err := src.Check(); err != nil {
		return api.Import{}, err
	}
	args := importJob{
		Owner: o.Name, Channel: channel, Source: n.Source, Subdirs: n.Subdirs, MetadataOnly: n.MetadataOnly, BaseURL: n.BaseURL,
		For: importActor{actor.ID, actor.Name, actor.Credential, actor.Remote, actor.RequestID},
	}
	var id int64
	err = a.DB.Tx(ctx, func(tx *sqldb.DB) error {
		if err := a.Jobs.Enqueue(ctx, tx, args, job.ID(&id), job.MaxAttempts(importAttempts)); err != nil {
			return err
		}
		return audit.Write(ctx, tx, actor, audit.Entry{
			At: a.now(), Action: "channel.import-request", OwnerID: o.ID, ObjectKind: "import", ObjectID: strconv.FormatInt(id, 10),
			ObjectName: o.Name + "/" + channel,
			After:      map[string]any{"source": args.Source, "subdirs": args.Subdirs, "metadata_only": args.MetadataOnly},
		})
	})
	if err != nil {
		return api.Import{}, fmt.Errorf("request an import: %w", err)
	}
	return a.importOf(ctx, actor, id)
}

func (i importJob) moving() Moving {
	return Moving{Owner: i.Owner, Channel: i.Channel, Source: i.Source, Subdirs: i.Subdirs, MetadataOnly: i.MetadataOnly, BaseURL: i.BaseURL}
}

// runImport carries an import out. Refusals would be the same again, except
// that a channel is being changed or imported by somebody else.
func (a *App) runImport(ctx context.Context, i importJob, tell job.Report) error {
	shown := importReport{Subdirs: []api.ImportSubdir{}}
	progress := func() {
		if err := tell(ctx, shown); err != nil {
			a.Log.WarnContext(ctx, "the progress of an import is not stored", "err", err)
		}
	}
	src, err := a.importSource(ctx, i.moving())
	if err != nil {
		return job.GiveUp(err)
	}
	src.Ended = func(subdir string, n registry.ImportCount) {
		s := shown.at(subdir)
		s.Visible, s.Added, s.Changed, s.Kept, s.LeftOut, s.Reasons = true, n.Added, n.Changed, n.Kept, n.LeftOut, n.Reasons
		progress()
	}
	_, err = a.Registry.Import(ctx, i.For.actor(), i.Owner, i.Channel, src, func(subdir string, done int) {
		shown.at(subdir).Done = done
		progress()
	})
	if taken, leftOut := shown.sum(); err == nil && taken == 0 && leftOut > 0 {
		err = errs.New(errs.Invalid, "Nothing was imported: all %d records were left out.", leftOut)
	}
	if err != nil {
		shown.Why = errs.Message(err)
	}
	// What was done is told even where the server is being stopped.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if terr := tell(last, shown); terr != nil && err == nil {
		return terr
	}
	if err == nil {
		return nil
	}
	switch errs.KindOf(err) {
	case errs.Internal, errs.Unavailable, errs.Conflict:
		return err
	default:
		return job.GiveUp(err)
	}
}

// imports lists the imports that are still remembered.
func (a *App) imports(ctx context.Context, actor access.Actor) ([]api.Import, error) {
	if err := access.Operates(actor); err != nil {
		return nil, err
	}
	jobs, err := a.Jobs.List(ctx, "", importsShown, importKind)
	if err != nil {
		return nil, err
	}
	out := make([]api.Import, len(jobs))
	for i, j := range jobs {
		if out[i], err = shownImport(j); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// importOf tells how far an import is.
func (a *App) importOf(ctx context.Context, actor access.Actor, id int64) (api.Import, error) {
	if err := access.Operates(actor); err != nil {
		return api.Import{}, err
	}
	j, err := a.Jobs.Get(ctx, id)
	if errs.Is(err, errs.NotFound) || err == nil && j.Kind != importKind {
		return api.Import{}, errs.New(errs.NotFound, "There is no import %d. One that has ended is remembered for a day.", id)
	}
	if err != nil {
		return api.Import{}, err
	}
	return shownImport(j)
}

func shownImport(j job.Job) (api.Import, error) {
	var args importJob
	if err := json.Unmarshal(j.Args, &args); err != nil {
		return api.Import{}, fmt.Errorf("read the import %d: %w", j.ID, err)
	}
	report := importReport{Subdirs: []api.ImportSubdir{}}
	if j.Report != nil {
		if err := json.Unmarshal(j.Report, &report); err != nil {
			return api.Import{}, fmt.Errorf("read how far the import %d is: %w", j.ID, err)
		}
	}
	state := map[job.State]string{
		job.Running: "running", job.Done: "done", job.Failed: "failed", job.Cancelled: "failed",
	}[j.State]
	if state == "" {
		state = "waiting"
	}
	if state == "failed" && report.Why == "" {
		report.Why = "It was ended before it could say why; the server's log may know."
	}
	return api.Import{
		ID: strconv.FormatInt(j.ID, 10), Owner: args.Owner, Channel: args.Channel, Source: args.Source, MetadataOnly: args.MetadataOnly,
		State: state, Why: report.Why, Subdirs: report.Subdirs, CreatedAt: j.CreatedAt, StartedAt: j.AttemptedAt, EndedAt: j.EndedAt,
	}, nil
}
