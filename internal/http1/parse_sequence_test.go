package http1

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestParseSequences reads many heads one after the other on one connection, whose
// lines come, go, move and nearly repeat: each is read as http.ReadRequest reads it,
// whatever a handler did to the headers of the one before.
func TestParseSequences(t *testing.T) {
	pool := []string{
		"Host: a", "Host: a", "Host: a", "host: a", "Host: b", "Host:a", "Host: a ", "HOST:\ta\t", "Host: ", "Host: a:80", "Host: [::1]", "Host: a/b", "Ho\x73t:  a",
		"Accept: */*", "Accept:*/*", "accept: */*", "Accept: */* ", "Accept: ", "Accept:", "ACCEPT: a, b", "X-A: 1", "x-a: 1", "x-A: 2", "X-A:\t2", "X-a: 1\t",
		"Connection: keep-alive", "connection: Keep-Alive", "Connection: close", "Connection:", "Cookie: a=b", "cookie: c", "Authorization: Bearer t", "authorization: Bearer u",
		"If-None-Match: \"1-a\"", "If-None-Match: \"1-b\"", "Content-Length: 0", "X : y", ": v", "nothing", " folded", "\tfolded", "X-B: a\rb", "X-B: \x80", "X-B: \x00", "X-B\x80: a", "Pragma: no-cache", "", "TE: trailers",
		"Range: bytes=0-", "Range: bytes=1-", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 1.2.3.5", "User-Agent: x", "User-Agent: y", "A: B: C", "A:: C", "A: b:c",
	}
	firsts := []string{"GET /a HTTP/1.1", "HEAD /a HTTP/1.1", "GET /conda/t/x/b HTTP/1.1", "GET //a HTTP/1.1", "GET / HTTP/1.1", "GET /a HTTP/1.0", "GET  /a HTTP/1.1", "GET /a?b HTTP/1.1", "GET /a  HTTP/1.1", "GET /a HTTP/1.1 "}
	r := rand.New(rand.NewPCG(1, 2))
	var f fields
	header, room := http.Header{}, []string(nil)
	lines := []string{"Host: a"}
	plain, longest, now := 0, 0, 0
	for range 200_000 {
		// Most heads are the one before with a change or two.
		for range r.IntN(3) {
			i, line := r.IntN(len(lines)+1), pool[r.IntN(len(pool))]
			switch r.IntN(5) {
			case 0, 1:
				lines = slices.Insert(lines, i, line)
			case 2, 3:
				lines = slices.Delete(lines, i, min(i+1, len(lines)))
			default:
				if i < len(lines) {
					lines[i] = line
				}
			}
		}
		text := firsts[max(0, r.IntN(3*len(firsts))-2*len(firsts))] + "\r\n"
		for _, line := range lines {
			text += line + "\r\n"
		}
		text += "\r\n"
		end := strings.Index(text, "\r\n\r\n") + 4
		b := []byte(text[:end])
		h, ok := parse(b, &f)
		var alone fields
		h1, ok1 := parse(bytes.Clone(b), &alone)
		if ok != ok1 || ok && h != h1 {
			t.Fatalf("%q is %v %v behind others, alone %v %v", text[:end], ok, h, ok1, h1)
		}
		clear(b) // the buffer of the connection is used again
		if !ok {
			f, lines, now = fields{}, []string{"Host: a"}, 0 // the connection is net/http's
			continue
		}
		plain, now = plain+1, now+1
		longest = max(longest, now)
		clear(header)
		room = f.fill(header, room[:0])
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text[:end])))
		if err != nil {
			t.Fatalf("%q is plain; net/http: %v", text[:end], err)
		}
		if h.method != want.Method || h.path != want.RequestURI || f.host != want.Host || want.Close || want.ContentLength != 0 || !reflect.DeepEqual(header, want.Header) {
			t.Fatalf("%q is %v %q %v; net/http: %v %q %v", text[:end], h, f.host, header, want.RequestURI, want.Host, want.Header)
		}
		for name, values := range header { // a handler may do this
			header[name] = append(values, "appended")
			values[0] = "changed"
		}
		header.Add("Host", "x")
	}
	if plain < 50_000 || longest < 10 {
		t.Errorf("only %d were plain, at most %d in a row", plain, longest)
	}
}
