package app

import (
	"context"
	"io"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/api"
	"terrarium/internal/audit"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
)

// operate gives /api/v1 what the commands of the operator do. The actor is
// judged here, since a command has none but the system.
func (a *App) operate() api.Operate {
	return api.Operate{
		Backup: a.backupFor,
		Fsck: func(ctx context.Context, actor access.Actor, digests bool) (registry.Report, error) {
			if err := access.Operates(actor); err != nil {
				return registry.Report{}, err
			}
			return a.Fsck(ctx, digests)
		},
		Sweep: func(ctx context.Context, actor access.Actor, dryRun bool, grace time.Duration) (api.Swept, error) {
			if err := access.Operates(actor); err != nil {
				return api.Swept{}, err
			}
			s, err := a.Sweep(ctx, actor, Sweeping{DryRun: dryRun, Grace: grace})
			return api.Swept{
				DryRun: dryRun, Owners: s.Owners, Files: s.Files, Uploads: s.Uploads, Blobs: s.Blobs, Bytes: s.Bytes, Temps: s.Temps,
			}, err
		},
		Settings: func(actor access.Actor) ([]api.Setting, error) {
			if err := access.Operates(actor); err != nil {
				return nil, err
			}
			var out []api.Setting
			for _, v := range Resolved(a.Config.Values, a.Config) {
				out = append(out, api.Setting{Key: v.Key, Value: v.Shown(), Source: v.Source})
			}
			return out, nil
		},
		Schema: func(ctx context.Context) (int64, error) {
			have, _, err := a.DB.SchemaVersion(ctx)
			return have, err
		},
		Import: a.requestImport, Imports: a.imports, ImportOf: a.importOf,
	}
}

// backupFor writes a backup for somebody. That everything was read stands in the
// log, for it is more than anybody else may see.
func (a *App) backupFor(ctx context.Context, actor access.Actor, w io.Writer) error {
	if err := access.Operates(actor); err != nil {
		return err
	}
	return a.writeBackup(ctx, w, func() error {
		return a.DB.Tx(ctx, func(tx *sqldb.DB) error {
			return audit.Write(ctx, tx, actor, audit.Entry{At: a.now(), Action: "instance.backup", ObjectKind: "instance"})
		})
	})
}
