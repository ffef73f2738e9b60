package errs

import (
	"fmt"
	"strings"
)

// Bounds of a refusal that has several reasons: an archive can have thousands of
// wrong dependencies, and somebody reads the sentence at a terminal.
const (
	maxAllMessage = 1500 // bytes of the reasons in Message
	maxAllDetails = 100
)

// All makes one refusal of all reasons for it, or nil where there are none. Its
// kind and field are those of the first. What comes first in Message is head, the
// beginning of a sentence ("x-1-0.conda cannot be published"), and then every
// reason; Details has each by itself. Both end with how many more there are where
// there are very many.
func All(head string, reasons []*Error) *Error {
	if len(reasons) == 0 {
		return nil
	}
	first := reasons[0]
	all := &Error{Kind: first.Kind, Head: head + ".", Reason: first.Reason, Field: first.Field, Cause: first.Cause}
	if len(reasons) == 1 {
		all.Message, all.Details = head+": "+first.Message, []string{first.Message}
		return all
	}
	var b strings.Builder
	for i, e := range reasons {
		if e.Reason != all.Reason {
			all.Reason = "several-reasons"
		}
		if i < maxAllDetails {
			all.Details = append(all.Details, e.Message)
		}
	}
	for i, e := range reasons {
		if i > 0 && b.Len()+len(e.Message) > maxAllMessage || i == maxAllDetails {
			fmt.Fprintf(&b, " And %d more.", len(reasons)-i)
			break
		}
		fmt.Fprintf(&b, " (%d) %s", i+1, e.Message)
	}
	if n := len(reasons) - maxAllDetails; n > 0 {
		all.Details = append(all.Details, fmt.Sprintf("And %d more.", n))
	}
	all.Message = head + ":" + b.String()
	return all
}
