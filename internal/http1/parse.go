package http1

import (
	"net/http"
	"net/textproto"
	"strings"
)

// head is what the first line of a plain request and its Host say.
type head struct {
	method, path, host string
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

// parse reads a head that ends with an empty line, fills the headers with what
// http.ReadRequest would, and reports whether the request is plain.
func parse(text string, header http.Header) (h head, ok bool) {
	line, text, _ := strings.Cut(text, "\r\n")
	h.method, line, _ = strings.Cut(line, " ")
	h.path, line, _ = strings.Cut(line, " ")
	if h.method != http.MethodGet && h.method != http.MethodHead || line != "HTTP/1.1" || !strings.HasPrefix(h.path, "/") || !every(h.path, inPath) {
		return h, false
	}
	lines := strings.Count(text, "\r\n") - 1
	if lines > maxLines {
		return h, false
	}
	values := make([]string, 0, lines)
	for range lines {
		line, text, _ = strings.Cut(text, "\r\n")
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !found || !every(name, inName) || value != "" && !every(value, inValue) {
			return h, false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch name {
		case "Host":
			if h.host != "" || !every(value, inHost) {
				return h, false
			}
			h.host = value
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return h, false
			}
		case "Content-Length", "Transfer-Encoding", "Expect", "Upgrade", "Te", "Trailer", "Keep-Alive", "Proxy-Connection", "Pragma":
			return h, false
		}
		values = append(values, value)
		if before, again := header[name]; again {
			header[name] = append(before, value)
		} else {
			header[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	return h, h.host != ""
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
