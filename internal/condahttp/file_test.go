package condahttp_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
)

const demo = "/conda/acme/noarch/demo-1.0-0.conda"

func TestFile(t *testing.T) {
	w := newWorld(t)
	want := condatest.Make(t, condatest.Spec{Name: "demo"})
	sum := sha256.Sum256(want)
	got := w.get(t, "", demo, "Accept-Encoding", "gzip, zstd")
	if got.Status != http.StatusOK || !bytes.Equal(got.Body, want) {
		t.Fatalf("%d with %d bytes, want the %d uploaded", got.Status, len(got.Body), len(want))
	}
	head := w.send(t, http.MethodHead, "", demo)
	for _, a := range []*apptest.Answer{got, head} {
		for name, value := range map[string]string{
			"ETag": `"` + hex.EncodeToString(sum[:]) + `"`, "Content-Length": strconv.Itoa(len(want)), "Accept-Ranges": "bytes",
			"Content-Encoding": "", "Content-Type": "application/octet-stream", "Vary": "Authorization", "Set-Cookie": "",
			"Cache-Control": "public, max-age=31536000, immutable",
		} {
			if a.Header.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", a.Method, name, a.Header.Get(name), value)
			}
		}
	}
	if len(head.Body) != 0 {
		t.Errorf("HEAD has a body of %d bytes", len(head.Body))
	}
	for _, path := range []string{"/conda/acme/linux-64/demo-1.0-0.conda", "/conda/acme/noarch/demo-1.0-0.tar.bz2", "/conda/acme/noarch/demo-1.0-0.conda/", "/conda/acme/noarch/demo-1.0-0.conda.sig", "/conda/acme/my-dev/noarch/demo-1.0-0.conda"} {
		w.Want(t, http.StatusNotFound, "GET", path, apptest.Request{})
	}
}

func TestRanges(t *testing.T) {
	w := newWorld(t)
	whole := w.get(t, "", demo).Body
	etag := w.get(t, "", demo).Header.Get("ETag")
	n := len(whole)
	for _, c := range []struct {
		ask         string
		header      []string
		want        int
		first, last int // of the bytes that are wanted
	}{
		{"bytes=0-", nil, 206, 0, n - 1},
		{"bytes=100-", nil, 206, 100, n - 1},
		{"bytes=100-199", nil, 206, 100, 199},
		{fmt.Sprintf("bytes=%d-", n-1), nil, 206, n - 1, n - 1},
		{fmt.Sprintf("bytes=10-%d", n+1000), nil, 206, 10, n - 1},
		{"bytes=-50", nil, 206, n - 50, n - 1},
		{"bytes=-10240", nil, 206, 0, n - 1}, // longer than the file
		{fmt.Sprintf("bytes=%d-", n), nil, 416, 0, 0},
		{fmt.Sprintf("bytes=%d-", n+7), nil, 416, 0, 0},
		{"bytes=20-", []string{"If-Range", etag}, 206, 20, n - 1},
		{"bytes=20-", []string{"If-Range", `"another"`}, 200, 0, n - 1},
		{"bytes=20-", []string{"If-None-Match", etag}, 304, 0, -1},
	} {
		if n > 10240 {
			t.Fatalf("the package has %d bytes; the suffix of the table is not longer", n)
		}
		got := w.get(t, "", demo, append(c.header, "Range", c.ask)...)
		if got.Status != c.want {
			t.Errorf("%s %v: %d, want %d", c.ask, c.header, got.Status, c.want)
			continue
		}
		contentRange := ""
		switch c.want {
		case http.StatusPartialContent:
			contentRange = fmt.Sprintf("bytes %d-%d/%d", c.first, c.last, n)
		case http.StatusRequestedRangeNotSatisfiable:
			contentRange = fmt.Sprintf("bytes */%d", n)
		}
		if got.Header.Get("Content-Range") != contentRange {
			t.Errorf("%s: Content-Range %q, want %q", c.ask, got.Header.Get("Content-Range"), contentRange)
		}
		if c.want != 416 && !bytes.Equal(got.Body, whole[c.first:c.last+1]) {
			t.Errorf("%s: %d bytes, want those from %d to %d", c.ask, len(got.Body), c.first, c.last)
		}
		if c.want == 416 && (got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("ETag") != etag || got.Header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: %v; want a problem document that is not kept, with the ETag of the file", c.ask, got.Header)
		}
	}
	got := w.get(t, "", demo, "Range", "bytes=0-9,100-119")
	_, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	if err != nil || got.Status != http.StatusPartialContent {
		t.Fatalf("two ranges: %d, %q, %v", got.Status, got.Header.Get("Content-Type"), err)
	}
	parts := multipart.NewReader(bytes.NewReader(got.Body), params["boundary"])
	for _, want := range [][]byte{whole[:10], whole[100:120]} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(p); err != nil || !bytes.Equal(b, want) {
			t.Errorf("a part has %d bytes, want %d (%v)", len(b), len(want), err)
		}
	}
	// The index takes ranges too, coded or not.
	for _, coding := range []string{"identity", "zstd"} {
		full := w.get(t, "", "/conda/acme/noarch/repodata.json", "Accept-Encoding", coding)
		part := w.get(t, "", "/conda/acme/noarch/repodata.json", "Accept-Encoding", coding, "Range", "bytes=5-24", "If-Range", full.Header.Get("ETag"))
		if part.Status != http.StatusPartialContent || !bytes.Equal(part.Body, full.Body[5:25]) || part.Header.Get("Content-Encoding") != full.Header.Get("Content-Encoding") {
			t.Errorf("a range of repodata.json as %s: %d, %d bytes, %v", coding, part.Status, len(part.Body), part.Header)
		}
	}
}

