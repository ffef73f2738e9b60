package http1

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// conda is the head of a request for a document that conda has already.
const conda = "GET /conda/t/tm-user-abc/ana/main/linux-64/repodata_shards.msgpack.zst HTTP/1.1\r\nHost: localhost:8080\r\n" +
	"User-Agent: conda/26.7.1 requests/2.32.3 CPython/3.12.9 Linux/6.18\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept: */*\r\n" +
	"Connection: keep-alive\r\nIf-None-Match: \"1-a\"\r\nIf-Modified-Since: Sat, 28 Nov 2026 10:00:00 GMT\r\n\r\n"

// fieldsOf gives the fields of a connection on which a request came, none if that is
// not plain and the connection no longer ours.
func fieldsOf(text string) (f fields) {
	if _, ok := parse([]byte(text), &f); !ok {
		return fields{}
	}
	return f
}

// turned gives a head with its headers in another order, one of them changed.
func turned(b []byte) string {
	lines := strings.Split(strings.TrimSuffix(string(b), "\r\n\r\n"), "\r\n")
	if len(lines) > 2 {
		lines = append([]string{lines[0], lines[len(lines)-1] + "x"}, lines[1:len(lines)-1]...)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// FuzzParse holds parse against net/http: what is plain is read as net/http reads
// it, to the same end.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"GET /conda/ana/main/noarch/repodata.json.zst HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n",
		"HEAD / HTTP/1.1\r\nhost: [::1]:8080\r\naccept:\r\nACCEPT: a, b \t\r\nConnection: Keep-Alive\r\n\r\n",
		"GET /a%2fb?c HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET //a/../b HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 3\r\nHost: a\r\n\r\nabc",
		"GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
		"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /:a;b=c&d HTTP/1.1\r\nhOST: a\r\ncookie: a=b\r\ncookie: c=d\r\nx-\x7f: y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end := bytes.Index(b, blank)
		if end < 0 {
			return
		}
		end += len(blank)
		var f fields
		got, ok := parse(b[:end], &f)
		header := http.Header{}
		f.fill(header, nil)
		for _, before := range []fields{fieldsOf(conda), fieldsOf(turned(b[:end])), fieldsOf(string(b[:end]))} { // what came before on the connection changes nothing
			again, same := parse(b[:end], &before)
			other := http.Header{}
			before.fill(other, make([]string, 1, 3))
			if same != ok || ok && (again != got || before.host != f.host || !reflect.DeepEqual(other, header)) {
				t.Fatalf("%q behind another request is %v %+v with %v; alone %v %+v with %v", b[:end], same, again, other, ok, got, header)
			}
		}
		if !ok {
			return
		}
		if !plainStart(b[:end]) {
			t.Fatalf("%q is plain and does not begin so", b[:end])
		}
		r := bufio.NewReader(bytes.NewReader(b))
		want, err := http.ReadRequest(r)
		if err != nil {
			t.Fatalf("%q is plain; net/http: %v", b[:end], err)
		}
		if n, err := want.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("%q has a body", b[:end])
		}
		if rest, _ := io.ReadAll(r); len(rest) != len(b)-end {
			t.Fatalf("%q ends %d bytes before the end, for net/http %d", b, len(b)-end, len(rest))
		}
		if got.method != want.Method || got.path != want.RequestURI || f.host != want.Host || want.Close || want.ContentLength != 0 {
			t.Fatalf("%q is %+v; net/http: %+v", b[:end], got, want)
		}
		if u := want.URL; u.Path != got.path || u.String() != got.path && !strings.HasPrefix(got.path, "//") || u.RawPath != "" || u.RawQuery != "" || u.ForceQuery {
			t.Fatalf("%q has the path %q; net/http: %#v", b[:end], got.path, u)
		}
		if !reflect.DeepEqual(header, want.Header) {
			t.Fatalf("%q has %v; net/http: %v", b[:end], header, want.Header)
		}
	})
}

// TestParse names what must be plain: what the clients of channels send.
func TestParse(t *testing.T) {
	var f fields
	for name, text := range map[string]string{
		"conda":   conda,
		"rattler": "GET /conda/ana/main/noarch/shards/0a.msgpack.zst HTTP/1.1\r\naccept: */*\r\nuser-agent: rattler\r\nauthorization: Bearer tm-user-abc\r\nhost: 127.0.0.1\r\n\r\n",
		"mamba":   "HEAD /conda/ana/label/dev/noarch/repodata.json.zst HTTP/1.1\r\nHost: a.example\r\nUser-Agent: mamba/2.3\r\nAccept: */*\r\n\r\n",
		"proxied": "GET /conda/a/b+c,d~e_f/noarch/repodata.json HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1, ::1\r\nX-Forwarded-For: 10.0.0.2\r\nTraceparent: 00-a-b-01\r\n\r\n",
	} {
		for as, text := range map[string]string{
			"as it is":             text,
			"with another path":    strings.Replace(text, "/conda/", "/conda/b/", 1),
			"from another program": strings.Replace(text, "\r\n\r\n", "\r\nX-Other: a\r\n\r\n", 1),
			"from another server":  strings.NewReplacer("\r\nHost: ", "\r\nHost: b", "\r\nhost: ", "\r\nhost: 2").Replace(text),
		} {
			h, ok := parse([]byte(text), &f)
			header := http.Header{}
			f.fill(header, nil)
			want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
			if err != nil {
				t.Fatal(err)
			}
			if !ok || h != (head{want.Method, want.URL.Path}) || f.host != want.Host || !reflect.DeepEqual(header, want.Header) {
				t.Errorf("%s %s: %v %+v %v", name, as, ok, h, slices.Sorted(maps.Keys(header)))
			}
		}
	}
}

// TestParseAgain looks that what comes again costs no memory but the first line.
func TestParseAgain(t *testing.T) {
	f := fieldsOf(conda)
	next := []byte(strings.Replace(conda, `"1-a"`, `"1-b"`, 1))
	header, values := http.Header{}, make([]string, 0, maxLines)
	other := false
	got := testing.AllocsPerRun(100, func() {
		text := next
		if other = !other; other {
			text = []byte(conda)
		}
		if _, ok := parse(text, &f); !ok {
			t.Fatal("it is not plain")
		}
		clear(header)
		f.fill(header, values)
	})
	if got > 3 { // the first line, the one that differs, and the test's own copy
		t.Errorf("a request whose headers differ in one line took %v pieces of memory", got)
	}
	if !slices.Equal(header["If-None-Match"], []string{`"1-b"`}) && !slices.Equal(header["If-None-Match"], []string{`"1-a"`}) {
		t.Errorf("If-None-Match is %q", header["If-None-Match"])
	}
}
