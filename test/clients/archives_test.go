//go:build clients

package clients

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// extracted is what conda-package-handling found in an archive.
type extracted struct {
	Index  map[string]any `json:"index"`
	Files  []string       `json:"files"`
	Size   float64        `json:"size"`
	MD5    string         `json:"md5"`
	SHA256 string         `json:"sha256"`
	Error  string         `json:"error"`
}

// extract unpacks archives with conda-package-handling; the answer is by path.
func extract(t testing.TB, paths ...string) map[string]extracted {
	t.Helper()
	out := map[string]extracted{}
	script(t, &out, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, nil, "with_cph.py", append([]string{t.TempDir()}, paths...)...)
	return out
}

// agree holds a record to what lies in the archive, which other code read.
func agree(t testing.TB, name string, record map[string]any, in extracted) {
	t.Helper()
	want := facts(in.Index)
	want["md5"], want["sha256"], want["size"] = in.MD5, in.SHA256, in.Size
	for _, key := range []string{"subdir", "features"} { // what old archives leave out, the channel says
		if want[key] == nil {
			delete(want, key)
			record[key] = nil
		}
	}
	if diff := cmp.Diff(want, facts(record)); diff != "" {
		t.Errorf("%s: the archive (-) and its record (+):\n%s", name, diff)
	}
}

// TestDownloadsExtract unpacks what comes down with conda-package-handling.
func TestDownloadsExtract(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	ada := s.person(t, "ada")
	var paths []string
	for _, p := range varied(t) {
		s.upload(t, ada, "ada", p)
		got := s.status(t, http.StatusOK, "/conda/ada/"+p.subdir()+"/"+filepath.Base(p.path), "").body
		path := filepath.Join(t.TempDir(), filepath.Base(p.path))
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for path, in := range extract(t, paths...) {
		if in.Error != "" {
			t.Errorf("%s: %s", filepath.Base(path), in.Error)
			continue
		}
		if len(in.Files) < 3 {
			t.Errorf("%s holds only %q", filepath.Base(path), in.Files)
		}
		subdir := in.Index["subdir"].(string)
		agree(t, filepath.Base(path), s.index(t, "ada", subdir, "")[filepath.Base(path)], in)
	}
}

// notPackages are real files that have to be refused, by their name: no names of
// packages, no archives, or without what a .conda has to hold.
func notPackages() map[string]bool {
	out := map[string]bool{}
	for name := range strings.FieldsSeq(`a.tar.bz2 b.tar.bz2 subfolder.tar.bz2 subfolder2.tar.bz2 another_bad_package.conda bad_package.tar.bz2
		ca-certificates-2024.7.4-hbcca054_0.conda dotslash-test-1.0.0-0.conda info-only-1.0.0-0.conda sparse-test-1.0.0-0.conda
		symlink-test-1.0.0-0.conda zip64-test-1.0.0-0.conda`) {
		out[name] = true
	}
	return out
}

// oldSubdir is where the one archive belongs that does not say it.
const oldSubdir = "linux-64"

// TestRealPackages uploads every archive of ../shared/testdata, which nobody here
// made, and compares each record with what conda-package-handling reads.
func TestRealPackages(t *testing.T) {
	root := os.Getenv("TERRARIUM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "testdata")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); err != nil {
		t.Skip("../shared/testdata is not here")
	}
	t.Parallel()
	s := serve(t, emptyPlace(t))
	ada := s.person(t, "real")
	refused := notPackages()
	var paths []string
	err = filepath.WalkDir(filepath.Join(root, "packages"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 113 {
		t.Errorf("%s holds %d archives, want 113", root, len(paths))
	}
	// Some names occur in several projects: each path gets a channel of its own.
	type place struct{ channel, name string }
	taken := map[place]string{}
	at := map[string]string{} // path → channel
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, channel := filepath.Base(path), "real"
		if other, ok := taken[place{channel, name}]; ok && other != path {
			channel = "real/second"
			if _, ok := taken[place{channel, name}]; ok {
				channel = "real/third"
			}
		}
		a := s.ask(t, http.MethodPost, "/api/v1/upload/"+channel, ada.token, bytes.NewReader(b), "X-File-Name: "+name)
		if strings.Contains(string(a.body), "subdir-missing") { // an old archive: the address says it
			a = s.ask(t, http.MethodPut, "/conda/"+channel+"/"+oldSubdir+"/"+name, ada.token, bytes.NewReader(b))
		}
		switch {
		case refused[name]:
			if a.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d, want 422: %s", name, a.status, a.body)
			}
		case a.status == http.StatusCreated:
			taken[place{channel, name}] = path
			at[path] = channel
		default:
			t.Errorf("%s to %s: %d: %s", name, channel, a.status, a.body)
		}
	}
	compared, unread := 0, 0
	index := map[string]map[string]map[string]any{}
	for path, in := range extract(t, paths...) {
		channel, ok := at[path]
		if !ok {
			continue
		}
		if strings.Contains(in.Error, "seeking backwards") {
			unread++ // members in an order that this client does not expect
			continue
		}
		if in.Error != "" {
			t.Errorf("%s was taken, but conda-package-handling says %s", path, in.Error)
			continue
		}
		subdir, _ := in.Index["subdir"].(string)
		if subdir == "" {
			subdir = oldSubdir
		}
		key := channel + " " + subdir
		if index[key] == nil {
			index[key] = s.index(t, channel, subdir, "")
		}
		record := index[key][filepath.Base(path)]
		if record == nil {
			t.Errorf("%s is not in the index of %s", filepath.Base(path), key)
			continue
		}
		agree(t, filepath.Base(path), record, in)
		compared++
	}
	if want := len(paths) - len(refused); compared+unread != want || unread > 2 {
		t.Errorf("compared %d records and %d archives cannot be read, want %d and at most 2", compared, unread, want)
	}
	s.sameRecords(t, "real", 50)
	s.must(t, "", "fsck", "--digests")
}
