package http1

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// response is an http.ResponseWriter. What it writes is what net/http would. Head and
// body go out together, where they are small in one buffer, else without a copy.
type response struct {
	conn   *conn
	header http.Header
	head   bool // the request was HEAD

	status  int   // 0 before WriteHeader
	length  int64 // that the handler named, or -1
	sent    int64 // of the body, by the handler
	typed   bool  // the handler said of what type the body is
	open    bool  // the head ends in buf, or has gone
	chunked bool
	last    bool // the connection ends behind it
	failed  error

	buf   []byte      // of the answer, not yet written
	body  []byte      // of a body of unknown length
	kept  [][]byte    // of the body, behind buf
	size  int         // of kept, in bytes
	iovec net.Buffers // what one call writes
}

const (
	// together is how long an answer may be to be copied into one buffer.
	together = 1 << 10
	// gathered is how much of a body goes out in one call where it need not be copied,
	// and parts of how many.
	gathered, parts = 512 << 10, 256
	// framed is how much of a body of unknown length waits for its end, which
	// makes its length known. What is longer goes out in chunks.
	framed = 16 << 10
)

// begin makes it that of the next request.
func (w *response) begin(head bool) {
	clear(w.header)
	*w = response{conn: w.conn, header: w.header, head: head, length: -1, buf: w.buf[:0], body: w.body[:0], kept: w.kept[:0]}
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. Interim answers (1xx) are not sent,
// which a server need not do.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case status < 200:
		return
	case w.status != 0:
		w.conn.front.Server.ErrorLog.Printf("http1: superfluous WriteHeader call: %d after %d", status, w.status)
		return
	}
	w.status = status
	w.buf = append(w.buf, "HTTP/1.1 "...)
	w.buf = strconv.AppendInt(w.buf, int64(status), 10)
	w.buf = append(append(append(w.buf, ' '), http.StatusText(status)...), "\r\n"...)
	for name, values := range w.header { // in any order (RFC 9110 §5.3)
		switch name {
		case "Content-Length":
			w.measure(values)
			continue
		case "Content-Type":
			if status == http.StatusNotModified {
				continue
			}
		case "Connection":
			w.last = w.last || len(values) > 0 && strings.EqualFold(values[0], "close")
			continue
		case "Transfer-Encoding", "Trailer":
			continue
		}
		if !every(name, inName) {
			continue
		}
		for _, value := range values {
			w.line(name, value)
		}
	}
	_, w.typed = w.header["Content-Type"]
	w.typed = w.typed || w.header.Get("Content-Encoding") != ""
	if _, dated := w.header["Date"]; !dated {
		w.line("Date", w.conn.front.now())
	}
	if w.last = w.last || w.conn.front.draining.Load(); w.last {
		w.line("Connection", "close")
	}
}

// measure takes the length that the handler names.
func (w *response) measure(values []string) {
	if len(values) == 0 || !w.bodied() {
		return
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || n < 0 {
		w.conn.front.Server.ErrorLog.Printf("http1: invalid Content-Length of %q", values[0])
		return
	}
	w.length = n
	w.line("Content-Length", values[0])
}

// line appends a header. A value cannot end its line.
func (w *response) line(name, value string) {
	w.buf = append(append(w.buf, name...), ": "...)
	if !every(value, inValue) {
		value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
	}
	w.buf = append(append(w.buf, textproto.TrimString(value)...), "\r\n"...)
}

// bodied reports whether an answer of the status may have a body.
func (w *response) bodied() bool {
	return w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.bodied() {
		return 0, http.ErrBodyNotAllowed
	}
	if w.sent += int64(len(p)); w.length >= 0 && w.sent > w.length {
		return 0, http.ErrContentLength // and finish finds that the two differ
	}
	switch {
	case w.head && w.length < 0:
		w.body = append(w.body, p[:min(len(p), together-len(w.body))]...) // for its type
	case w.length < 0 && !w.chunked && len(w.body)+len(p) <= framed:
		w.body = append(w.body, p...)
	case w.length < 0:
		w.chunk(p)
	case len(p) > 0:
		w.begun(p)
		w.put(p)
	}
	return len(p), w.failed
}

// WriteKept is Write for bytes that nobody ever changes. They are not copied, and go
// out in few calls: the last of them with FlushError, or when the handler has returned.
func (w *response) WriteKept(p []byte) (int, error) {
	if w.length < 0 || w.head || w.sent+int64(len(p)) > w.length || len(p) == 0 || !w.bodied() {
		return w.Write(p)
	}
	w.sent += int64(len(p))
	w.begun(p)
	if w.kept, w.size = append(w.kept, p), w.size+len(p); w.size >= gathered || len(w.kept) == parts {
		w.flush()
	}
	return len(p), w.failed
}

// FlushError sends what waits, as http.ResponseController does.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.length < 0 && w.bodied() && !w.head {
		w.chunk(nil)
	}
	w.begun(nil)
	w.flush()
	return w.failed
}

