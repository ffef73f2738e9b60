package archive_test

import (
	"bytes"
	"strings"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

// fuzzLimits are small, so that bombs are over soon.
var fuzzLimits = archive.Limits{InfoSize: 1 << 20, Payload: 4 << 20, BZ2Scan: 4 << 20, Keep: 64 << 10, Members: 100}

// FuzzRead reads bytes as an archive of either format.
func FuzzRead(f *testing.F) {
	for _, format := range formats {
		f.Add(condatest.Make(f, condatest.Spec{Format: format, README: "read me"}), format == conda.FormatTarBz2)
	}
	for _, c := range condatest.Hostile() {
		if len(c.Bytes) < 2000 {
			f.Add(c.Bytes, strings.HasSuffix(c.FileName, ".bz2"))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, bz2 bool) {
		name := "demo-1.0-0.conda"
		if bz2 {
			name = "demo-1.0-0.tar.bz2"
		}
		probe(t, b, name)
	})
}

// FuzzInfo reads bytes as the tar of info/, past zip, zstd and checksums.
func FuzzInfo(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, tar []byte) {
		probe(t, condatest.Around(tar), "demo-1.0-0.conda")
		bothWays(t, tar)
	})
}

// probe reads b in all ways and holds what is taken to what is promised.
func probe(t *testing.T, b []byte, name string) {
	for _, lenient := range []bool{false, true} {
		lim := fuzzLimits
		lim.Lenient = lenient
		info, err := archive.Read(bytes.NewReader(b), int64(len(b)), name, lim)
		if err != nil {
			if kind := errs.KindOf(err); kind != errs.Invalid && kind != errs.TooLarge {
				t.Fatalf("kind %v: %v", kind, err)
			}
		} else {
			if got := info.Record.FileName("x"); got != "demo-1.0-0.x" {
				t.Fatalf("%s says that it is %s", name, got)
			}
			kept := len(info.README) + len(info.Icon) + len(info.About) + len(info.Paths)
			for _, text := range info.Licenses {
				kept += len(text)
			}
			if kept > 3*int(lim.Keep) { // an invalid byte becomes three
				t.Fatalf("%d bytes kept", kept)
			}
			for _, p := range info.PathList {
				if strings.HasPrefix(p.Path, "/") || strings.Contains("/"+p.Path+"/", "/../") {
					t.Fatalf("path %q", p.Path)
				}
			}
			for _, m := range info.Members {
				got, err := archive.ReadInfoFile(bytes.NewReader(b), int64(len(b)), name, m.Name, lim)
				if err != nil && !errs.Is(err, errs.TooLarge) || err == nil && int64(len(got)) != m.Size {
					t.Fatalf("%s of %d bytes: %d, %v", m.Name, m.Size, len(got), err)
				}
			}
		}
		if err := archive.Check(bytes.NewReader(b), int64(len(b)), name, lim); err != nil {
			if kind := errs.KindOf(err); kind != errs.Invalid && kind != errs.TooLarge {
				t.Fatalf("kind %v: %v", kind, err)
			}
		}
	}
}
