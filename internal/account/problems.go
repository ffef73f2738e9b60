package account

import (
	"errors"

	"terrarium/internal/errs"
)

// problems collects what is wrong with a form, so that people learn all of it at
// once.
type problems []*errs.Error

// add takes one more refusal; anything without a kind is kept too.
func (p *problems) add(err error) {
	if err == nil {
		return
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		*p = append(*p, e)
		return
	}
	*p = append(*p, errs.Wrap(errs.Internal, err, "Something broke here, not with you."))
}

// err gives nil, the one refusal, or one of the first refusal's kind and reason
// that says all of them.
func (p problems) err() error {
	switch len(p) {
	case 0:
		return nil
	case 1:
		return p[0]
	}
	all := errs.All("This cannot be done", p)
	all.Reason, all.Cause = p[0].Reason, fieldErrors(p)
	return all
}

// fieldErrors stands behind a refusal that has several reasons.
type fieldErrors []*errs.Error

// Error counts the reasons; their sentences are in the refusal.
func (f fieldErrors) Error() string { return "several fields are wrong" }

// Fields gives the refusals of a form by field, for pages that show each beside
// its field. Those that name no field are under "".
func Fields(err error) map[string]*errs.Error {
	fields := map[string]*errs.Error{}
	if all, ok := errors.AsType[fieldErrors](err); ok {
		for _, e := range all {
			if fields[e.Field] == nil {
				fields[e.Field] = e
			}
		}
		return fields
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		fields[e.Field] = e
	}
	return fields
}
