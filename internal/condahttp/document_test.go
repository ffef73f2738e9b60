package condahttp_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

// documents are the index documents of a subdir.
var documents = []string{
	"repodata.json", "repodata.json.zst", "current_repodata.json", "current_repodata.json.zst",
	"run_exports.json", "run_exports.json.zst", "repodata_shards.msgpack.zst",
}

// paths are all documents of acme: of its subdirs and of the channel.
func paths() []string {
	list := []string{"/conda/acme/channeldata.json", "/conda/acme/rss.xml"}
	for _, subdir := range []string{"noarch", "linux-64"} {
		for _, name := range documents {
			list = append(list, "/conda/acme/"+subdir+"/"+name)
		}
	}
	return list
}

// codings are the ways in which a client may ask for a path: as mamba and conda
// 26 accept zstd, and as others do.
func codings(path string) []string {
	if strings.HasSuffix(path, "/repodata.json") {
		return []string{"identity", "deflate, gzip, br, zstd"}
	}
	return []string{"identity"}
}

func unzstd(t *testing.T, b []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out, err := d.DecodeAll(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDocumentHeaders(t *testing.T) {
	w := newWorld(t)
	seen := map[string]string{} // ETag -> what has it
	for _, path := range paths() {
		for _, coding := range codings(path) {
			what := path + " as " + coding
			got := w.get(t, "", path, "Accept-Encoding", coding)
			h := got.Header
			etag := h.Get("ETag")
			if got.Status != http.StatusOK || len(etag) < 3 || !strings.HasPrefix(etag, `"`) || !strings.HasSuffix(etag, `"`) {
				t.Errorf("%s: %d with the ETag %q; want 200 and a strong one", what, got.Status, etag)
			}
			if other, ok := seen[etag]; ok {
				t.Errorf("%s has the ETag of %s: %s", what, other, etag)
			}
			seen[etag] = what
			want := map[string]string{
				"Content-Length": strconv.Itoa(len(got.Body)), "Accept-Ranges": "bytes", "Set-Cookie": "", "Content-Encoding": "",
				"Vary": "Authorization, Accept-Encoding", "Cache-Control": "public, max-age=0, must-revalidate",
				"Content-Type": map[string]string{"json": "application/json", "zst": "application/zstd", "xml": "application/rss+xml"}[path[strings.LastIndexByte(path, '.')+1:]],
			}
			if coding != "identity" {
				want["Content-Encoding"] = "zstd"
			}
			for name, value := range want {
				if h.Get(name) != value {
					t.Errorf("%s: %s is %q, want %q", what, name, h.Get(name), value)
				}
			}
			if _, err := http.ParseTime(h.Get("Last-Modified")); err != nil {
				t.Errorf("%s: Last-Modified %q: %v", what, h.Get("Last-Modified"), err)
			}
			head := w.send(t, http.MethodHead, "", path, "Accept-Encoding", coding)
			if strings.Contains(path, "shards") {
				if head.Status != http.StatusNotFound {
					t.Errorf("%s; want 404, so that mamba takes repodata", head)
				}
				continue
			}
			for _, name := range []string{"Date", "X-Request-Id"} {
				h.Del(name)
				head.Header.Del(name)
			}
			if head.Status != http.StatusOK || len(head.Body) != 0 || fmt.Sprint(head.Header) != fmt.Sprint(h) {
				t.Errorf("HEAD of %s: %d %v, want the headers of GET, %v", what, head.Status, head.Header, h)
			}
		}
	}
	for _, name := range []string{"repodata.json.bz2", "repodata.json.jlap", "patch_instructions.json", "repodata_from_packages.json", "channeldata.json.zst"} {
		if got := w.get(t, "", "/conda/acme/noarch/"+name); got.Status != http.StatusNotFound {
			t.Errorf("%s; want 404 for what is optional and not made", got)
		}
	}
}

func TestDocumentCodings(t *testing.T) {
	w := newWorld(t)
	const path = "/conda/acme/noarch/repodata.json"
	plain := w.get(t, "", path, "Accept-Encoding", "identity")
	for _, c := range []struct {
		accept string
		coded  bool
	}{
		{"", false},
		{"identity", false},
		{"gzip, deflate, br", false},
		{"zstd", true},
		{"gzip, zstd;q=0.5", true},
		{"gzip;q=1.0, ZSTD; q=1", true},
		{"zstd;q=0", false},
		{"zstd; q=0.000, gzip", false},
		{"zstandard", false},
	} {
		got := w.get(t, "", path, "Accept-Encoding", c.accept)
		coded := got.Header.Get("Content-Encoding") == "zstd"
		if coded != c.coded {
			t.Errorf("Accept-Encoding %q: coded %v, want %v", c.accept, coded, c.coded)
			continue
		}
		body := got.Body
		if coded {
			body = unzstd(t, body)
		}
		if !bytes.Equal(body, plain.Body) {
			t.Errorf("Accept-Encoding %q: %d bytes, want the %d of repodata.json", c.accept, len(body), len(plain.Body))
		}
	}
	for _, name := range documents {
		if !strings.HasSuffix(name, ".json.zst") {
			continue
		}
		packed := w.get(t, "", "/conda/acme/noarch/"+name, "Accept-Encoding", "gzip, zstd")
		json := w.get(t, "", "/conda/acme/noarch/"+strings.TrimSuffix(name, ".zst"))
		if packed.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s is coded a second time", name)
		}
		if !bytes.Equal(unzstd(t, packed.Body), json.Body) {
			t.Errorf("%s holds other bytes than the .json", name)
		}
	}
}

func TestRevalidation(t *testing.T) {
	w := newWorld(t)
	all := append(paths(), "/conda/acme/noarch/demo-1.0-0.conda")
	index, err := repodata.DecodeShardIndex(w.get(t, "", "/conda/acme/noarch/repodata_shards.msgpack.zst").Body)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, "/conda/acme/noarch/shards/"+repodata.ShardFileName(index.Hashes[0]))
	for _, path := range all {
		for _, coding := range codings(path) {
			full := w.get(t, "", path, "Accept-Encoding", coding)
			etag := full.Header.Get("ETag")
			for _, c := range []struct {
				name   string
				header []string
				want   int
			}{
				{"the same", []string{"If-None-Match", etag}, 304},
				{"one of a list", []string{"If-None-Match", `"a", ` + etag + `, "b"`}, 304},
				{"weakened on the way", []string{"If-None-Match", "W/" + etag}, 304},
				{"anything", []string{"If-None-Match", "*"}, 304},
				{"another", []string{"If-None-Match", `"another"`}, 200},
				{"another, and not modified", []string{"If-None-Match", `"another"`, "If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, 200},
				{"not modified alone", []string{"If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, 200},
			} {
				got := w.get(t, "", path, append(c.header, "Accept-Encoding", coding)...)
				if got.Status != c.want || got.Header.Get("ETag") != etag || got.Header.Get("Cache-Control") != full.Header.Get("Cache-Control") || got.Header.Get("Vary") != full.Header.Get("Vary") {
					t.Errorf("%s as %s, %s: %d %v; want %d and the headers of the first answer", path, coding, c.name, got.Status, got.Header, c.want)
				}
				if want := full.Body; c.want == 200 && !bytes.Equal(got.Body, want) || c.want == 304 && len(got.Body) > 0 {
					t.Errorf("%s as %s, %s: a body of %d bytes", path, coding, c.name, len(got.Body))
				}
			}
			if got := w.get(t, "", path, "If-Match", `"another"`, "Accept-Encoding", coding); got.Status != http.StatusPreconditionFailed {
				t.Errorf("%s as %s, If-Match of another: %d, want 412", path, coding, got.Status)
			}
		}
	}
	// No validator of one form is good for another: conda and mamba send them across.
	for _, path := range paths() {
		for _, other := range paths() {
			if path != other {
				w.Want(t, http.StatusOK, "GET", other, apptest.Request{Header: map[string]string{"If-None-Match": w.get(t, "", path).Header.Get("ETag")}})
			}
		}
	}
}

// The same rows give the same bytes and validators, whoever makes the documents.
func TestSameAfterRestart(t *testing.T) {
	w := newWorld(t)
	before := map[string]*apptest.Answer{}
	for _, path := range paths() {
		before[path] = w.get(t, "", path)
	}
	w.Restart()
	for path, was := range before {
		is := w.get(t, "", path)
		for _, name := range []string{"ETag", "Last-Modified"} {
			if is.Header.Get(name) != was.Header.Get(name) {
				t.Errorf("%s: the %s was %s and is %s", path, name, was.Header.Get(name), is.Header.Get(name))
			}
		}
		if !bytes.Equal(is.Body, was.Body) {
			t.Errorf("%s has other bytes after a restart", path)
		}
	}
	w.alice.Upload(t, "acme", condatest.Spec{Name: "demo", Version: "2.0"}, "")
	for path, was := range before {
		is := w.get(t, "", path, "If-None-Match", was.Header.Get("ETag"))
		if want := http.StatusOK; strings.Contains(path, "linux-64") {
			if is.Status != http.StatusNotModified {
				t.Errorf("%s; want 304, since only noarch changed", is)
			}
		} else if is.Status != want {
			t.Errorf("%s; want %d after an upload to noarch", is, want)
		}
	}
}

func TestCacheControl(t *testing.T) {
	w := newWorld(t, apptest.Setting("index_max_age", "90s"))
	for path, want := range map[string]string{
		"/conda/acme/noarch/repodata.json":                "public, max-age=90, must-revalidate",
		"/conda/acme/noarch/repodata_shards.msgpack.zst":  "public, max-age=90, must-revalidate",
		"/conda/acme/channeldata.json":                    "public, max-age=90, must-revalidate",
		"/conda/acme/noarch/demo-1.0-0.conda":             "public, max-age=31536000, immutable",
		"/conda/acme/secret/noarch/repodata.json":         "max-age=0, must-revalidate",
		"/conda/acme/inner/noarch/repodata.json.zst":      "max-age=0, must-revalidate",
		"/conda/acme/secret/noarch/in-secret-1.0-0.conda": "private, max-age=31536000, immutable",
		"/conda/half/noarch/repodata.json":                "max-age=0, must-revalidate", // not the same for everybody
		"/conda/half/noarch/open-1.0-0.conda":             "private, max-age=31536000, immutable",
		"/conda/main/noarch/repodata.json":                "max-age=0, must-revalidate",
	} {
		got := w.Want(t, http.StatusOK, "GET", path, apptest.Request{Token: w.alice.Token})
		if cc := got.Header.Get("Cache-Control"); cc != want {
			t.Errorf("%s: Cache-Control %q, want %q", path, cc, want)
		}
		if vary := got.Header.Get("Vary"); !strings.HasPrefix(vary, "Authorization") {
			t.Errorf("%s: Vary %q", path, vary)
		}
	}
	// What callers see differs, and so do the validators.
	all, public := w.get(t, w.alice.Token, "/conda/half/noarch/repodata.json"), w.get(t, "", "/conda/half/noarch/repodata.json")
	if all.Header.Get("ETag") == public.Header.Get("ETag") || !bytes.Contains(all.Body, []byte("shut-1.0")) || bytes.Contains(public.Body, []byte("shut-1.0")) {
		t.Errorf("%s\n%s\nwant the private package, and another ETag, in the first alone", all, public)
	}
}

func TestShards(t *testing.T) {
	w := newWorld(t)
	shards := func() map[string]string {
		index, err := repodata.DecodeShardIndex(w.get(t, "", "/conda/acme/noarch/repodata_shards.msgpack.zst").Body)
		if err != nil {
			t.Fatal(err)
		}
		if index.Info.Subdir != "noarch" || index.Info.ShardsBaseURL != "./shards/" {
			t.Errorf("the index says %+v", index.Info)
		}
		urls := map[string]string{}
		for i, name := range index.Names {
			urls[name] = "/conda/acme/noarch/shards/" + repodata.ShardFileName(index.Hashes[i])
		}
		return urls
	}
	check := func(path string, files ...string) {
		t.Helper()
		got := w.Want(t, http.StatusOK, "GET", path, apptest.Request{Header: map[string]string{"Accept-Encoding": "gzip, zstd"}})
		sum := sha256.Sum256(got.Body)
		if name := hex.EncodeToString(sum[:]); !strings.Contains(path, name) || got.Header.Get("ETag") != `"`+name+`"` {
			t.Errorf("%s has the bytes of %s and the ETag %s", path, name, got.Header.Get("ETag"))
		}
		for name, want := range map[string]string{
			"Cache-Control": "public, max-age=31536000, immutable", "Content-Type": "application/zstd", "Content-Encoding": "", "Content-Length": strconv.Itoa(len(got.Body)),
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got.Header.Get(name), want)
			}
		}
		s, err := repodata.DecodeShard(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range s.Files {
			names = append(names, f.FileName)
		}
		slices.Sort(names)
		if !slices.Equal(names, files) {
			t.Errorf("%s holds %v, want %v", path, names, files)
		}
	}
	old := shards()["demo"]
	check(old, "demo-1.0-0.conda")
	w.alice.Upload(t, "acme", condatest.Spec{Name: "demo", Version: "2.0"}, "")
	check(shards()["demo"], "demo-1.0-0.conda", "demo-2.0-0.conda")
	check(old, "demo-1.0-0.conda") // clients with the index of before come for it
	w.Restart()
	check(old, "demo-1.0-0.conda")

	file := old[strings.LastIndexByte(old, '/')+1:]
	for _, path := range []string{
		"/conda/acme/noarch/shards/" + strings.Repeat("0", 64) + ".msgpack.zst",
		"/conda/acme/noarch/shards/" + strings.ToUpper(file[:64]) + ".msgpack.zst",
		"/conda/acme/noarch/shards/" + file[:64],
		"/conda/acme/noarch/shards/x/" + file,
		"/conda/acme/linux-64/shards/" + file,
		"/conda/acme/my-dev/noarch/shards/" + file,
	} {
		w.Want(t, http.StatusNotFound, "GET", path, apptest.Request{})
	}
	// A shard of a private package is known to those alone who may see it.
	index, err := repodata.DecodeShardIndex(w.get(t, w.alice.Token, "/conda/half/noarch/repodata_shards.msgpack.zst").Body)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.Index(index.Names, "shut")
	if i < 0 {
		t.Fatalf("the owner sees %v", index.Names)
	}
	path := "/conda/half/noarch/shards/" + repodata.ShardFileName(index.Hashes[i])
	w.Want(t, http.StatusOK, "GET", path, apptest.Request{Token: w.alice.Token})
	w.Want(t, http.StatusNotFound, "GET", path, apptest.Request{})
}

func TestEmptyChannel(t *testing.T) {
	w := newWorld(t)
	for _, channel := range []string{"carol", "acme/none-yet"} {
		if owner, name, ok := strings.Cut(channel, "/"); ok {
			if _, err := w.Registry.CreateChannel(t.Context(), w.alice.Actor(t), owner, registry.NewChannel{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range documents {
			w.Want(t, http.StatusOK, "GET", "/conda/"+channel+"/noarch/"+name, apptest.Request{})
			if got := w.get(t, "", "/conda/"+channel+"/linux-64/"+name); got.Status != http.StatusNotFound {
				t.Errorf("%s; want 404, which clients take as an empty subdir", got)
			}
		}
		var doc struct {
			Info struct {
				Subdir string `json:"subdir"`
			} `json:"info"`
			Packages      map[string]any `json:"packages"`
			PackagesConda map[string]any `json:"packages.conda"`
			Version       int            `json:"repodata_version"`
		}
		got := w.get(t, "", "/conda/"+channel+"/noarch/repodata.json")
		got.JSON(t, &doc)
		if doc.Info.Subdir != "noarch" || doc.Packages == nil || doc.PackagesConda == nil || doc.Version != 1 {
			t.Errorf("%s; want the groups, empty", got)
		}
	}
}

func TestLabelsAndChannels(t *testing.T) {
	w := newWorld(t)
	for path, has := range map[string]string{
		"/conda/acme":                    "demo",
		"/conda/acme/main":               "demo",
		"/conda/acme/label/main":         "demo",
		"/conda/ACME/Main":               "demo",
		"/conda/acme/my-dev":             "in-my-dev",
		"/conda/acme/label/my-dev":       "in-my-dev",
		"/conda/acme/rel/y2026/q1":       "in-rel-y2026-q1",
		"/conda/acme/label/rel/y2026/q1": "in-rel-y2026-q1",
		"/conda/acme/rel%2Fy2026%2Fq1":   "in-rel-y2026-q1",
	} {
		repo := w.Want(t, http.StatusOK, "GET", path+"/noarch/repodata.json", apptest.Request{})
		data := w.Want(t, http.StatusOK, "GET", path+"/channeldata.json", apptest.Request{})
		feed := w.Want(t, http.StatusOK, "GET", path+"/rss.xml", apptest.Request{})
		for _, got := range []*apptest.Answer{repo, data, feed} {
			if !bytes.Contains(got.Body, []byte(has)) || has != "demo" && bytes.Contains(got.Body, []byte("demo")) {
				t.Errorf("%s; want %s alone", got, has)
			}
		}
		w.Want(t, http.StatusOK, "GET", path+"/noarch/"+has+"-1.0-0.conda", apptest.Request{})
		w.Want(t, http.StatusOK, "GET", path+"/notices.json", apptest.Request{})
		w.Want(t, http.StatusNotFound, "GET", path+"/noarch/of-nowhere-1.0-0.conda", apptest.Request{})
		w.Want(t, http.StatusOK, "GET", path+"/noarch", apptest.Request{})
	}
}

func TestNotices(t *testing.T) {
	w := newWorld(t)
	actor := w.alice.Actor(t)
	n, err := w.Registry.CreateNotice(t.Context(), actor, "acme", registry.NewNotice{Message: "Moved to another host soon.", Level: "warning"})
	if err != nil {
		t.Fatal(err)
	}
	type document struct {
		Notices []struct {
			ID        string    `json:"id"`
			Message   string    `json:"message"`
			Level     string    `json:"level"`
			CreatedAt time.Time `json:"created_at"`
		} `json:"notices"`
	}
	read := func(path string) (d document) {
		t.Helper()
		w.Want(t, http.StatusOK, "GET", path, apptest.Request{}).JSON(t, &d)
		return d
	}
	if d := read("/conda/acme/notices.json"); d.Notices == nil || len(d.Notices) != 0 {
		t.Errorf("a draft is shown: %+v", d)
	}
	published := registry.NoticePublished
	if _, err := w.Registry.UpdateNotice(t.Context(), actor, "acme", n.ID, registry.NoticeUpdate{Status: &published}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/conda/acme/notices.json", "/conda/acme/my-dev/notices.json", "/conda/acme/at/0/notices.json"} {
		d := read(path)
		if len(d.Notices) != 1 || d.Notices[0].ID != n.ID || d.Notices[0].Message != n.Message || d.Notices[0].Level != "warning" || d.Notices[0].CreatedAt.IsZero() {
			t.Errorf("%s: %+v, want the notice", path, d)
		}
	}
	w.Want(t, http.StatusNotFound, "GET", "/conda/acme/secret/notices.json", apptest.Request{})
	w.Want(t, http.StatusOK, "GET", "/conda/acme/secret/notices.json", apptest.Request{Token: w.alice.Token})
}

// The channel as it was, by generation and by time.
func TestPast(t *testing.T) {
	w := newWorld(t)
	day := w.Clock.Now().UTC().Format(time.DateOnly)
	w.Clock.Pass(48 * time.Hour)
	w.alice.Upload(t, "acme", condatest.Spec{Name: "later"}, "")
	actor := w.alice.Actor(t)
	if _, err := w.Registry.DeleteFile(t.Context(), actor, "acme", "demo", "1.0", "noarch/demo-1.0-0.conda"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at          string
		demo, later bool
	}{
		{"/at/0", false, false},
		{"/at/1", true, false},
		{"/at/3", true, true},
		{"/at/4", false, true},
		{"/at/" + day, true, false},
		{"/main/at/" + day, true, false},
		{"/label/main/at/" + w.Clock.Now().UTC().Format(time.RFC3339Nano), false, true},
		{"/at/2020-01-01", false, false},
	} {
		for name, mark := range map[string]string{"/noarch/repodata.json": `"`, "/channeldata.json": `"`, "/rss.xml": "<title>"} {
			got := w.Want(t, http.StatusOK, "GET", "/conda/acme"+c.at+name, apptest.Request{})
			demo, later := bytes.Contains(got.Body, []byte(mark+"demo")), bytes.Contains(got.Body, []byte(mark+"later"))
			if later != c.later || demo != c.demo {
				t.Errorf("%s: demo %v, later %v; want %v, %v", got, demo, later, c.demo, c.later)
			}
		}
		file := w.get(t, "", "/conda/acme"+c.at+"/noarch/demo-1.0-0.conda")
		if (file.Status == http.StatusOK) != c.demo {
			t.Errorf("%s at %s; the index lists it: %v", file, c.at, c.demo)
		}
	}
	for _, at := range []string{"99", "yesterday", "2026-13-01", "-1", "99999999999999999999"} {
		for _, name := range []string{"/noarch/repodata.json", "/channeldata.json", "/rss.xml", "/notices.json", "/terms.json"} {
			w.Want(t, http.StatusNotFound, "GET", "/conda/acme/at/"+at+name, apptest.Request{})
		}
	}
	// The validator of the past is not that of the present.
	then, now := w.get(t, "", "/conda/acme/at/3/rss.xml"), w.get(t, "", "/conda/acme/rss.xml")
	if then.Header.Get("ETag") == now.Header.Get("ETag") || bytes.Equal(then.Body, now.Body) {
		t.Errorf("the feed of generation 3 is the present one: %s", then)
	}
	w.Want(t, http.StatusUnauthorized, "GET", "/conda/acme/secret/at/1/noarch/repodata.json", apptest.Request{})
	w.Want(t, http.StatusOK, "GET", "/conda/acme/secret/at/1/noarch/repodata.json", apptest.Request{Token: w.alice.Token})
}
