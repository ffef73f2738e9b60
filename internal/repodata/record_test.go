package repodata_test

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

const (
	md5Hex    = "00112233445566778899aabbccddeeff"
	sha256Hex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func fullRecord() conda.Record {
	return conda.Record{
		Name: "foo", Version: "1.2", Build: "py_0", BuildNumber: 3, Subdir: "noarch",
		Depends: []string{"python >=3.8", "bar"}, Constrains: []string{"baz <2"}, Noarch: "python",
		License: "MIT", LicenseFamily: "MIT", Timestamp: 1700000000123, TrackFeatures: "a b", Features: "c",
		PythonSitePackagesPath: "lib/python", MD5: md5Hex, SHA256: sha256Hex, Size: 70000, IndexedTimestamp: 1700000001000,
		SchemaVersion: 1, Flags: []string{"x"}, ExtraDepends: map[string][]string{"test": {"pytest"}, "doc": {"sphinx"}},
		RunExports: &conda.RunExports{Weak: []string{"foo >=1"}, Strong: []string{"libfoo"}},
		Extra: map[string]jsontext.Value{
			"aaa":   jsontext.Value(`{"z": 1, "a": [-1, 2.5, true, null, "\u00e9"]}`),
			"purls": jsontext.Value(`["pkg:pypi/foo"]`),
			"zzz":   jsontext.Value(`300`),
		},
	}
}

func TestEncodeRecord(t *testing.T) {
	full, err := repodata.EncodeRecord(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	wantJSON := `{"aaa":{"a":[-1,2.5,true,null,"é"],"z":1},"build":"py_0","build_number":3,"constrains":["baz <2"],"depends":["python >=3.8","bar"],` +
		`"extra_depends":{"doc":["sphinx"],"test":["pytest"]},"features":"c","flags":["x"],"indexed_timestamp":1700000001000,"license":"MIT","license_family":"MIT",` +
		`"md5":"` + md5Hex + `","name":"foo","noarch":"python","purls":["pkg:pypi/foo"],"python_site_packages_path":"lib/python","schema_version":1,"sha256":"` + sha256Hex + `",` +
		`"size":70000,"subdir":"noarch","timestamp":1700000000123,"track_features":"a b","version":"1.2","zzz":300}`
	if got := string(full.JSON); got != wantJSON {
		t.Errorf("JSON differs:\n%s", cmp.Diff(wantJSON, got))
	}
	if got, want := string(full.RunExports), `{"strong":["libfoo"],"weak":["foo >=1"]}`; got != want {
		t.Errorf("run exports %s, want %s", got, want)
	}
	got, rest, err := msgp.ReadMapStrIntfBytes(full.Msgpack, nil)
	if err != nil || len(rest) > 0 {
		t.Fatalf("msgpack: %v, %d bytes left", err, len(rest))
	}
	if md5, ok := got["md5"].([]byte); !ok || len(md5) != 16 {
		t.Errorf("md5 in msgpack is %T %v, want 16 bytes of bin", got["md5"], got["md5"])
	}
	if sum, ok := got["sha256"].([]byte); !ok || len(sum) != 32 {
		t.Errorf("sha256 in msgpack is %T, want 32 bytes of bin", got["sha256"])
	}
	if want := map[string]any{"strong": []any{"libfoo"}, "weak": []any{"foo >=1"}}; !cmp.Equal(got["run_exports"], any(want)) {
		t.Errorf("run_exports in msgpack is %v", got["run_exports"])
	}
	if keys := msgpackKeys(t, full.Msgpack); !slices.IsSorted(keys) {
		t.Errorf("msgpack keys %v are not sorted", keys)
	}
}

func TestEncodeRecordLeast(t *testing.T) {
	r := conda.Record{Name: "foo", Version: "1", Build: "0"}
	e, err := repodata.EncodeRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(e.JSON), `{"build":"0","build_number":0,"depends":[],"name":"foo","version":"1"}`; got != want {
		t.Errorf("JSON %s, want %s", got, want)
	}
	if e.RunExports != nil {
		t.Errorf("unknown run exports are %s, want nil", e.RunExports)
	}
	if keys := msgpackKeys(t, e.Msgpack); len(keys) != 5 {
		t.Errorf("msgpack has %v; unknown run exports must be absent", keys)
	}
	r.RunExports = &conda.RunExports{}
	if e, err = repodata.EncodeRecord(r); err != nil {
		t.Fatal(err)
	}
	if string(e.RunExports) != "{}" {
		t.Errorf("no run exports are %s, want {}", e.RunExports)
	}
	m, _, err := msgp.ReadMapStrIntfBytes(e.Msgpack, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := m["run_exports"].(map[string]any); !ok || len(v) != 0 {
		t.Errorf("no run exports in msgpack are %v, want an empty map", m["run_exports"])
	}
}

func TestEncodeRecordRefuses(t *testing.T) {
	base := conda.Record{Name: "foo", Version: "1", Build: "0"}
	tests := map[string]func(r *conda.Record){
		"hash":          func(r *conda.Record) { r.MD5 = "xyz" },
		"short hash":    func(r *conda.Record) { r.SHA256 = md5Hex },
		"utf-8":         func(r *conda.Record) { r.License = "\xff" },
		"extra twice":   func(r *conda.Record) { r.Extra = map[string]jsontext.Value{"name": jsontext.Value(`"x"`)} },
		"hidden extra":  func(r *conda.Record) { r.Extra = map[string]jsontext.Value{"md5": jsontext.Value(`"x"`)} },
		"extra exports": func(r *conda.Record) { r.Extra = map[string]jsontext.Value{"run_exports": jsontext.Value(`{}`)} },
		"extra broken":  func(r *conda.Record) { r.Extra = map[string]jsontext.Value{"x": jsontext.Value(`{`)} },
		"extra number":  func(r *conda.Record) { r.Extra = map[string]jsontext.Value{"x": jsontext.Value(`1e999`)} },
		"extra deep": func(r *conda.Record) {
			r.Extra = map[string]jsontext.Value{"x": jsontext.Value(strings.Repeat("[", 80) + strings.Repeat("]", 80))}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := base
			change(&r)
			if e, err := repodata.EncodeRecord(r); !errs.Is(err, errs.Invalid) {
				t.Fatalf("got %s, %v; want errs.Invalid", e.JSON, err)
			}
		})
	}
}

func TestTranscodeBothWays(t *testing.T) {
	want := fullRecord()
	e, err := repodata.EncodeRecord(want)
	if err != nil {
		t.Fatal(err)
	}
	r, again, err := repodata.TranscodeMsgpack("foo-1.2-py_0.conda", e.Msgpack)
	if err != nil {
		t.Fatal(err)
	}
	sameRecord(t, want, r)
	if diff := cmp.Diff(e, again); diff != "" {
		t.Errorf("msgpack → record → forms:\n%s", diff)
	}
	r, again, err = repodata.TranscodeRecord("foo-1.2-py_0.tar.bz2", e.JSON)
	if err != nil {
		t.Fatal(err)
	}
	want.RunExports = nil // repodata.json does not carry them
	sameRecord(t, want, r)
	if !bytes.Equal(e.JSON, again.JSON) {
		t.Errorf("JSON → record → JSON:\n%s", cmp.Diff(string(e.JSON), string(again.JSON)))
	}
}

func TestTranscodeRecordRefuses(t *testing.T) {
	ok := `{"name":"foo","version":"1","build":"0","build_number":0,"depends":[]}`
	tests := []struct{ name, fileName, raw string }{
		{"another name", "bar-1-0.conda", ok},
		{"another build", "foo-1-1.conda", ok},
		{"extension", "foo-1-0.zip", ok},
		{"no extension", "foo-1-0", ok},
		{"not an object", "foo-1-0.conda", `[]`},
		{"cut off", "foo-1-0.conda", ok[:20]},
		{"more", "foo-1-0.conda", ok + `{}`},
		{"no name", "foo-1-0.conda", `{"version":"1","build":"0"}`},
		{"twice", "foo-1-0.conda", `{"name":"foo","name":"foo","version":"1","build":"0"}`},
		{"hash", "foo-1-0.conda", `{"name":"foo","version":"1","build":"0","md5":"zz"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := repodata.TranscodeRecord(tt.fileName, []byte(tt.raw)); !errs.Is(err, errs.Invalid) {
				t.Fatalf("error %v, want errs.Invalid", err)
			}
		})
	}
	if _, _, err := repodata.TranscodeRecord("foo-1-0.conda", []byte(ok)); err != nil {
		t.Fatal(err)
	}
}

// sharedRepodata gives a document of the shared test data.
func sharedRepodata(t testing.TB, name string) []byte {
	t.Helper()
	root := os.Getenv("TERRARIUM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "testdata")
	}
	if _, err := os.Stat(root); err != nil {
		t.Skip("../shared/testdata is not here")
	}
	b, err := os.ReadFile(filepath.Join(root, "repodata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// realRecords gives the records of all shared documents.
func realRecords(t testing.TB) map[string]jsontext.Value {
	t.Helper()
	all := map[string]jsontext.Value{}
	for _, name := range []string{"conda-main-noarch.repodata.json", "conda-r-linux-64.repodata.json"} {
		if _, err := repodata.ReadRecords(bytes.NewReader(sharedRepodata(t, name)), func(fn string, raw jsontext.Value) error {
			all[fn] = raw.Clone()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var flat map[string]jsontext.Value // file name → record, without groups
	if err := json.Unmarshal(sharedRepodata(t, "conda-tests-index2.json"), &flat); err != nil {
		t.Fatal(err)
	}
	for fn, raw := range flat {
		all[fn] = raw
	}
	return all
}

// builderKeys describe the machine that built; conda-index drops them too, and
// what only the server that wrote them can mean.
var builderKeys = []string{
	"arch", "platform", "has_prefix", "mtime", "ucs", "requires_features", "binstar",
	"target-triplet", "machine", "operatingsystem", "fn", "url", "channel", "schannel",
}

// TestRealRecords takes every real record through every form: what a client
// reads must be what the upstream said.
func TestRealRecords(t *testing.T) {
	records := realRecords(t)
	if len(records) < 5000 {
		t.Fatalf("%d records", len(records))
	}
	for fn, raw := range records {
		r, e, err := repodata.TranscodeRecord(fn, raw)
		if err != nil {
			t.Fatalf("%s: %v", fn, err)
		}
		slow, err := conda.ParseRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		sameRecord(t, slow, r)
		back, _, err := repodata.TranscodeMsgpack(fn, e.Msgpack)
		if err != nil {
			t.Fatalf("%s: %v", fn, err)
		}
		sameRecord(t, slow, back)

		var got, want map[string]any
		if err := json.Unmarshal(e.JSON, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		for key, v := range want {
			switch {
			case slices.Contains(builderKeys, key):
				delete(want, key)
			case v == nil || v == "":
				delete(want, key)
			case key == "timestamp" && v.(float64) < 253402300799:
				want[key] = v.(float64) * 1000
			}
		}
		if got["depends"] != nil && want["depends"] == nil {
			want["depends"] = []any{}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s (-upstream +ours):\n%s", fn, diff)
		}
	}
}

// sameRecord compares two records; nil and empty lists are the same.
func sameRecord(t testing.TB, want, got conda.Record) {
	t.Helper()
	canonical := cmp.Transformer("json", func(v jsontext.Value) string {
		var x any
		if err := json.Unmarshal(v, &x); err != nil {
			return string(v)
		}
		b, err := json.Marshal(x, json.Deterministic(true))
		if err != nil {
			return err.Error()
		}
		return string(b)
	})
	if diff := cmp.Diff(want, got, canonical, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("record differs (-want +got):\n%s", diff)
	}
}

func msgpackKeys(t testing.TB, b []byte) []string {
	t.Helper()
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for range n {
		var key string
		if key, b, err = msgp.ReadStringBytes(b); err != nil {
			t.Fatal(err)
		}
		if b, err = msgp.Skip(b); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// TestRealDocument takes all real records as an index would: cut into pieces
// by name, spliced, and read back from the compressed form.
func TestRealDocument(t *testing.T) {
	records := realRecords(t)
	texts := map[string]map[string][]byte{} // name → file → JSON
	for fn, raw := range records {
		r, e, err := repodata.TranscodeRecord(fn, raw)
		if err != nil {
			t.Fatal(err)
		}
		if texts[r.Name] == nil {
			texts[r.Name] = map[string][]byte{}
		}
		texts[r.Name][fn] = e.JSON
	}
	var names []repodata.NameSize
	for name, files := range texts {
		n := repodata.NameSize{Name: name}
		for fn, text := range files {
			n.Size += repodata.EntrySize(fn, text)
		}
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b repodata.NameSize) int { return strings.Compare(a.Name, b.Name) })
	var pieces []repodata.Piece
	add := func(text []byte) {
		p, err := repodata.NewPiece(text)
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, p)
	}
	for _, r := range repodata.Chunk(names) {
		var files []repodata.NameSize
		for _, n := range names[r.From:r.To] {
			for _, fn := range slices.Sorted(maps.Keys(texts[n.Name])) {
				files = append(files, repodata.NameSize{Name: n.Name + "\x00" + fn, Size: repodata.EntrySize(fn, texts[n.Name][fn])})
			}
		}
		cuts := []repodata.Range{{From: 0, To: len(files)}}
		if r.To-r.From == 1 {
			cuts = repodata.ChunkRecords(files)
		}
		for _, c := range cuts {
			var text []byte
			for _, f := range files[c.From:c.To] {
				name, fn, _ := strings.Cut(f.Name, "\x00")
				text = repodata.AppendEntry(text, fn, texts[name][fn])
			}
			add(text)
		}
	}
	if len(pieces) < 10 {
		t.Fatalf("%d pieces", len(pieces))
	}
	l, err := repodata.NewRepodata("linux-64", pieces, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	plainText(t, l)
	got := 0
	if _, err := repodata.ReadRecords(l.Zstd(), func(fn string, raw jsontext.Value) error {
		got++
		want, err := conda.ParseRecord(records[fn])
		if err != nil {
			return err
		}
		r, err := conda.ParseRecord(raw)
		if err != nil {
			return err
		}
		sameRecord(t, want, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got != len(records) {
		t.Errorf("%d records came back of %d", got, len(records))
	}
	t.Logf("%d records, %d pieces, %d bytes of JSON, %d of zstd", got, len(pieces), l.JSONSize(), l.ZstdSize())
}
