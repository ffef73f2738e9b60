package main

import (
	"fmt"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/app"
	"terrarium/internal/errs"
)

type backupCmd struct {
	File string `arg:"" help:"File to write; it must not exist."`
}

// Run writes a backup; the server may go on.
func (c *backupCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	n, err := a.Backup(p.ctx, c.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s: %d bytes\n", c.File, n)
	return nil
}

type restoreCmd struct {
	File string `arg:"" help:"A file that backup wrote."`
}

// Run loads a backup into an empty database and blob store.
func (c *restoreCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.Restore(p.ctx, c.File); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "restored")
	return nil
}

type fsckCmd struct {
	Digests bool `help:"Read every file and compare its digest."`
}

// Run compares rows and bytes; a fault makes the exit status 1.
func (c *fsckCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	r, err := a.Fsck(p.ctx, c.Digests)
	if err != nil {
		return err
	}
	if p.json {
		type fault struct {
			Kind   string `json:"kind"`
			Object string `json:"object"`
			Detail string `json:"detail"`
		}
		out := []fault{}
		for _, f := range r.Faults {
			out = append(out, fault{f.Kind, f.Object, f.Detail})
		}
		if err := p.printJSON(map[string]any{"files": r.Files, "records": r.Records, "blobs": r.Blobs, "orphans": r.Orphans, "orphan_bytes": r.OrphanBytes, "faults": out}); err != nil {
			return err
		}
	} else {
		for _, f := range r.Faults {
			fmt.Fprintf(p.stdout, "%s: %s: %s\n", f.Kind, f.Object, f.Detail)
		}
		fmt.Fprintf(p.stdout, "%d files, %d records, %d blobs; %d orphaned blobs (%d bytes) for gc\n", r.Files, r.Records, r.Blobs, r.Orphans, r.OrphanBytes)
	}
	if n := len(r.Faults); n > 0 {
		return errs.New(errs.Conflict, "%d faults were found.", n)
	}
	return nil
}

type gcCmd struct {
	DryRun bool          `help:"Say what would go, and leave it."`
	Grace  time.Duration `help:"How old what nothing names must be." default:"24h"`
}

// Run erases deleted owners, empties the trash and sweeps.
func (c *gcCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	s, err := a.Sweep(p.ctx, access.System(), app.Sweeping{DryRun: c.DryRun, Grace: c.Grace})
	if err != nil {
		return err
	}
	verb := "swept"
	if c.DryRun {
		verb = "would sweep"
	}
	if s.Owners > 0 {
		done := "deleted owners erased"
		if c.DryRun {
			done = "deleted owners that would be erased"
		}
		fmt.Fprintf(p.stdout, "%s: %d\n", done, s.Owners)
	}
	fmt.Fprintf(p.stdout, "%s %d files out of the trash, %d uploads never committed, %d blobs (%d bytes), %d temporary files\n", verb, s.Files, s.Uploads, s.Blobs, s.Bytes, s.Temps)
	return nil
}
