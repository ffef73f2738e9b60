// Package status is the page that says whether the instance works.
package status

import (
	"time"

	"terrarium/internal/ui/shared"
)

// Page is the state of the parts.
type Page struct {
	shared.Page
	Parts   []Part
	Started time.Time
}

// Part is one part of the instance.
type Part struct {
	Name     string
	OK       bool
	Sentence string // "Answers in 2 ms." or what does not work and what still does
}

func (p Page) sentence() (kind, text string) {
	for _, part := range p.Parts {
		if !part.OK {
			return "warn", "Something does not work as it should."
		}
	}
	return "ok", "Everything works."
}
