package main

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"terrarium/internal/errs"
)

// table aligns columns that tabs divide.
func (p *program) table() *tabwriter.Writer { return tabwriter.NewWriter(p.stdout, 0, 4, 2, ' ', 0) }

// printJSON prints a value, indented.
func (p *program) printJSON(v any) error {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s\n", b)
	return err
}

// password reads one line of the standard input.
func (p *program) password() (string, error) {
	b, err := io.ReadAll(io.LimitReader(p.stdin, 4096))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", errs.New(errs.Invalid, "There is no password on the standard input.")
	}
	return line, nil
}
