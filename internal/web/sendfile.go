package web

import "io"

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
