package http1

import (
	"bytes"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// head is what the first line of a plain request says.
type head struct {
	method, path string
}

// maxLines is how many headers a plain request may have.
const maxLines = 32

// plainStart reports whether a plain request may begin so.
func plainStart(b []byte) bool {
	return starts(b, "GET /") || starts(b, "HEAD /")
}

// starts reports whether b begins with the word, or is the beginning of it.
func starts(b []byte, word string) bool {
	n := min(len(b), len(word))
	return string(b[:n]) == word[:n]
}

// fields are the headers of a plain request. The next one on a connection mostly has
// the same, and they are not read again.
type fields struct {
	text   string // as they came, up to the empty line
	host   string
	names  []string // canonical, each once
	values [][]string
	more   int // values than names
}

// parse reads a head that ends with an empty line, and reports whether the request
// is plain. before are the fields of the one before it, which are those of this one
// where the text is the same.
func parse(b []byte, before fields) (h head, f fields, ok bool) {
	end := bytes.Index(b, blank[:2])
	line := string(b[:end])
	h.method, line, _ = strings.Cut(line, " ")
	h.path, line, _ = strings.Cut(line, " ")
	if h.method != http.MethodGet && h.method != http.MethodHead || line != "HTTP/1.1" || !strings.HasPrefix(h.path, "/") || !every(h.path, inPath) {
		return h, f, false
	}
	if b = b[end+2:]; string(b) == before.text {
		return h, before, true
	}
	f, ok = parseFields(string(b))
	return h, f, ok
}

// parseFields reads the headers of a request, as http.ReadRequest would.
func parseFields(text string) (f fields, ok bool) {
	f.text = text
	lines := strings.Count(text, "\r\n") - 1
	if lines > maxLines {
		return f, false
	}
	values := make([]string, 0, lines)
	for range lines {
		line, rest, _ := strings.Cut(text, "\r\n")
		text = rest
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !found || !every(name, inName) || value != "" && !every(value, inValue) {
			return f, false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch name {
		case "Host":
			if f.host != "" || !every(value, inHost) {
				return f, false
			}
			f.host = value
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return f, false
			}
		case "Content-Length", "Transfer-Encoding", "Expect", "Upgrade", "Te", "Trailer", "Keep-Alive", "Proxy-Connection", "Pragma":
			return f, false
		}
		if i := slices.Index(f.names, name); i >= 0 {
			f.values[i] = append(f.values[i], value)
			f.more++
			continue
		}
		values = append(values, value)
		f.names, f.values = append(f.names, name), append(f.values, values[len(values)-1:len(values):len(values)])
	}
	return f, f.host != ""
}

// fill puts them into a header in which nothing is. The lists are new: a handler may
// change them.
func (f *fields) fill(header http.Header) {
	room := make([]string, 0, len(f.names)+f.more)
	for i, name := range f.names {
		from := len(room)
		room = append(room, f.values[i]...)
		header[name] = room[from:len(room):len(room)]
	}
}

// Kinds of letters.
const (
	inPath  = 1 << iota // of a path that net/url reads and writes as it is
	inName              // of a token (RFC 9110 §5.6.2)
	inValue             // of the value of a header
	inHost              // of a name or an address with a port
)

// every reports whether there are letters, all of the kind.
func every(s string, kind uint8) bool {
	for i := range len(s) {
		if letters[s[i]]&kind == 0 {
			return false
		}
	}
	return s != ""
}

// letters has the kinds of each letter.
var letters = func() (t [256]uint8) {
	mark := func(kind uint8, s string) {
		for i := range len(s) {
			t[s[i]] |= kind
		}
	}
	for c := byte(' '); c <= '~'; c++ {
		t[c] = inValue
	}
	t['\t'] = inValue
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	mark(inPath, alphanumeric+"/-._~$&+,:;=@")
	mark(inName, alphanumeric+"!#$%&'*+-.^_`|~")
	mark(inHost, alphanumeric+"-._:[]")
	return t
}()
