package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, and nothing else."`
}

type tokenCreateCmd struct {
	User    string   `required:"" help:"Who acts with it."`
	Label   string   `name:"name" required:"" help:"Name of the token."`
	Scope   []string `help:"Scope, may be repeated; none = all."`
	Expires string   `help:"Life, such as 30d or 12h; none = the default of a year."`
	Replace bool     `help:"Take the place of a token of the same name."`
}

// Run makes the token.
func (c *tokenCreateCmd) Run(p *program) error {
	age, err := parseAge(c.Expires)
	if err != nil {
		return err
	}
	a, err := p.open()
	if err != nil {
		return err
	}
	defer a.Close()
	_, secret, err := a.Accounts.CreateToken(p.ctx, access.System(), account.NewToken{
		Name: c.Label, UserName: c.User, Scopes: c.Scope, MaxAge: age, Replace: c.Replace,
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, secret)
	return nil
}

// parseAge reads a duration that may be in days.
func parseAge(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return d, nil
	}
	return 0, errs.New(errs.Invalid, "%q is not a life such as 30d or 12h.", s)
}
