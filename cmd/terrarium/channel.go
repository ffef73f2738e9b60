package main

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

type channelCmd struct {
	Import channelImportCmd `cmd:"" help:"Load an existing channel from a folder, as one generation a subdir."`
}

type channelImportCmd struct {
	Channel      string   `arg:"" name:"owner/channel" help:"Channel to load into; it is made if need be."`
	Source       string   `arg:"" help:"Folder that holds SUBDIR/repodata.json[.zst] and the packages."`
	Subdir       []string `help:"Only this subdir; may be repeated."`
	MetadataOnly bool     `help:"Take records only; files are fetched when first asked for."`
	BaseURL      string   `name:"base-url" help:"Address under which the files are fetched when first asked for; default: the folder."`
}

// Run imports the channel, with progress on a terminal.
func (c *channelImportCmd) Run(p *program) error {
	owner, channel, _ := strings.Cut(c.Channel, "/")
	if channel == "" {
		channel = "main"
	}
	if strings.Contains(c.Source, "://") {
		return errs.New(errs.Invalid, "Only folders can be imported so far; %s is an address. Fetch the channel into a folder first.", c.Source)
	}
	root, err := filepath.Abs(c.Source)
	if err != nil {
		return err
	}
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		return errs.New(errs.NotFound, "There is no folder %s.", c.Source)
	}
	if c.BaseURL == "" {
		c.BaseURL = "file://" + (&url.URL{Path: root}).EscapedPath()
	}
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	progress, done := p.progress()
	report, err := a.Registry.Import(p.ctx, access.System(), owner, channel, registry.ImportSource{
		Files: os.DirFS(root), Subdirs: c.Subdir, MetadataOnly: c.MetadataOnly, BaseURL: c.BaseURL, Name: c.Source,
	}, progress)
	done()
	if err != nil {
		return err
	}
	type line struct {
		Subdir  string   `json:"subdir"`
		Added   int      `json:"added"`
		Kept    int      `json:"kept"`
		LeftOut int      `json:"left_out"`
		Reasons []string `json:"reasons"`
	}
	var lines []line
	for _, s := range slices.Sorted(maps.Keys(report.Subdirs)) {
		n := report.Subdirs[s]
		lines = append(lines, line{s, n.Added, n.Kept, n.LeftOut, n.Reasons})
	}
	taken, leftOut := 0, 0
	for _, l := range lines {
		taken += l.Added + l.Kept
		leftOut += l.LeftOut
	}
	none := errs.New(errs.Invalid, "Nothing was imported: all %d records were left out.", leftOut)
	if p.json {
		if err := p.printJSON(lines); err != nil || taken > 0 || leftOut == 0 {
			return err
		}
		return none
	}
	for _, l := range lines {
		fmt.Fprintf(p.stdout, "%s: %d records added, %d were there already, %d left out\n", l.Subdir, l.Added, l.Kept, l.LeftOut)
		for _, why := range l.Reasons {
			fmt.Fprintf(p.stderr, "  %s\n", why)
		}
	}
	if taken == 0 && leftOut > 0 {
		return none
	}
	return nil
}

// progress gives a counter where stderr is a terminal, else nothing.
func (p *program) progress() (registry.ImportProgress, func()) {
	f, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(f), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond))
	return func(subdir string, done int) {
			bar.Describe(subdir)
			_ = bar.Set(done) // only drawing
		}, func() {
			_ = bar.Finish()
			fmt.Fprintln(f)
		}
}
