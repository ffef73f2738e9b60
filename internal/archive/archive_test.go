package archive_test

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

// formats are those that every test of both goes through.
var formats = []conda.Format{conda.FormatConda, conda.FormatTarBz2}

// write gives the bytes of a package.
func write(t *testing.T, f conda.Format, p archive.Package) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := archive.Write(&b, f, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// full is a package with everything that a package may have.
func full() archive.Package {
	const prefix = "/opt/placeholder_placeholder"
	return archive.Package{
		Record: conda.Record{
			Name: "demo", Version: "1!2.0+local", Build: "py313h_3", BuildNumber: 3, Subdir: "linux-64",
			Depends: []string{"python >=3.13,<3.14.0a0", "zlib"}, Constrains: []string{"other <2"},
			License: "MIT", LicenseFamily: "MIT", Timestamp: 1_700_000_000_123, TrackFeatures: "x",
			Extra: map[string]jsontext.Value{"preferred_env": jsontext.Value(`"e"`)},
		},
		About:      map[string]any{"summary": "a demonstration", "home": "https://example.org/"},
		RunExports: &conda.RunExports{Weak: []string{"demo >=2"}, StrongConstrains: []string{"other <3"}},
		Files: map[string]archive.File{
			"bin/demo":                     {Content: []byte("#!" + prefix + "/bin/python\n"), Mode: 0o755, Prefix: prefix, FileMode: "text"},
			"bin/.demo-post-link.sh":       {Content: []byte("true\n"), Mode: 0o755},
			"etc/conda/activate.d/demo.sh": {Content: []byte("export DEMO=1\n")},
			"lib/libdemo.so":               {Link: "libdemo.so.2"},
			"lib/libdemo.so.2":             {Content: []byte("\x7fELF" + prefix + "\x00"), Prefix: prefix, FileMode: "binary"},
		},
		Info: map[string][]byte{
			"README.md":           []byte("# demo\n\nnot UTF-8: \xff\n"),
			"recipe/README.md":    []byte("of the recipe"),
			"recipe/meta.yaml":    []byte("package: {name: demo}\n"),
			"licenses/LICENSE":    []byte("do what you like\n"),
			"licenses/picture":    []byte("\xff\xd8\xff"),
			"icon.png":            []byte("\x89PNG\r\n"),
			"test/run_test.py":    []byte("import demo\n"),
			"recipe/other/readme": []byte("neither"),
		},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			p := full()
			b := write(t, f, p)
			name := p.Record.FileName(f)
			info, err := archive.Read(bytes.NewReader(b), int64(len(b)), name, archive.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := p.Record
			want.RunExports = p.RunExports
			if diff := cmp.Diff(want, info.Record); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if !bytes.HasPrefix(info.IndexJSON, []byte("{")) || !bytes.Contains(info.About, []byte("a demonstration")) ||
				!bytes.Contains(info.Paths, []byte("libdemo")) || !bytes.Contains(info.RunExports, []byte("weak")) {
				t.Error("a document is not as written")
			}
			if info.README != "# demo\n\nnot UTF-8: \ufffd\n" || info.READMEName != "info/README.md" {
				t.Errorf("README %q from %q", info.README, info.READMEName)
			}
			if string(info.Icon) != "\x89PNG\r\n" {
				t.Errorf("icon %q", info.Icon)
			}
			if diff := cmp.Diff(map[string]string{"info/licenses/LICENSE": "do what you like\n"}, info.Licenses); diff != "" {
				t.Errorf("licences (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"info/licenses/picture"}, info.Omitted); diff != "" {
				t.Errorf("omitted (-want +got):\n%s", diff)
			}
			if got, want := info.Flags, (archive.Flags{ActivateD: true, PostLink: true, TextPrefix: true, BinaryPrefix: true}); got != want {
				t.Errorf("flags %+v, want %+v", got, want)
			}
			if len(info.PathList) != 5 || info.PathCount != 5 {
				t.Fatalf("%d of %d paths", len(info.PathList), info.PathCount)
			}
			lib := info.PathList[4]
			wantPath := archive.Path{Path: "lib/libdemo.so.2", Type: "hardlink", Size: 33, Prefix: "/opt/placeholder_placeholder", FileMode: "binary", SHA256: lib.SHA256}
			if diff := cmp.Diff(wantPath, lib); diff != "" {
				t.Errorf("path (-want +got):\n%s", diff)
			}
			if link := info.PathList[3]; link.Type != "softlink" || link.SHA256 != lib.SHA256 || len(link.SHA256) != 64 {
				t.Errorf("link %+v", link)
			}
			if err := archive.Check(bytes.NewReader(b), int64(len(b)), name, archive.Limits{}); err != nil {
				t.Errorf("check: %v", err)
			}
			if !bytes.Equal(b, write(t, f, full())) {
				t.Error("the same package gives other bytes")
			}
		})
	}
}

func TestReadInfoFile(t *testing.T) {
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			p := full()
			b := write(t, f, p)
			read := func(member string, lim archive.Limits) (string, error) {
				got, err := archive.ReadInfoFile(bytes.NewReader(b), int64(len(b)), p.Record.FileName(f), member, lim)
				return string(got), err
			}
			if got, err := read("info/recipe/meta.yaml", archive.Limits{}); err != nil || got != "package: {name: demo}\n" {
				t.Errorf("got %q, %v", got, err)
			}
			for _, absent := range []string{"info/none", "info", "", "bin/demo", "info/../bin/demo"} {
				if _, err := read(absent, archive.Limits{}); !errs.Is(err, errs.NotFound) {
					t.Errorf("%q: %v, want not found", absent, err)
				}
			}
			if _, err := read("info/recipe/meta.yaml", archive.Limits{Keep: 5}); !errs.Is(err, errs.TooLarge) {
				t.Errorf("%v, want too large", err)
			}
		})
	}
}

