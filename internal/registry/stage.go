package registry

import (
	"encoding/json/jsontext"
	"time"
)

// StageRequest announces a file of the classic upload: stage, receive, commit.
type StageRequest struct {
	Owner        string
	Package      string
	Version      string
	Basename     string // conda: SUBDIR/FILE
	Type         string // distribution_type, aliases allowed
	Attrs        jsontext.Value
	Dependencies jsontext.Value
	Description  string
	Labels       []string // none = main
	SHA256       string   // hex; "" = the client did not say
}

// Staged is an announced file. Secret is the part of the address that lets the
// bytes in; only its hash is kept.
type Staged struct {
	ID      string
	Secret  string
	Expires time.Time
}

// Declared is what the sender of bytes says about them.
type Declared struct {
	Size *int64
	MD5  []byte
}
