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
// the same, or all but one, and only a line that is another is read again.
type fields struct {
	text  []byte // as they came, up to the empty line
	lines []line
	host  string
	twice bool // a name stands in two lines
}

// line is a header: as it came, the canonical name and the value.
type line struct{ text, name, value string }

// parse reads a head that ends with an empty line, and reports whether the request
// is plain. f are the fields of the one before it and become those of this one.
func parse(b []byte, f *fields) (h head, ok bool) {
	end := bytes.Index(b, blank[:2])
	line := string(b[:end])
	h.method, line, _ = strings.Cut(line, " ")
	h.path, line, _ = strings.Cut(line, " ")
	if h.method != http.MethodGet && h.method != http.MethodHead || line != "HTTP/1.1" || !strings.HasPrefix(h.path, "/") || !every(h.path, inPath) {
		return h, false
	}
	if b = b[end+2:]; bytes.Equal(b, f.text) {
		return h, true
	}
	return h, f.parse(b)
}

// parse reads the headers of a request, as http.ReadRequest would. Where they are not
// plain, the fields are of no use any more.
func (f *fields) parse(text []byte) (ok bool) {
	before := f.lines
	f.text, f.lines = append(f.text[:0], text...), f.lines[:0]
	f.host, f.twice = "", false
	for i := 0; len(text) > len(blank[:2]); i++ {
		if i == maxLines {
			return false
		}
		end := bytes.Index(text, blank[:2])
		var l line
		if i < len(before) && string(text[:end]) == before[i].text {
			l = before[i]
		} else if l, ok = parseLine(string(text[:end])); !ok {
			return false
		}
		text = text[end+2:]
		if l.name == "Host" {
			if f.host != "" || !every(l.value, inHost) {
				return false
			}
			f.host = l.value
		}
		f.twice = f.twice || slices.ContainsFunc(f.lines, func(other line) bool { return other.name == l.name })
		f.lines = append(f.lines, l)
	}
	return f.host != ""
}

// parseLine reads a header.
func parseLine(text string) (l line, ok bool) {
	name, value, found := strings.Cut(text, ":")
	value = strings.Trim(value, " \t")
	if !found || !every(name, inName) || value != "" && !every(value, inValue) {
		return l, false
	}
	l = line{text, textproto.CanonicalMIMEHeaderKey(name), value}
	switch l.name {
	case "Connection":
		return l, strings.EqualFold(value, "keep-alive")
	case "Content-Length", "Transfer-Encoding", "Expect", "Upgrade", "Te", "Trailer", "Keep-Alive", "Proxy-Connection", "Pragma":
		return l, false
	}
	return l, true
}

// fill puts them into a header in which nothing is. Its lists lie in room, which is
// given back grown, and are of nobody else: a handler may change them.
func (f *fields) fill(header http.Header, room []string) []string {
	for i := range f.lines {
		switch l := &f.lines[i]; {
		case l.name == "Host":
		case f.twice && header[l.name] != nil:
			header[l.name] = append(header[l.name], l.value)
		default:
			from := len(room)
			room = append(room, l.value)
			header[l.name] = room[from:len(room):len(room)]
		}
	}
	return room
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
