// Package add is the page that uploads files.
package add

import "terrarium/internal/ui/shared"

// Page is the form, or what became of the files that it sent.
type Page struct {
	shared.Page
	Owners  []shared.Option // whom the viewer may upload for
	Owner   string
	Private []shared.Option // Public and Private, each with what the plan leaves
	Labels  string          // as typed
	Limit   string          // the largest file and what is free, in words
	Results []Result
	Errors  shared.Problems
	Login   []string // the commands of the terminal
	Upload  []string
	CI      []string
}

// Result is what became of one file.
type Result struct {
	File    string
	Owner   string
	Package string
	Version string
	Subdir  string
	Size    int64
	Reasons []string // why it was refused; empty: it is published
	Remedy  string
}