// TestSubdir shows what becomes of a package that does not say its subdir.
func TestSubdir(t *testing.T) {
	for _, c := range []struct{ index, want string }{
		{`{"name":"demo","version":"1.0","build":"0","build_number":0}`, ""},
		{`{"name":"demo","version":"1.0","build":"0","build_number":0,"noarch":"python"}`, "noarch"},
		{`{"name":"demo","version":"1.0","build":"0","build_number":0,"noarch":"python","subdir":"linux-64"}`, "linux-64"},
		{`{"name":"demo","version":"1.0","build":"0","build_number":0,"subdir":"linux-fake"}`, "linux-fake"},
	} {
		s := condatest.Spec{Info: map[string]string{"index.json": c.index}}
		b := condatest.Make(t, s)
		info, err := archive.Read(bytes.NewReader(b), int64(len(b)), s.FileName(), archive.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if info.Record.Subdir != c.want {
			t.Errorf("%s: subdir %q, want %q", c.index, info.Record.Subdir, c.want)
		}
	}
}

// TestOldPaths reads the lists that packages had before paths.json.
func TestOldPaths(t *testing.T) {
	p := full()
	p.Info["paths.json"] = nil
	p.Info["files"] = []byte("bin/demo\n../outside\nlib/a b.txt\n")
	p.Info["has_prefix"] = []byte("/opt/x binary lib/none\n/opt/x text bin/demo\n")
	p.Info["no_link"] = []byte("bin/demo\n")
	b := write(t, conda.FormatTarBz2, p)
	_, err := archive.Read(bytes.NewReader(b), int64(len(b)), p.Record.FileName(conda.FormatTarBz2), archive.Limits{})
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("an empty paths.json is taken: %v", err)
	}
	info, err := archive.Read(bytes.NewReader(b), int64(len(b)), p.Record.FileName(conda.FormatTarBz2), archive.Limits{Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"info/licenses/picture", "info/paths.json"}, info.Omitted); diff != "" {
		t.Errorf("omitted (-want +got):\n%s", diff)
	}
	want := []archive.Path{
		{Path: "bin/demo", Type: "hardlink", Prefix: "/opt/x", FileMode: "text", NoLink: true},
		{Path: "lib/a b.txt", Type: "hardlink"},
	}
	if diff := cmp.Diff(want, info.PathList); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// TestKeep shows that whatever exceeds Limits.Keep is left out and that the
// counts and flags stay right.
func TestKeep(t *testing.T) {
	s := condatest.Spec{Files: map[string]string{}, README: strings.Repeat("read me ", 10_000)}
	for _, name := range []string{"a", "b", "c", "etc/conda/activate.d/x.sh"} {
		s.Files[name] = name
	}
	b := condatest.Make(t, s)
	info, err := archive.Read(bytes.NewReader(b), int64(len(b)), s.FileName(), archive.Limits{Keep: 500})
	if err != nil {
		t.Fatal(err)
	}
	if info.PathCount != 4 || len(info.PathList) == 4 || !info.Flags.ActivateD || info.README != "" {
		t.Errorf("%d of %d paths, %+v, README of %d", len(info.PathList), info.PathCount, info.Flags, len(info.README))
	}
	if len(info.Omitted) == 0 || info.Record.Name != "demo" {
		t.Errorf("omitted %q, record %+v", info.Omitted, info.Record)
	}
}

// TestLimits goes to each limit: at it a package is taken, below it refused.
func TestLimits(t *testing.T) {
	s := condatest.Spec{Info: map[string]string{"test/a/b/c": strings.Repeat("x", 3000)}, PadTo: 100_000}
	member := int64(3000)
	for _, c := range []struct {
		name      string
		fit, over archive.Limits
		check     bool
	}{
		{"member", archive.Limits{MemberSize: member}, archive.Limits{MemberSize: member - 1}, false},
		{"members", archive.Limits{Members: 5}, archive.Limits{Members: 4}, false},
		{"depth", archive.Limits{Depth: 5}, archive.Limits{Depth: 4}, false},
		{"name", archive.Limits{NameLength: 18}, archive.Limits{NameLength: 14}, false},
		{"info", archive.Limits{InfoSize: 20_000}, archive.Limits{InfoSize: 3500}, false},
		{"index", archive.Limits{IndexSize: 1000}, archive.Limits{IndexSize: 100}, false},
		{"files", archive.Limits{Files: 20}, archive.Limits{Files: 1}, true},
		{"payload", archive.Limits{Payload: 200_000}, archive.Limits{Payload: 50_000}, true},
	} {
		for _, f := range formats {
			t.Run(c.name+"/"+string(f), func(t *testing.T) {
				s := s
				s.Format = f
				s.Files = map[string]string{"a": "a", "b": "b"}
				b := condatest.Make(t, s)
				try := func(lim archive.Limits) error {
					if c.check {
						return archive.Check(bytes.NewReader(b), int64(len(b)), s.FileName(), lim)
					}
					_, err := archive.Read(bytes.NewReader(b), int64(len(b)), s.FileName(), lim)
					return err
				}
				if err := try(c.fit); err != nil {
					t.Errorf("at the limit: %v", err)
				}
				if err := try(c.over); !errs.Is(err, errs.TooLarge) {
					t.Errorf("over the limit: %v, want too large", err)
				}
			})
		}
	}
}

// TestLateInfo reads a .tar.bz2 whose info/ comes last, up to the limit.
func TestLateInfo(t *testing.T) {
	s := condatest.Spec{Format: conda.FormatTarBz2, PadTo: 300_000}
	b := condatest.LateInfo(t, s)
	info, err := archive.Read(bytes.NewReader(b), int64(len(b)), s.FileName(), archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if info.Record.Name != "demo" || info.PathCount == 0 {
		t.Errorf("got %+v", info)
	}
	_, err = archive.Read(bytes.NewReader(b), int64(len(b)), s.FileName(), archive.Limits{BZ2Scan: 100_000})
	if !errs.Is(err, errs.TooLarge) {
		t.Errorf("%v, want too large", err)
	}
}

// TestStorageFails shows that a failure of the storage is not taken for a bad
// package, which the sender could do something about.
func TestStorageFails(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for _, f := range formats {
		s := condatest.Spec{Format: f}
		b := condatest.Make(t, s)
		for good := range int64(len(b)) {
			_, err := archive.Read(failing{bytes.NewReader(b), good, broken}, int64(len(b)), s.FileName(), archive.Limits{})
			if err != nil && (!errors.Is(err, broken) || errs.KindOf(err) != errs.Internal) {
				t.Fatalf("%s, reads fail from byte %d: %v", f, good, err)
			}
		}
	}
}

// failing reads until it comes to a byte.
type failing struct {
	r    io.ReaderAt
	good int64
	err  error
}

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > f.good {
		return 0, f.err
	}
	return f.r.ReadAt(b, off)
}

// TestTruncated cuts both formats at every byte.
func TestTruncated(t *testing.T) {
	for _, f := range formats {
		s := condatest.Spec{Format: f}
		b := condatest.Make(t, s)
		for n := range b {
			if _, err := archive.Read(bytes.NewReader(b[:n]), int64(n), s.FileName(), archive.Limits{}); !errs.Is(err, errs.Invalid) {
				t.Fatalf("%s cut at %d of %d: %v", f, n, len(b), err)
			}
			// The storage says a size that it does not have.
			if _, err := archive.Read(bytes.NewReader(b[:n]), int64(len(b)), s.FileName(), archive.Limits{}); err != nil && !errs.Is(err, errs.Invalid) {
				t.Fatalf("%s lacking %d bytes: %v", f, len(b)-n, err)
			}
		}
	}
}
