package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"terrarium/internal/access"
	"terrarium/internal/app"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
)

type channelCmd struct {
	Import channelImportCmd `cmd:"" help:"Load an existing channel from a folder or an address, as one generation a subdir."`
	Patch  channelPatchCmd  `cmd:"" help:"Apply hotfixes to the index of a channel, as one generation."`
}

type channelImportCmd struct {
	Channel      string   `arg:"" name:"owner/channel" help:"Channel to load into; it is made if need be."`
	Source       string   `arg:"" help:"Folder or address that has SUBDIR/repodata.json[.zst], or shards, and the packages."`
	Subdir       []string `help:"Only this subdir; may be repeated."`
	MetadataOnly bool     `help:"Take records only; files are fetched when first asked for."`
	BaseURL      string   `name:"base-url" help:"Address under which the files are fetched when first asked for; default: the source."`
	TokenEnv     string   `help:"Environment variable with a token that may read the source."`
	Labels       bool     `help:"Load every label of the source's owner, each into the channel of its name; private packages stay private."`
}

// Run imports the channel, with progress on a terminal.
func (c *channelImportCmd) Run(p *program) error {
	owner, channel, _ := strings.Cut(c.Channel, "/")
	if channel == "" {
		channel = "main"
	}
	token := ""
	if c.TokenEnv != "" {
		if token = os.Getenv(c.TokenEnv); token == "" {
			return errs.New(errs.Invalid, "The environment variable %s is not set, or empty.", c.TokenEnv)
		}
	}
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	progress, done := p.progress()
	moved, err := a.Move(p.ctx, access.System(), app.Moving{
		Owner: owner, Channel: channel, Source: c.Source, Subdirs: c.Subdir, MetadataOnly: c.MetadataOnly, BaseURL: c.BaseURL, Token: token, Labels: c.Labels,
	}, nil, progress)
	done()
	if err == nil {
		return c.tell(p, owner, moved)
	}
	if len(moved) > 0 { // what is there now
		err = errors.Join(err, c.tell(p, owner, moved))
	}
	return err
}

// tell prints what was loaded.
func (c *channelImportCmd) tell(p *program, owner string, moved []app.Moved) error {
	type line struct {
		Channel string   `json:"channel"`
		Subdir  string   `json:"subdir"`
		Added   int      `json:"added"`
		Changed int      `json:"changed"`
		Kept    int      `json:"kept"`
		LeftOut int      `json:"left_out"`
		Reasons []string `json:"reasons"`
	}
	var lines []line
	for _, m := range moved {
		for _, s := range slices.Sorted(maps.Keys(m.Report.Subdirs)) {
			n := m.Report.Subdirs[s]
			lines = append(lines, line{owner + "/" + m.Channel, s, n.Added, n.Changed, n.Kept, n.LeftOut, n.Reasons})
		}
		if m.Why != "" {
			lines = append(lines, line{Channel: owner + "/" + m.Channel, Reasons: []string{m.Why}})
		}
	}
	taken, leftOut := 0, 0
	for _, l := range lines {
		taken += l.Added + l.Changed + l.Kept
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
		if l.Subdir == "" {
			fmt.Fprintf(p.stderr, "%s was left out: %s\n", l.Channel, l.Reasons[0])
			continue
		}
		where := l.Subdir
		if c.Labels {
			where = l.Channel + " " + l.Subdir
		}
		fmt.Fprintf(p.stdout, "%s: %d records added, %d changed, %d were there already, %d left out\n", where, l.Added, l.Changed, l.Kept, l.LeftOut)
		for _, why := range l.Reasons {
			fmt.Fprintf(p.stderr, "  %s\n", why)
		}
	}
	if taken == 0 && leftOut > 0 {
		return none
	}
	return nil
}

// progressLine is after how many records the progress of an import is told where no
// terminal shows it.
const progressLine = 10_000

// progress gives a counter where stderr is a terminal, and else a line now and then.
func (p *program) progress() (registry.ImportProgress, func()) {
	f, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		told := map[string]int{}
		return func(subdir string, done int) {
			if n := done / progressLine * progressLine; n > told[subdir] {
				told[subdir] = n
				fmt.Fprintf(p.stderr, "%s: %d records so far\n", subdir, n)
			}
		}, func() {}
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
