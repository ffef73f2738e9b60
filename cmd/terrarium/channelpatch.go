package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/errs"
)

type channelPatchCmd struct {
	Channel string `arg:"" name:"owner/channel" help:"Channel whose index is changed."`
	File    string `arg:"" help:"patch_instructions.json, or a package that holds SUBDIR/patch_instructions.json."`
	Subdir  string `help:"What patch_instructions.json is for; of a package, the only subdir to be patched."`
}

// Run applies the hotfixes.
func (c *channelPatchCmd) Run(p *program) error {
	owner, channel, _ := strings.Cut(c.Channel, "/")
	f, err := os.Open(c.File)
	if err != nil {
		return errs.Wrap(errs.NotFound, err, "There is no file %s.", c.File)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	patches, err := a.Registry.ReadPatches(f, info.Size(), filepath.Base(c.File), c.Subdir)
	if err != nil {
		return err
	}
	report, err := a.Registry.Patch(p.ctx, access.System(), owner, channel, patches)
	if err != nil {
		return err
	}
	type line struct {
		Subdir     string `json:"subdir"`
		Changed    int    `json:"changed"`
		Removed    int    `json:"removed"`
		Kept       int    `json:"kept"`
		Absent     int    `json:"absent"`
		Generation int64  `json:"generation"`
	}
	lines := []line{}
	for _, s := range slices.Sorted(maps.Keys(report.Subdirs)) {
		n := report.Subdirs[s]
		lines = append(lines, line{s, n.Changed, n.Removed, n.Kept, n.Absent, report.Generation})
	}
	if p.json {
		return p.printJSON(lines)
	}
	for _, l := range lines {
		fmt.Fprintf(p.stdout, "%s: %d records changed, %d removed, %d as wanted already, %d not in the index\n", l.Subdir, l.Changed, l.Removed, l.Kept, l.Absent)
	}
	return nil
}
