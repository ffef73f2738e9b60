package web

import (
	"io"
	"net/http"
)

// ReadFrom passes the reader to the connection, which sends files without
// copying them through the program (sendfile).
func (w *recorder) ReadFrom(src io.Reader) (int64, error) {
	w.begun()
	var n int64
	var err error
	if rf, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		n, err = rf.ReadFrom(src)
	} else {
		n, err = io.Copy(struct{ io.Writer }{w.ResponseWriter}, src)
	}
	w.bytes += n
	return n, err
}

// keeper is an answer that need not copy what nobody changes: repodata.Keeper.
type keeper interface {
	http.ResponseWriter
	WriteKept(p []byte) (int, error)
	FlushError() error
}

// keeping gives the answer as a keeper, if the connection is one.
func keeping(w http.ResponseWriter) (k keepingRecorder, ok bool) {
	if k.recorder, ok = w.(*recorder); ok {
		k.to, ok = k.ResponseWriter.(keeper)
	}
	return k, ok
}

// keepingRecorder counts what it hands to a keeper.
type keepingRecorder struct {
	*recorder
	to keeper
}

// WriteKept implements repodata.Keeper.
func (w keepingRecorder) WriteKept(p []byte) (int, error) {
	w.begun()
	n, err := w.to.WriteKept(p)
	w.bytes += int64(n)
	return n, err
}