// Epochs and local versions hold characters that clients may encode.
func TestEncodedNames(t *testing.T) {
	w := newWorld(t)
	w.alice.Upload(t, "acme", condatest.Spec{Name: "demo", Version: "2!1.0+cuda.1"}, "")
	for _, name := range []string{"demo-2!1.0+cuda.1-0.conda", "demo-2%211.0%2Bcuda.1-0.conda", "demo-2%211.0+cuda.1-0.conda", "demo%2D2!1.0%2bcuda.1-0.conda"} {
		w.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/"+name, apptest.Request{})
		w.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/"+name, apptest.Request{Token: w.alice.Token, Via: apptest.Path})
	}
	w.Want(t, http.StatusNotFound, "GET", "/conda/acme/noarch/demo-2!1.0%20cuda.1-0.conda", apptest.Request{})
}

func TestDeletedAndWithdrawn(t *testing.T) {
	w := newWorld(t)
	actor := w.alice.Actor(t)
	const index = "/conda/acme/noarch/repodata.json"
	if _, err := w.Registry.Withdraw(t.Context(), actor, "acme", "demo", "1.0", "noarch/demo-1.0-0.conda", "It deletes homes."); err != nil {
		t.Fatal(err)
	}
	if got := w.get(t, "", index); bytes.Contains(got.Body, []byte("demo-1.0-0")) {
		t.Errorf("%s; it lists what was withdrawn", got)
	}
	w.Want(t, http.StatusOK, "GET", demo, apptest.Request{}) // lock files name it
	if _, err := w.Registry.DeleteFile(t.Context(), actor, "acme", "demo", "1.0", "noarch/demo-1.0-0.conda"); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w.Want(t, http.StatusGone, method, demo, apptest.Request{})
	}
	var p problem
	w.get(t, "", demo).JSON(t, &p)
	if !strings.Contains(p.Detail, "demo-1.0-0.conda was deleted from acme/main on ") || p.Reason != "deleted" {
		t.Errorf("%+v; want to be told that it was deleted", p)
	}
	// The name is free: other bytes under it are another file with another ETag.
	w.alice.Upload(t, "acme", condatest.Spec{Name: "demo", Summary: "other bytes"}, "")
	w.Want(t, http.StatusOK, "GET", demo, apptest.Request{})
}

func TestDownloadsAreCounted(t *testing.T) {
	w := newWorld(t)
	etag := w.get(t, "", demo).Header.Get("ETag")
	for _, c := range []struct {
		name   string
		method string
		header []string
		counts int64
	}{
		{"GET", http.MethodGet, nil, 1},
		{"with a token", http.MethodGet, []string{"Authorization", "token " + w.carol.Token}, 1},
		{"HEAD", http.MethodHead, nil, 0},
		{"from the first byte", http.MethodGet, []string{"Range", "bytes=0-"}, 1},
		{"the rest", http.MethodGet, []string{"Range", "bytes=100-"}, 0},
		{"the end", http.MethodGet, []string{"Range", "bytes=-100"}, 0},
		{"the rest of another file", http.MethodGet, []string{"Range", "bytes=100-", "If-Range", `"another"`}, 1},
		{"the rest of this file", http.MethodGet, []string{"Range", "bytes=100-", "If-Range", etag}, 0},
		{"known", http.MethodGet, []string{"If-None-Match", etag}, 0},
		{"known, weakly", http.MethodGet, []string{"If-None-Match", `"x", W/` + etag}, 0},
		{"another known", http.MethodGet, []string{"If-None-Match", `"x"`}, 1},
	} {
		before := w.downloads(t, "demo")
		w.send(t, c.method, "", demo, c.header...)
		if got := w.downloads(t, "demo") - before; got != c.counts {
			t.Errorf("%s counts %d, want %d", c.name, got, c.counts)
		}
	}
}

// capture notes what the handler gives to the connection to send.
type capture struct {
	*httptest.ResponseRecorder
	from io.Reader
}

