package main

import (
	"fmt"
	"os"

	"terrarium/internal/app"
)

type serveCmd struct {
	Sample bool `help:"Publish the sample channel first, into a store without owners."`
}

// Run serves until the process is told to end, then drains.
func (c *serveCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Serve(p.ctx, app.Serving{Version: version, Sample: c.Sample, Say: func(line string) { fmt.Fprintln(p.stdout, line) }})
}

type workerCmd struct{}

// Run works on jobs until the process is told to end.
func (c *workerCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Work(p.ctx)
}

type migrateCmd struct{}

// Run brings the schema up; opening does that.
func (c *migrateCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	have, _, err := a.DB.SchemaVersion(p.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "schema %d\n", have)
	return nil
}

type versionCmd struct{}

// Run prints the version.
func (c *versionCmd) Run(p *program) error {
	_, err := fmt.Fprintf(p.stdout, "terrarium %s\n", version)
	return err
}

type configCmd struct{}

// Run prints the table of settings.
func (c *configCmd) Run(p *program) error {
	values, err := app.Load(p.flags, os.LookupEnv)
	if err != nil {
		return err
	}
	cfg, err := app.Parse(values)
	if err != nil {
		return err
	}
	values = app.Resolved(values, cfg)
	if p.json {
		type line struct {
			Key    string `json:"key"`
			Value  string `json:"value"`
			Source string `json:"source"`
		}
		out := make([]line, len(values))
		for i, v := range values {
			out[i] = line{v.Key, v.Shown(), v.Source}
		}
		return p.printJSON(out)
	}
	t := p.table()
	for _, v := range values {
		fmt.Fprintf(t, "%s\t%s\t%s\n", v.Key, v.Shown(), v.Source)
	}
	return t.Flush()
}
