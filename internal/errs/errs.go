// Package errs holds the kinds of failure that every storey of Terrarium
// shares. An error carries a kind, which a face maps to a status once, and a
// sentence that is fit for the person who caused it; the cause stays behind it
// for the log. An error without a kind is internal and its text is never shown.
package errs

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is. The zero value is Internal.
type Kind int

// The kinds. Each face maps them to its own statuses in one place.
const (
	Internal        Kind = iota // anything unforeseen; its text is never shown
	NotFound                    // not there, or the caller may not know that it is
	Exists                      // the thing to be made is there already
	Invalid                     // what was sent breaks a rule
	Forbidden                   // known, but the caller may not
	Unauthenticated             // a credential is missing or bad
	TooLarge                    // over a limit of size
	Conflict                    // changed by somebody else meanwhile
	Gone                        // was there and was deleted
	Blocked                     // a policy refuses it
	TooMany                     // over a limit of frequency
	Unavailable                 // a part that we need (database, blobs) is away
)

// String names the kind the way problem documents do ("not-found").
func (k Kind) String() string {
	switch k {
	case NotFound:
		return "not-found"
	case Exists:
		return "exists"
	case Invalid:
		return "invalid"
	case Forbidden:
		return "forbidden"
	case Unauthenticated:
		return "unauthenticated"
	case TooLarge:
		return "too-large"
	case Conflict:
		return "conflict"
	case Gone:
		return "gone"
	case Blocked:
		return "blocked"
	case TooMany:
		return "too-many-requests"
	case Unavailable:
		return "unavailable"
	default:
		return "internal"
	}
}

// Error is a failure with a kind and a sentence for people.
type Error struct {
	Kind    Kind
	Message string   // all there is to say, in whole sentences: what was wrong, which limit, what to do
	Head    string   // Message without its reasons, where those are in Details; else ""
	Reason  string   // a short machine word ("file-exists"); empty means Kind.String()
	Field   string   // the form field or JSON key that is wrong, if one is
	Details []string // each reason, or each proposal, of Message by itself
	Cause   error    // for the log only
}

// Error gives the sentence and, for the log, the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an error of a kind. The format must yield a sentence for people.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of a kind around a cause that is kept from people.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Because sets the machine word of the error and returns it.
func (e *Error) Because(reason string) *Error {
	e.Reason = reason
	return e
}

// On names the field that is wrong and returns the error.
func (e *Error) On(field string) *Error {
	e.Field = field
	return e
}

// With adds what Message says also one by one, and returns the error.
func (e *Error) With(details ...string) *Error {
	e.Details = append(e.Details, details...)
	return e
}

// KindOf gives the kind of the first Error in the chain of err, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of a kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Message gives the sentence of err that may be shown, or a general one where
// err has no kind.
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != Internal {
		return e.Message
	}
	return "Something broke here, not with you."
}

// Reason gives the machine word of err.
func Reason(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Reason != "" {
		return e.Reason
	}
	return KindOf(err).String()
}

// Head gives the sentence of err that stands above a list of its Details, or
// Message where these are no reasons.
func Head(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != Internal && e.Head != "" {
		return e.Head
	}
	return Message(err)
}

// Details gives the reasons or proposals of err one by one; Message has them too.
func Details(err error) []string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Details
	}
	return nil
}

// Field gives the name of the field that is wrong, or "".
func Field(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Field
	}
	return ""
}

// Cause gives what stands behind the sentence of err, for a log or an operator,
// or nil.
func Cause(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Cause
	}
	return nil
}
