package shared

import (
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// Field is a labelled field of a form. What was typed is sent back in Value,
// except for passwords.
type Field struct {
	Name         string // name and id of the control
	Label        string
	Type         string // "text" by default; "password", "email", "textarea", "select" …
	Value        string
	Hint         string // shown below, unless an error stands there
	Good         string // what is right about the value, in place of the hint
	Error        string // what is wrong and what to do
	Autocomplete string // the token of the HTML standard; "off" where empty
	Placeholder  string
	Options      []Option // of a select
	Rows         int      // of a textarea
	MinLength    int
	MaxLength    int
	Required     bool
	Autofocus    bool
	Plain        bool   // no spelling, no capitals: names, addresses, codes
	Reveal       bool   // a password that may be shown
	Check        string // address that answers with FieldNote for the value typed so far
}

// Option is one entry of a select, a radio group or a segment switch.
type Option struct {
	Value    string
	Label    string
	Hint     string
	Selected bool
}

// Choice is a group of radio buttons with a line of explanation each.
type Choice struct {
	Name    string
	Label   string
	Options []Option
	Error   string
}

// Check is a box to tick.
type Check struct {
	Name    string
	Value   string
	Checked bool
	Error   string
}

// Problem is one thing that is wrong with a form.
type Problem struct {
	Field   string // id of the control; empty for the form as a whole
	Summary string // for the list above the form; empty takes Text
	Text    string // beside the field: what, why, what now
}

// Problems are all that is wrong with a form.
type Problems []Problem

// On gives the text for a field, or an empty string.
func (p Problems) On(field string) string {
	for _, problem := range p {
		if problem.Field == field {
			return problem.Text
		}
	}
	return ""
}

// Heading counts the problems in words.
func (p Problems) Heading() string {
	words := []string{"Nothing", "One thing", "Two things", "Three things", "Four things", "Five things", "Six things"}
	if len(p) < len(words) {
		return words[len(p)] + " to fix"
	}
	return "Several things to fix"
}

// Short gives the problem's words for the list above the form.
func (p Problem) Short() string {
	if p.Summary != "" {
		return p.Summary
	}
	return strings.TrimSuffix(p.Text, ".")
}

func (f Field) kind() string {
	if f.Type == "" {
		return "text"
	}
	return f.Type
}

func (f Field) complete() string {
	if f.Autocomplete == "" {
		return "off"
	}
	return f.Autocomplete
}

func (f Field) noteID() string { return f.Name + "-note" }

// attributes are those of the control that depend on the field's options.
func (f Field) attributes() templ.Attributes {
	a := templ.Attributes{"autocomplete": f.complete()}
	if f.Placeholder != "" {
		a["placeholder"] = f.Placeholder
	}
	if f.MinLength > 0 {
		a["minlength"] = strconv.Itoa(f.MinLength)
	}
	if f.MaxLength > 0 {
		a["maxlength"] = strconv.Itoa(f.MaxLength)
	}
	if f.Required {
		a["required"] = true
	}
	if f.Autofocus {
		a["autofocus"] = true
	}
	if f.Plain {
		a["spellcheck"], a["autocapitalize"] = "false", "none"
	}
	if f.Error != "" {
		a["aria-invalid"] = "true"
	}
	if f.Error != "" || f.Hint != "" || f.Good != "" || f.Check != "" {
		a["aria-describedby"] = f.noteID()
	}
	if f.Check != "" {
		a["hx-get"] = f.Check
		a["hx-trigger"] = "change"
		a["hx-target"] = "#" + f.noteID()
		a["hx-swap"] = "outerHTML"
	}
	return a
}

func (c Check) value() string {
	if c.Value == "" {
		return "yes"
	}
	return c.Value
}
