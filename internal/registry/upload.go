package registry

import "io"

// UploadRequest is a file sent in one request.
type UploadRequest struct {
	Owner    string
	Channel  string   // "" = main
	Labels   []string // further channels
	Type     string   // "" = conda
	FileName string   // without subdir
	Subdir   string   // "" = what the archive says; else it must agree
	Package  string   // needed where Type is not conda
	Version  string   // needed where Type is not conda
	Body     io.Reader
	Size     int64  // as declared; -1 = not
	MD5      []byte // as declared; nil = not
	SHA256   string // as declared, hex; "" = not
	Private  bool   // a package made by this upload is private
	Force    bool   // put the file of that name into the trash first
}