// ReadFrom implements io.ReaderFrom: a file goes out without coming into the program
// (sendfile), where its length and its type are known.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	part, ok := src.(*io.LimitedReader)
	if !ok || !w.typed || part.N > w.length-w.sent || w.head || !w.bodied() || w.failed != nil {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	w.begun(nil)
	w.flush()
	if w.failed != nil {
		return 0, w.failed
	}
	n, err := w.conn.tcp.ReadFrom(src)
	w.sent, w.failed = w.sent+n, err
	return n, err
}

// begun ends the head. p is how the body begins, which tells its type where the
// handler did not.
func (w *response) begun(p []byte) {
	if w.open {
		return
	}
	w.open = true
	if !w.typed && len(p) > 0 {
		w.line("Content-Type", http.DetectContentType(p))
	}
	w.buf = append(w.buf, "\r\n"...)
}

// chunk writes what waits, and p behind it, as chunks (RFC 9112 §7.1).
func (w *response) chunk(p []byte) {
	if !w.chunked {
		w.chunked = true
		w.line("Transfer-Encoding", "chunked")
		if len(w.body) > 0 {
			w.begun(w.body)
			w.chunk(w.body)
			w.body = w.body[:0]
		} else {
			w.begun(p)
		}
	}
	if len(p) == 0 {
		return // it would be the end of the body
	}
	w.buf = append(strconv.AppendInt(w.buf, int64(len(p)), 16), "\r\n"...)
	w.put(p)
	w.buf = append(w.buf, "\r\n"...)
}

// put writes bytes of the body behind what waits.
func (w *response) put(p []byte) {
	switch {
	case w.head || len(p) == 0:
	case len(w.kept) == 0 && len(w.buf)+len(p) <= together:
		w.buf = append(w.buf, p...)
	default:
		w.kept = append(w.kept, p)
		w.flush()
	}
}

// flush writes what waits.
func (w *response) flush() {
	switch {
	case w.failed != nil:
	case len(w.kept) == 0:
		if len(w.buf) > 0 {
			_, w.failed = w.conn.tcp.Write(w.buf)
		}
	default:
		w.iovec = w.kept
		if len(w.buf) > 0 {
			w.iovec = slices.Insert(w.iovec, 0, w.buf)
			w.kept = w.iovec
		}
		_, w.failed = w.iovec.WriteTo(w.conn.tcp)
		clear(w.kept) // an idle connection keeps no document
	}
	w.buf, w.kept, w.size = w.buf[:0], w.kept[:0], 0
}

// finish writes what is left when the handler has returned, and reports whether
// another request may follow. The error is that of an answer that is not whole.
func (w *response) finish() (again bool, err error) {
	if w.failed != nil {
		return false, w.failed
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.length < 0 && !w.chunked {
		if w.bodied() && (!w.head || w.sent > 0) {
			w.line("Content-Length", strconv.FormatInt(w.sent, 10))
		}
		w.begun(w.body)
		w.put(w.body)
	}
	w.begun(nil)
	if w.chunked && !w.head {
		w.buf = append(w.buf, "0\r\n\r\n"...)
	}
	w.flush()
	if cap(w.body) > together {
		w.body = nil // an idle connection keeps little
	}
	if w.failed == nil && w.length >= 0 && w.length != w.sent && !w.head {
		w.failed = http.ErrContentLength
	}
	return !w.last && !w.conn.front.draining.Load(), w.failed
}
