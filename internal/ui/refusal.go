package ui

import (
	"net/http"

	"terrarium/internal/errs"
	"terrarium/internal/web"
)

// ErrorPage answers a browser with a page that says what is wrong and what to
// do now.
func (f *Face) ErrorPage(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, errs.Message(err), web.Status(err))
}
