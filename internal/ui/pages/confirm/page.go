// Package confirm is the page that asks before something cannot be taken back
// by a click: what ends, counted, and the way out.
package confirm

import "terrarium/internal/ui/shared"

// Page is one question.
type Page struct {
	shared.Page
	Trail    []shared.Link // from the top to this page
	Question string        // "Delete acme/rasterio 1.4.3?"
	Sentence string        // what it means
	Ends     []string      // what ends, one line each
	Typed    string        // what has to be typed; empty: nothing
	Password bool          // the visitor's password has to be typed
	Blocked  string        // why it cannot be done now; empty: it can
	Blocking []shared.Link // what has to be seen to first
	Action   string        // where the form goes
	Verb     string        // the verb and the thing: "Delete 1.4.3"
	KeepURL  string        // the way out
	Errors   shared.Problems
}
