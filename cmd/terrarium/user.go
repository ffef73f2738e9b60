package main

import (
	"fmt"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/app"
)

type userCmd struct {
	Create      userCreateCmd   `cmd:"" help:"Make an account."`
	List        userListCmd     `cmd:"" help:"List the accounts."`
	Disable     userDisableCmd  `cmd:"" help:"Shut an account out at once, with its sessions and tokens."`
	SetPassword userPasswordCmd `cmd:"" name:"set-password" help:"Set a password and end all sessions."`
}

type userCreateCmd struct {
	Name          string `arg:"" help:"Username."`
	Email         string `required:"" help:"E-mail address; counts as verified."`
	Operator      bool   `help:"May administer the instance."`
	PasswordStdin bool   `help:"Read the password from the standard input; without it the account cannot sign in by password."`
}

// Run makes the account.
func (c *userCreateCmd) Run(p *program) error {
	n := account.NewUser{Name: c.Name, Email: c.Email, Operator: c.Operator}
	if c.PasswordStdin {
		var err error
		if n.Password, err = p.password(); err != nil {
			return err
		}
	}
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	u, err := a.Accounts.CreateUser(p.ctx, access.System(), n)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s made\n", u.Name)
	return nil
}

type userListCmd struct{}

// Run lists all accounts.
func (c *userListCmd) Run(p *program) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	type line struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		Operator bool   `json:"operator"`
		Disabled bool   `json:"disabled"`
		Created  string `json:"created"`
	}
	out := []line{}
	for after := ""; ; {
		users, next, err := a.Accounts.Users(p.ctx, access.System(), account.UserFilter{After: after, Limit: 500})
		if err != nil {
			return err
		}
		for _, u := range users {
			out = append(out, line{u.Name, u.Email, u.Operator, u.DisabledAt != nil, u.CreatedAt.Format("2006-01-02")})
		}
		if after = next; next == "" {
			break
		}
	}
	if p.json {
		return p.printJSON(out)
	}
	t := p.table()
	for _, u := range out {
		state := ""
		if u.Operator {
			state = "operator"
		}
		if u.Disabled {
			state += " disabled"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", u.Name, u.Email, u.Created, state)
	}
	return t.Flush()
}

type userDisableCmd struct {
	Name string `arg:"" help:"Username."`
}

// Run disables the account.
func (c *userDisableCmd) Run(p *program) error {
	return p.withAccounts(func(a *app.App) error { return a.Accounts.DisableUser(p.ctx, access.System(), c.Name) }, c.Name+" disabled")
}

type userPasswordCmd struct {
	Name          string `arg:"" help:"Username."`
	PasswordStdin bool   `help:"Read the password from the standard input (it always is)."`
}

// Run sets the password.
func (c *userPasswordCmd) Run(p *program) error {
	password, err := p.password()
	if err != nil {
		return err
	}
	return p.withAccounts(func(a *app.App) error { return a.Accounts.SetPassword(p.ctx, access.System(), c.Name, password) }, "password of "+c.Name+" set")
}

// withAccounts opens the store, does one thing and says so.
func (p *program) withAccounts(f func(*app.App) error, done string) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	if err := f(a); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, done)
	return nil
}
