package archive_test

import (
	"bytes"
	"strings"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

func TestHostile(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range condatest.Hostile() {
		if seen[c.Name] {
			t.Errorf("the name %q comes twice", c.Name)
		}
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			info, err := archive.Read(bytes.NewReader(c.Bytes), int64(len(c.Bytes)), c.FileName, archive.Limits{})
			if c.Late {
				if err != nil {
					t.Fatalf("Read refuses what only Check should: %v", err)
				}
				err = archive.Check(bytes.NewReader(c.Bytes), int64(len(c.Bytes)), c.FileName, archive.Limits{})
			} else if err == nil {
				t.Fatalf("Read gave %+v", info.Record)
			}
			if errs.KindOf(err) != c.Want {
				t.Errorf("kind %v, want %v: %v", errs.KindOf(err), c.Want, err)
			}
			told := errs.Message(err)
			if !c.Late && !strings.HasSuffix(told, " Nothing was stored.") {
				t.Errorf("the message %q does not say that nothing was stored", told)
			}
		})
	}
}

// TestLenient shows which of the hostile archives an import takes: those that
// all clients read in the same way.
func TestLenient(t *testing.T) {
	taken := map[string]bool{
		"prefixed": true, "data descriptor": true, "gap between members": true, "no metadata.json": true, "no pkg": true,
		"symbolic link": true, "hard link": true, "symbolic link in info (.tar.bz2)": true,
		"negative build number": true, "paths.json with a long text": true, "paths.json is cut off": true,
	}
	for _, c := range condatest.Hostile() {
		if c.Late {
			continue
		}
		_, err := archive.Read(bytes.NewReader(c.Bytes), int64(len(c.Bytes)), c.FileName, archive.Limits{Lenient: true})
		if (err == nil) != taken[c.Name] {
			t.Errorf("%s: %v, want taken %v", c.Name, err, taken[c.Name])
		}
	}
}

// TestRefusalNames shows whole sentences: file, rule, limit.
func TestRefusalNames(t *testing.T) {
	want := map[string]string{
		"lying version":    "demo-1.0-0.conda cannot be published: info/index.json says version 1.0.0, the file name says 1.0. Nothing was stored.",
		"large index.json": "demo-1.0-0.conda: info/index.json has 1048686 bytes; the limit is 1 MiB. Nothing was stored.",
		"window of 256 MiB": "demo-1.0-0.conda: info-demo-1.0-0.tar.zst needs a zstd window of 256 MiB; the limit is 128 MiB. " +
			"Compress it with a lower level. Nothing was stored.",
		"conda-meta": `demo-1.0-0.conda: it holds "conda-meta/demo-1.0-0.json"; conda-meta/ belongs to the client.`,
	}
	for _, c := range condatest.Hostile() {
		sentence, ok := want[c.Name]
		if !ok {
			continue
		}
		delete(want, c.Name)
		_, err := archive.Read(bytes.NewReader(c.Bytes), int64(len(c.Bytes)), c.FileName, archive.Limits{})
		if c.Late {
			err = archive.Check(bytes.NewReader(c.Bytes), int64(len(c.Bytes)), c.FileName, archive.Limits{})
		}
		if got := errs.Message(err); got != sentence {
			t.Errorf("%s:\n got %s\nwant %s", c.Name, got, sentence)
		}
	}
	if len(want) > 0 {
		t.Errorf("no such cases: %v", want)
	}
}
