package main

import (
	"fmt"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/app"
)

type ownerCmd struct {
	Delete  ownerDeleteCmd  `cmd:"" help:"Delete a user or an organisation at once; it can be undone for 7 days."`
	Restore ownerRestoreCmd `cmd:"" help:"Undo the deletion of a user or an organisation."`
	Deleted ownerDeletedCmd `cmd:"" help:"List what was deleted and can be restored."`
}

type ownerDeleteCmd struct {
	Name string `arg:"" help:"User or organisation."`
}

// Run deletes the owner.
func (c *ownerDeleteCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	d, err := a.Accounts.DeleteOwner(p.ctx, access.System(), c.Name, c.Name)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s deleted; until %s `terrarium owner restore %s` undoes it\n", d.Name, d.ErasedFrom.Format("2006-01-02 15:04 UTC"), d.Name)
	return nil
}

type ownerRestoreCmd struct {
	Name  string `arg:"" help:"User or organisation."`
	Owner string `help:"User who is to own the organisation from now on; needed where its owners were deleted too."`
}

// Run undoes the deletion.
func (c *ownerRestoreCmd) Run(p *program) error {
	return p.withAccounts(func(a *app.App) error {
		var err error
		if c.Owner != "" {
			_, err = a.Accounts.RestoreOrganization(p.ctx, access.System(), c.Name, c.Owner)
		} else {
			_, err = a.Accounts.RestoreOwner(p.ctx, access.System(), c.Name)
		}
		return err
	}, c.Name+" restored")
}

type ownerDeletedCmd struct{}

// Run lists what can be restored.
func (c *ownerDeletedCmd) Run(p *program) error {
	var list []account.Deletion
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	if list, err = a.Accounts.Deleted(p.ctx, access.System()); err != nil {
		return err
	}
	type line struct {
		Name   string `json:"name"`
		Kind   string `json:"kind"`
		By     string `json:"deleted_by"`
		Erased string `json:"erased_from"`
	}
	out := []line{}
	for _, d := range list {
		out = append(out, line{d.Name, d.Kind, d.DeletedBy, d.ErasedFrom.Format("2006-01-02T15:04:05Z")})
	}
	if p.json {
		return p.printJSON(out)
	}
	t := p.table()
	for _, l := range out {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.Name, l.Kind, l.Erased, l.By)
	}
	return t.Flush()
}