// ReadFrom is what *http.response has, and where sendfile begins.
func (c *capture) ReadFrom(r io.Reader) (int64, error) {
	c.from = r
	return io.Copy(c.ResponseRecorder, r)
}

func TestSendfile(t *testing.T) {
	w := newWorld(t)
	handler, err := w.Handler("test")
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []http.Header{{}, {"Range": {"bytes=100-"}}} {
		c := &capture{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodGet, demo, nil)
		r.Header = header
		handler.ServeHTTP(c, r)
		part, ok := c.from.(*io.LimitedReader)
		if !ok {
			t.Fatalf("%v: the connection reads from a %T (status %d)", header, c.from, c.Code)
		}
		if _, ok := part.R.(*os.File); !ok {
			t.Errorf("%v: the bytes come from a %T, which the kernel cannot send by itself", header, part.R)
		}
	}
}

func TestRedirectToTheStore(t *testing.T) {
	w := newWorld(t, apptest.OnS3(), apptest.Setting("download_redirect", "true"))
	whole := condatest.Make(t, condatest.Spec{Name: "demo"})
	follow := func(a *apptest.Answer) *http.Response {
		t.Helper()
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.Status != http.StatusFound || to.Host == strings.TrimPrefix(w.Base, "http://") || to.Query().Get("X-Amz-Signature") == "" {
			t.Fatalf("%s, Location %q; want a signed address of the store", a, to)
		}
		if cc := a.Header.Get("Cache-Control"); cc != "no-store" {
			t.Errorf("%s: Cache-Control %q, though the address is good for minutes", a, cc)
		}
		if a.Header.Get("ETag") != "" {
			t.Errorf("%s has the ETag of the file", a)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	resp := follow(w.get(t, "", demo))
	if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(b, whole) {
		t.Errorf("the store sends %d bytes, want %d (%v)", len(b), len(whole), err)
	}
	if n := w.downloads(t, "demo"); n != 1 {
		t.Errorf("counted %d downloads, want 1", n)
	}
	follow(w.get(t, "", demo, "Range", "bytes=100-"))
	head := w.Want(t, http.StatusOK, "HEAD", demo, apptest.Request{})
	if head.Header.Get("Content-Length") != strconv.Itoa(len(whole)) {
		t.Errorf("HEAD says %s bytes", head.Header.Get("Content-Length"))
	}
	if n := w.downloads(t, "demo"); n != 1 {
		t.Errorf("counted %d downloads after a resumption and a HEAD, want 1", n)
	}
	follow(w.get(t, w.alice.Token, "/conda/acme/secret/noarch/in-secret-1.0-0.conda"))
	w.Want(t, http.StatusUnauthorized, "GET", "/conda/acme/secret/noarch/in-secret-1.0-0.conda", apptest.Request{})
	w.Want(t, http.StatusOK, "GET", "/conda/acme/noarch/repodata.json", apptest.Request{})
}

// Without the setting the bytes of S3 go through the program, ranges too.
func TestStreamedFromTheStore(t *testing.T) {
	w := newWorld(t, apptest.OnS3())
	whole := condatest.Make(t, condatest.Spec{Name: "demo"})
	got := w.Want(t, http.StatusOK, "GET", demo, apptest.Request{})
	part := w.get(t, "", demo, "Range", "bytes=-100")
	if !bytes.Equal(got.Body, whole) || part.Status != http.StatusPartialContent || !bytes.Equal(part.Body, whole[len(whole)-100:]) {
		t.Errorf("%d bytes and %d of the end (%d), want %d and 100", len(got.Body), len(part.Body), part.Status, len(whole))
	}
}

// TestRangeOfDocument: a range beyond a document is refused like one beyond a file.
func TestRangeOfDocument(t *testing.T) {
	w := newWorld(t)
	for _, path := range paths() {
		for _, coding := range codings(path) {
			etag := w.get(t, "", path, "Accept-Encoding", coding).Header.Get("ETag")
			got := w.get(t, "", path, "Range", "bytes=99999999-", "Accept-Encoding", coding)
			var p problem
			got.JSON(t, &p)
			if got.Status != http.StatusRequestedRangeNotSatisfiable || p.Status != got.Status || p.Detail == "" || p.Reason != "range" {
				t.Errorf("%s: want a problem document of 416", got)
			}
			if h := got.Header; h.Get("ETag") != etag || !strings.HasPrefix(h.Get("Content-Range"), "bytes */") || h.Get("Content-Encoding") != "" {
				t.Errorf("%s as %s: %v; want the ETag %s and Content-Range", path, coding, h, etag)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodPatch} {
		got := w.Want(t, http.StatusMethodNotAllowed, method, demo, apptest.Request{Token: w.alice.Token})
		if allow := got.Header.Get("Allow"); allow != "GET, HEAD" {
			t.Errorf("%s: Allow %q", got, allow)
		}
		if kind := got.Header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s: it is %s", got, kind)
		}
	}
}
