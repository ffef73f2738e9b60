package web

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/errs"
)

// Status is the one meaning that each kind of error has as an HTTP status
// (design.md §5). A face changes it only where a stock client demands so.
func Status(err error) int {
	switch errs.Reason(err) { // two refusals of HTTP itself, which no domain knows
	case reasonMethod:
		return http.StatusMethodNotAllowed
	case reasonRange:
		return http.StatusRequestedRangeNotSatisfiable
	}
	switch errs.KindOf(err) {
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Exists, errs.Conflict:
		return http.StatusConflict
	case errs.Invalid:
		return http.StatusUnprocessableEntity
	case errs.Forbidden:
		return http.StatusForbidden
	case errs.Unauthenticated:
		return http.StatusUnauthorized
	case errs.TooLarge:
		return http.StatusRequestEntityTooLarge
	case errs.Gone:
		return http.StatusGone
	case errs.Blocked:
		return http.StatusUnavailableForLegalReasons
	case errs.TooMany:
		return http.StatusTooManyRequests
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// The machine words of what Mount and ServeContent refuse.
const (
	reasonMethod = "method"
	reasonRange  = "range"
)

// problem is RFC 9457 with the two members that stock clients look for.
type problem struct {
	Type    string   `json:"type"`
	Title   string   `json:"title"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail"`
	Message string   `json:"message"`
	Reason  string   `json:"reason"`
	Field   string   `json:"field,omitempty"`
	Errors  []string `json:"errors,omitempty"`
	Request string   `json:"request,omitempty"`
}

// Problem writes err as application/problem+json with the given status.
func Problem(w http.ResponseWriter, r *http.Request, status int, err error) {
	p := problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: errs.Message(err), Message: errs.Message(err), Reason: errs.Reason(err),
		Field: errs.Field(err), Errors: errs.Details(err),
	}
	if status >= 500 {
		p.Request = EventOf(r).ID
	}
	retryAfter(w, err)
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, "application/problem+json", p)
}

// ErrorObject writes {"error": sentence}, which the classic client reads.
func ErrorObject(w http.ResponseWriter, _ *http.Request, status int, err error) {
	retryAfter(w, err)
	writeJSON(w, status, "application/json", map[string]string{"error": errs.Message(err)})
}

// NestedError writes {"error": {"code", "message"}}, which anaconda-auth reads.
func NestedError(w http.ResponseWriter, _ *http.Request, status int, err error) {
	retryAfter(w, err)
	writeJSON(w, status, "application/json", map[string]map[string]string{
		"error": {"code": errs.Reason(err), "message": errs.Message(err)},
	})
}

// StorageError writes the XML document that anaconda-client expects of the
// storage that it posts bytes to.
func StorageError(w http.ResponseWriter, status int, code string, err error) {
	type document struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	b, merr := xml.Marshal(document{Code: code, Message: errs.Message(err)})
	if merr != nil {
		b = []byte("<Error><Code>InternalError</Code></Error>")
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client is gone if this fails
}

func retryAfter(w http.ResponseWriter, err error) {
	if wait := access.RetryAfter(err); wait > 0 {
		s := int64((wait + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.FormatInt(max(s, 1), 10))
	} else if errs.Is(err, errs.Unavailable) {
		w.Header().Set("Retry-After", "5")
	}
}

// JSON writes v with a status. Nil lists come out as [], nil maps as {}.
func JSON(w http.ResponseWriter, status int, v any) error {
	writeJSON(w, status, "application/json", v)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	// A sentence may name what was sent, which need not be UTF-8.
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"Something broke here, not with you."}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client is gone if this fails
}

// ReadJSON decodes a body of at most limit bytes into v. An empty body leaves v
// as it is. Unknown members are ignored, since clients differ.
func ReadJSON(r *http.Request, limit int64, v any) error {
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "The body of the request ended early.")
	}
	if int64(len(b)) > limit {
		return errs.New(errs.TooLarge, "The body of the request is larger than %d bytes.", limit)
	}
	if len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, v, jsontext.AllowInvalidUTF8(false)); err != nil {
		return errs.Wrap(errs.Invalid, err, "The body of the request is not the JSON that is expected here.")
	}
	return nil
}
