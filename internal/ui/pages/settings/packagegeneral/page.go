// Package packagegeneral is the settings page on what a package says of itself
// and who may see it.
package packagegeneral

import "terrarium/internal/ui/shared"

// Page is the form.
type Page struct {
	shared.Page
	Frame      shared.PackageSettings
	Summary    Text
	Home       Text
	Visibility []shared.Option // with what each means for whom
	Was        string          // the visibility that the form was made with
	Changes    []string        // what the other visibility would change, counted
	Why        string          // why it cannot be made public, where it cannot
	MaxSummary int             // characters
	MaxHome    int
	Action     string // where the form goes
	Errors     shared.Problems
}

// Text is one line that may be changed.
type Text struct {
	Value string // as typed
	Was   string // as the form was made with, so that a change by others is seen
	Taken bool   // somebody else changed it to Was meanwhile: one of the two is to be chosen
}

// choice offers both texts.
func (t Text) choice(name, label, problem string) shared.Choice {
	return shared.Choice{Name: name, Label: label, Error: problem, Options: []shared.Option{
		{Value: t.Value, Label: "Yours", Hint: said(t.Value), Selected: true}, {Value: t.Was, Label: "Somebody else's, as it is now", Hint: said(t.Was)},
	}}
}

func said(text string) string {
	if text == "" {
		return "Nothing"
	}
	return text
}
