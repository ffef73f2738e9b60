package repodata_test

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

// plainText gives the plain form of a layout, after checking the other one.
func plainText(t testing.TB, l *repodata.Layout) string {
	t.Helper()
	var b bytes.Buffer
	if err := l.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	checkLayout(t, l, b.Bytes())
	return b.String()
}

func TestRunExports(t *testing.T) {
	l, err := repodata.NewRunExports("linux-64", []repodata.Entry{
		{FileName: "b-1-0.conda", JSON: []byte(`{"weak":["b >=1"]}`)},
		{FileName: "a-1-0.conda", JSON: []byte(`{}`)},
		{FileName: "unknown-1-0.conda"},
		{FileName: "a-1-0.tar.bz2", JSON: []byte(`{"strong":["a"]}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	text := plainText(t, l)
	want := `{"info":{"arch":"x86_64","platform":"linux","subdir":"linux-64","version":1},` +
		`"packages":{"a-1-0.tar.bz2":{"run_exports":{"strong":["a"]}}},` +
		`"packages.conda":{` + strings.Repeat(" ", 33) + `"a-1-0.conda":{"run_exports":{}},"b-1-0.conda":{"run_exports":{"weak":["b >=1"]}}}}`
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	got := map[string]conda.RunExports{}
	info, err := repodata.ReadRunExports(strings.NewReader(text), func(fn string, e conda.RunExports) error {
		got[fn] = e
		return nil
	})
	if err != nil || info.Subdir != "linux-64" {
		t.Fatalf("reading it back: %+v, %v", info, err)
	}
	wantRead := map[string]conda.RunExports{"a-1-0.tar.bz2": {Strong: []string{"a"}}, "a-1-0.conda": {}, "b-1-0.conda": {Weak: []string{"b >=1"}}}
	if diff := cmp.Diff(wantRead, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestNewDocument(t *testing.T) {
	var entries []repodata.Entry
	for i := range 2000 { // several pieces
		fn, r := benchRecord(i)
		e, err := repodata.EncodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repodata.Entry{FileName: fn, JSON: e.JSON})
	}
	slices.Reverse(entries)
	l, err := repodata.NewDocument("linux-64", entries, []string{"gone-1-0.conda"})
	if err != nil {
		t.Fatal(err)
	}
	text := plainText(t, l)
	if n := strings.Count(text, strings.Repeat(" ", 33)); n < 3 {
		t.Errorf("%d joints in %d bytes", n, len(text))
	}
	got := map[string]string{}
	var order []string
	info, err := repodata.ReadRecords(strings.NewReader(text), func(fn string, raw jsontext.Value) error {
		got[fn] = string(raw)
		order = append(order, fn)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (repodata.Info{Subdir: "linux-64", Version: 1, Removed: []string{"gone-1-0.conda"}}); !cmp.Equal(want, info) {
		t.Error(cmp.Diff(want, info))
	}
	if !slices.IsSorted(order) {
		t.Error("file names are not sorted: rattler searches them by halves")
	}
	for _, e := range entries {
		if got[e.FileName] != string(e.JSON) {
			t.Fatalf("%s: got %s, want %s", e.FileName, got[e.FileName], e.JSON)
		}
	}
	if len(got) != len(entries) {
		t.Errorf("%d records, want %d", len(got), len(entries))
	}
}

func TestNotices(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	want := []repodata.Notice{{ID: "n1", Message: "hello <b>", Level: "warning", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}}
	b, err := repodata.EncodeNotices(want)
	if err != nil {
		t.Fatal(err)
	}
	text := `{"notices":[{"created_at":"2026-11-21T10:00:00Z","expires_at":"2026-11-21T11:00:00Z","id":"n1","level":"warning","message":"hello <b>"}]}`
	if string(b) != text {
		t.Errorf("got %s, want %s", b, text)
	}
	got, err := repodata.DecodeNotices(b)
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	got, err = repodata.DecodeNotices([]byte(`{"notices":[{"id":"x","message":"m","level":"odd","created_at":"2026-11-21","expired_at":"2026-11-22T00:00:00"}]}`))
	odd := []repodata.Notice{{ID: "x", Message: "m", Level: "info", CreatedAt: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}}
	if err != nil || !cmp.Equal(odd, got) {
		t.Errorf("%v\n%s", err, cmp.Diff(odd, got))
	}
	if b, err := repodata.EncodeNotices(nil); err != nil || string(b) != `{"notices":[]}` {
		t.Errorf("none: %s, %v", b, err)
	}
	if _, err := repodata.DecodeNotices([]byte(`[]`)); !errs.Is(err, errs.Invalid) {
		t.Errorf("a list: %v", err)
	}
	if _, err := repodata.DecodeNotices(make([]byte, 2<<20)); !errs.Is(err, errs.TooLarge) {
		t.Errorf("2 MiB: %v", err)
	}
}

func TestChannelData(t *testing.T) {
	file := func(subdir, version string, number int64, about string) repodata.ChannelFile {
		return repodata.ChannelFile{Subdir: subdir, About: []byte(about), Record: conda.Record{
			Name: "foo", Version: version, Build: "0", BuildNumber: number, Timestamp: 1700000000999 + number*1000,
		}}
	}
	older, newer, newest := file("linux-64", "1.9", 5, `{"summary":"old"}`), file("noarch", "1.10", 0, `{"summary":"less new"}`),
		file("osx-64", "1.10", 1, `{"summary":"a foo","home":["http://a","http://b"],"dev_url":"","secret":"x","tags":[1]}`)
	older.Flags.ActivateD, newer.Flags.TextPrefix = true, true
	newest.Record.License = "MIT"
	newer.Record.RunExports = &conda.RunExports{Weak: []string{"foo >=1.10"}}
	older.Record.RunExports = &conda.RunExports{}
	data := repodata.NewChannelData([]string{"osx-64", "linux-64", "noarch", "noarch"}, []repodata.ChannelFile{older, newest, newer})
	got, err := data.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"channeldata_version":1,"packages":{"foo":{"activate.d":true,"binary_prefix":false,"deactivate.d":false,"home":["http://a","http://b"],"license":"MIT",` +
		`"post_link":false,"pre_link":false,"pre_unlink":false,"run_exports":{"1.10":{"weak":["foo >=1.10"]}},"subdirs":["linux-64","noarch","osx-64"],` +
		`"summary":"a foo","text_prefix":true,"timestamp":1700000005,"version":"1.10"}},"subdirs":["linux-64","noarch","osx-64"]}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	shuffled, err := repodata.NewChannelData([]string{"noarch", "linux-64", "osx-64"}, []repodata.ChannelFile{newer, older, newest}).Encode()
	if err != nil || !bytes.Equal(got, shuffled) {
		t.Errorf("another order gives %s, %v", shuffled, err)
	}
	back, err := repodata.DecodeChannelData(got)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Encode()
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("decoded and encoded: %s, %v", again, err)
	}
	if _, err := repodata.DecodeChannelData([]byte(`{"packages":[]}`)); !errs.Is(err, errs.Invalid) {
		t.Errorf("a list of packages: %v", err)
	}
}

func TestPatch(t *testing.T) {
	p, err := repodata.ParsePatch([]byte(`{"patch_instructions_version":2,
		"packages":{
			"a-1-0.tar.bz2":{"depends":["b"],"license":null,"sha256":"x","name":"evil","constrains":["c"],"run_exports":{"weak":["z"]},"unknown":{"k":1}},
			"same-1-0.tar.bz2":{"depends":[]},
			"bad-1-0.conda":{"depends":["never applied: not a tar.bz2"]}},
		"packages.conda":{"a-1-0.conda":{"depends":["only conda"]},"odd-1-0.conda":{"depends":7}},
		"revoke":["r-1-0.tar.bz2"],"remove":["gone-1-0.tar.bz2","c-1-0.conda"]}`))
	if err != nil {
		t.Fatal(err)
	}
	base := func(name string) conda.Record {
		return conda.Record{
			Name: name, Version: "1", Build: "0", License: "MIT", SHA256: sha256Hex,
			RunExports: &conda.RunExports{Weak: []string{"w"}, Strong: []string{"s"}},
		}
	}
	patchedA := base("a")
	patchedA.Depends, patchedA.Constrains, patchedA.License = []string{"b"}, []string{"c"}, ""
	patchedA.RunExports = &conda.RunExports{Weak: []string{"z"}, Strong: []string{"s"}}
	patchedA.Extra = map[string]jsontext.Value{"unknown": jsontext.Value(`{"k":1}`)}
	patchedConda := patchedA
	patchedConda.Depends = []string{"only conda"}
	revoked := base("r")
	revoked.Depends, revoked.Extra = []string{"package_has_been_revoked"}, map[string]jsontext.Value{"revoked": jsontext.Value("true")}
	tests := []struct {
		fileName string
		record   conda.Record
		want     conda.Record
		changed  bool
	}{
		{"a-1-0.tar.bz2", base("a"), patchedA, true},
		{"a-1-0.conda", base("a"), patchedConda, true},
		{"r-1-0.tar.bz2", base("r"), revoked, true},
		{"r-1-0.conda", base("r"), revoked, true},
		{"same-1-0.conda", base("same"), base("same"), false},
		{"other-1-0.conda", base("other"), base("other"), false},
	}
	for _, tt := range tests {
		t.Run(tt.fileName, func(t *testing.T) {
			got, changed, err := p.Apply(tt.fileName, tt.record)
			if err != nil || changed != tt.changed {
				t.Fatalf("changed %v, %v; want %v", changed, err, tt.changed)
			}
			sameRecord(t, tt.want, got)
		})
	}
	if _, _, err := p.Apply("odd-1-0.conda", base("odd")); !errs.Is(err, errs.Invalid) {
		t.Errorf("depends 7: %v", err)
	}
	for name, want := range map[string]bool{"gone-1-0.tar.bz2": true, "gone-1-0.conda": true, "c-1-0.conda": true, "c-1-0.tar.bz2": false, "a-1-0.conda": false} {
		if got := p.Removes(name); got != want {
			t.Errorf("Removes(%s) = %v", name, got)
		}
	}
	wantFiles := []string{
		"a-1-0.conda", "a-1-0.tar.bz2", "bad-1-0.conda", "c-1-0.conda", "gone-1-0.conda", "gone-1-0.tar.bz2", "odd-1-0.conda",
		"r-1-0.conda", "r-1-0.tar.bz2", "same-1-0.conda", "same-1-0.tar.bz2",
	}
	if diff := cmp.Diff(wantFiles, p.Files()); diff != "" {
		t.Error(diff)
	}

	one, err := repodata.ParsePatch([]byte(`{"patch_instructions_version":1,"packages":{"a-1-0.tar.bz2":{"run_exports":{"weak":["z"]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, changed, err := one.Apply("a-1-0.conda", base("a")); err != nil || changed {
		t.Errorf("version 1 patches run_exports: %v, %v", changed, err)
	}
	for _, text := range []string{`{}`, `{"patch_instructions_version":3}`, `[]`} {
		if _, err := repodata.ParsePatch([]byte(text)); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestPatchMerges: objects are merged into objects at any depth, whatever their keys
// are spelt with, and the forms of the record are those of the merged one.
func TestPatchMerges(t *testing.T) {
	p, err := repodata.ParsePatch([]byte(`{"patch_instructions_version":1,"packages.conda":{"a-1-0.conda":{
		"odd \"key\"":{"x":null,"absent":null,"y":{"z":1,"\u00e9":{}}},"list":{"now":"an object"},"new":{"n":[1.50]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	was := conda.Record{Name: "a", Version: "1", Build: "0", SHA256: sha256Hex, RunExports: &conda.RunExports{}, Extra: map[string]jsontext.Value{
		`odd "key"`: jsontext.Value(`{"x":{"gone":1},"w":2,"y":{"z":0,"é":{"kept":true}}}`), "list": jsontext.Value(`[1]`),
	}}
	want := was
	want.Extra = map[string]jsontext.Value{
		`odd "key"`: jsontext.Value(`{"w":2,"y":{"z":1,"é":{"kept":true}}}`), "list": jsontext.Value(`{"now":"an object"}`), "new": jsontext.Value(`{"n":[1.50]}`),
	}
	before, err := repodata.EncodeRecord(was)
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := repodata.EncodeRecord(want)
	if err != nil {
		t.Fatal(err)
	}
	_, got, changed, err := p.ApplyEncoded("a-1-0.conda", before)
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if d := cmp.Diff(wanted, got); d != "" {
		t.Error(d)
	}
	if _, _, changed, err := p.ApplyEncoded("a-1-0.conda", got); err != nil || changed {
		t.Errorf("the same again changed it: %v, %v", changed, err)
	}
}

func TestReadRecords(t *testing.T) {
	const rec = `{"name":"a"}`
	type result struct {
		Info  repodata.Info
		Files []string
	}
	tests := []struct {
		name, text string
		want       result
		kind       errs.Kind
	}{
		{name: "empty file", text: ``},
		{name: "empty object", text: ` {} `},
		{
			name: "all keys", text: `{"_url":"x","info":{"subdir":"noarch","base_url":"../b","x":[{}]},"packages":{"a-1-0.tar.bz2":` + rec + `},"v3":{"conda":{"x":{}}},` +
				`"signatures":{"a":{"b":[1,2,"]"]}},"packages.conda":{"a-1-0.conda":` + rec + `},"removed":["z"],"repodata_version":2}`,
			want: result{repodata.Info{Subdir: "noarch", BaseURL: "../b", Version: 2, Removed: []string{"z"}}, []string{"a-1-0.tar.bz2", "a-1-0.conda"}},
		},
		{name: "nulls", text: `{"info":{"subdir":null},"packages":null,"removed":null}`},
		{name: "version 3", text: `{"repodata_version":3}`, kind: errs.Invalid},
		{name: "version text", text: `{"repodata_version":"1"}`, kind: errs.Invalid},
		{name: "list", text: `[]`, kind: errs.Invalid},
		{name: "html", text: `<html>`, kind: errs.Invalid},
		{name: "group a list", text: `{"packages":[]}`, kind: errs.Invalid},
		{name: "record a list", text: `{"packages":{"a":[]}}`, kind: errs.Invalid},
		{name: "cut off", text: `{"packages":{"a":` + rec, want: result{Files: []string{"a"}}, kind: errs.Invalid},
		{name: "group twice", text: `{"packages":{},"packages":{}}`, kind: errs.Invalid},
		{name: "more", text: `{}{}`, kind: errs.Invalid},
		{name: "removed numbers", text: `{"removed":[1]}`, kind: errs.Invalid},
		{name: "huge record", text: `{"packages":{"a":{"x":"` + strings.Repeat("x", 5<<20) + `"}}}`, kind: errs.TooLarge},
		{name: "huge unknown value", text: `{"v3":[` + strings.Repeat(`"xxxxxxxxxxxxxxxx",`, 400_000) + `1],"repodata_version":1}`, want: result{Info: repodata.Info{Version: 1}}},
		{name: "huge unknown text", text: `{"v3":"` + strings.Repeat("x", 5<<20) + `"}`, kind: errs.TooLarge},
		{name: "bad zstd", text: "\x28\xb5\x2f\xfd\xff\xff", kind: errs.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got result
			var err error
			got.Info, err = repodata.ReadRecords(strings.NewReader(tt.text), func(fn string, raw jsontext.Value) error {
				if string(raw) != rec {
					t.Errorf("record %s", raw)
				}
				got.Files = append(got.Files, fn)
				return nil
			})
			if tt.kind != errs.Internal || err != nil {
				if !errs.Is(err, tt.kind) {
					t.Fatalf("error %v, want kind %v", err, tt.kind)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadRecordsErrors(t *testing.T) {
	boom := fmt.Errorf("boom")
	if _, err := repodata.ReadRecords(strings.NewReader(`{"packages":{"a":{}}}`), func(string, jsontext.Value) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("the caller's error comes back as %v", err)
	}
	broken := &loopReader{doc: []byte(`{"packages":{"a":{}`)}
	_, err := repodata.ReadRecords(failing{broken, boom}, func(string, jsontext.Value) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "boom") || errs.KindOf(err) != errs.Internal {
		t.Errorf("the reader's error comes back as %v of kind %v", err, errs.KindOf(err))
	}
}

// failing gives what r has and then err instead of the end.
type failing struct {
	r   *loopReader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil {
		err = f.err
	}
	return n, err
}

// TestReadRecordsCompressed reads one document as zstd of several frames, and
// as bzip2, as upstreams serve it.
func TestReadRecordsCompressed(t *testing.T) {
	text := `{"packages":{"a-1-0.tar.bz2":{"name":"a"}},"info":{"subdir":"noarch"}}`
	p, err := repodata.NewPiece([]byte(text[:30]))
	if err != nil {
		t.Fatal(err)
	}
	q, err := repodata.NewPiece([]byte(text[30:]))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"zstd": append(slices.Clone(p.Zstd), q.Zstd...), "bzip2": bz2Document} {
		n := 0
		info, err := repodata.ReadRecords(bytes.NewReader(data), func(fn string, raw jsontext.Value) error {
			n++
			return nil
		})
		if err != nil || n != 1 || info.Subdir != "noarch" {
			t.Errorf("%s: %d records, %+v, %v", name, n, info, err)
		}
	}
}

// bz2Document is the document of TestReadRecordsCompressed, made by bzip2.
var bz2Document = []byte("\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x88\x89\x84\x22\x00\x00\x20\x19\x80\x10\x07\x70\x10\x3f\xeb\xde\x1a\x20\x00\x41\x13\x4d\x20\xd3\x69\x34\x06\x9a\x7a\x7a\x85\x00\x03\x40\x00\x0b\x5f\xa3\x59\x5f\x53\x79\x94\xfb\x14\x4d\xa9\xb9\x0a\x39\xcd\x66\xbf\x03\xd9\x2d\x45\xe3\x0f\xe6\xcf\x44\x06\x33\x7a\x40\x82\x28\x56\x2b\x19\x96\x45\x81\x77\x24\x53\x85\x09\x08\x88\x98\x42\x20")
