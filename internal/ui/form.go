package ui

import (
	"net/http"
	"strings"

	"terrarium/internal/access"
	"terrarium/internal/account"
	"terrarium/internal/errs"
	"terrarium/internal/ui/shared"
)

// maxForm is the largest form without files, in bytes.
const maxForm = 1 << 20

// form reads a form that has no files.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errs.Wrap(errs.Invalid, err, "The form could not be read. At most %d bytes can be sent.", maxForm)
	}
	return nil
}

// typed gives a field of a form without the space around it.
func typed(r *http.Request, name string) string { return strings.TrimSpace(r.PostFormValue(name)) }

// problems turns a refusal of the domain into what a form shows beside its
// fields. fields renames fields of the domain to those of the form. ok is false
// for errors that a person cannot mend in the form.
func problems(err error, fields map[string]string) (list shared.Problems, status int, ok bool) {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Exists, errs.Forbidden, errs.Conflict, errs.TooLarge, errs.Unauthenticated, errs.Gone:
		status = http.StatusUnprocessableEntity
	case errs.TooMany:
		status = http.StatusTooManyRequests
	default:
		return nil, 0, false
	}
	all := account.Fields(err)
	for name, e := range all {
		field := name
		if to, renamed := fields[name]; renamed {
			field = to
		}
		list = append(list, shared.Problem{Field: field, Text: e.Message})
	}
	if len(list) == 0 {
		list = shared.Problems{{Text: errs.Message(err)}}
	}
	return list, status, true
}

// inOrder sorts problems the way their fields stand in the form.
func inOrder(list shared.Problems, fields ...string) shared.Problems {
	place := map[string]int{}
	for i, f := range fields {
		place[f] = i + 1
	}
	sorted := make(shared.Problems, 0, len(list))
	for rank := range len(fields) + 1 {
		for _, p := range list {
			if place[p.Field] == rank {
				sorted = append(sorted, p)
			}
		}
	}
	return sorted
}

// waitFor says how long to wait in the header that programs read.
func waitFor(w http.ResponseWriter, err error) {
	if d := access.RetryAfter(err); d > 0 {
		w.Header().Set("Retry-After", seconds(d))
	}
}
