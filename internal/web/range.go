package web

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"terrarium/internal/errs"
)

// ServeContent is http.ServeContent for content without a name, except that a
// range that cannot be answered is an error, for the face to write: by then
// Content-Range and ETag stand in the header, and Status is 416.
func ServeContent(w http.ResponseWriter, r *http.Request, modified time.Time, content io.ReadSeeker) error {
	if serveWhole(w, r, modified, content) {
		return nil
	}
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

// inMemory is content that knows its length and hands itself over without a
// buffer in between.
type inMemory interface {
	io.WriterTo
	Size() int64
}

// serveWhole answers what is asked most, a whole document from memory or that it
// is the one that the client has, as http.ServeContent would: without its buffers,
// its look at times and its copy. It reports whether it did.
func serveWhole(w http.ResponseWriter, r *http.Request, modified time.Time, content io.ReadSeeker) bool {
	from, ok := content.(inMemory)
	if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for _, name := range []string{"Range", "If-Match", "If-Unmodified-Since", "If-Modified-Since"} {
		if _, asked := r.Header[name]; asked {
			return false
		}
	}
	h := w.Header()
	if have := r.Header["If-None-Match"]; len(have) > 0 {
		etag := h["Etag"]
		if len(etag) == 0 || etag[0] == "" || have[0] != etag[0] {
			return false // a list, a star, another one
		}
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding"} {
			delete(h, name)
		}
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	h["Accept-Ranges"] = acceptRanges
	h["Content-Length"] = []string{strconv.FormatInt(from.Size(), 10)}
	if !modified.IsZero() && !modified.Equal(time.Unix(0, 0)) {
		h["Last-Modified"] = []string{modified.UTC().Format(http.TimeFormat)}
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		// Where it fails the client is gone.
		if k, ok := keeping(w); ok && from.Size() > small {
			_, _ = from.WriteTo(k)
			_ = k.to.FlushError() // before the line of the request is written, which says how long it took
		} else {
			_, _ = from.WriteTo(w)
		}
	}
	return true
}

// small is how long a document may be that goes out with the head in any case.
const small = 4 << 10

var acceptRanges = []string{"bytes"}

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
