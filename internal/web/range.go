package web

import (
	"io"
	"net/http"
	"time"

	"terrarium/internal/errs"
)

// ServeContent is http.ServeContent for content without a name, except that a
// range that cannot be answered is an error, for the face to write: by then
// Content-Range and ETag stand in the header, and Status is 416.
func ServeContent(w http.ResponseWriter, r *http.Request, modified time.Time, content io.ReadSeeker) error {
	etag := w.Header().Get("ETag") // which a refusal of net/http takes away
	part := &ranged{ResponseWriter: w}
	http.ServeContent(part, r, "", modified, content)
	if !part.refused {
		return nil
	}
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	return errs.New(errs.Invalid, "The range %q is not one of this file.", r.Header.Get("Range")).Because(reasonRange)
}

// ranged keeps back the answer 416 of net/http, which is plain text.
type ranged struct {
	http.ResponseWriter
	refused bool
}

// WriteHeader passes every status on but 416.
func (w *ranged) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.refused = true
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write drops the body of what is kept back.
func (w *ranged) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// ReadFrom passes a file on, which may go out by sendfile.
func (w *ranged) ReadFrom(src io.Reader) (int64, error) {
	if rf, ok := w.ResponseWriter.(io.ReaderFrom); ok && !w.refused {
		return rf.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{w}, src)
}

// Unwrap gives the writer underneath to http.ResponseController.
func (w *ranged) Unwrap() http.ResponseWriter { return w.ResponseWriter }
