//go:build clients

package clients

import (
	"encoding/json/v2"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/sample"
)

// rattler is py-rattler with a cache of its own, which outlives its processes.
type rattler struct {
	cache string
	env   []string
	zst   bool // no shards: repodata.json.zst
}

func newRattler(t testing.TB) *rattler {
	t.Helper()
	home := t.TempDir()
	return &rattler{cache: filepath.Join(home, "cache"), env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "RATTLER_AUTH_FILE=" + filepath.Join(home, "auth.json")}}
}

// credential keeps one for the loopback, in the way that rattler does.
func (r *rattler) credential(t testing.TB, s *server, value any) {
	t.Helper()
	host := strings.TrimPrefix(s.url, "http://")
	name, _, _ := strings.Cut(host, ":")
	b, err := json.Marshal(map[string]any{host: value, name: value})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(r.cache), "auth.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// found is what rattler made of a request: records, or what a person reads.
type found struct {
	Records []map[string]any `json:"records"`
	Error   string           `json:"error"`
}

// files are the names of the files that it found.
func (f found) files() []string {
	var out []string
	for _, r := range f.Records {
		out = append(out, r["fn"].(string))
	}
	slices.Sort(out)
	return out
}

// run carries one verb of scripts/with_rattler.py out on linux-64.
func (r *rattler) run(t testing.TB, verb, channel, prefix string, specs ...string) found {
	t.Helper()
	var f found
	script(t, &f, r.env, map[string]any{
		"verb": verb, "channel": channel, "platforms": []string{"linux-64", "noarch"}, "specs": specs, "cache": r.cache, "shards": !r.zst, "prefix": prefix,
	}, "with_rattler.py")
	return f
}

// sees holds what rattler finds of a name to these files.
func (r *rattler) sees(t testing.TB, channel, name string, want ...string) {
	t.Helper()
	f := r.run(t, "query", channel, "", name)
	if f.Error != "" {
		t.Fatalf("rattler: %s", f.Error)
	}
	slices.Sort(want)
	if got := f.files(); !slices.Equal(got, want) {
		t.Errorf("rattler finds %q of %s, want %q", got, name, want)
	}
}

// TestRattlerInstallsTheSample solves and installs each noarch package of the
// sample channel, and the program for linux-64, from that channel alone.
func TestRattlerInstallsTheSample(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t), "--sample")
	channel := s.url + "/conda/" + sample.Owner
	packages, err := sample.Packages()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"terrarium-hello": "bin/terrarium-hello"}
	for name := range s.index(t, sample.Owner, "noarch", "") {
		f, err := conda.ParseFileName(name)
		if err != nil {
			t.Fatal(err)
		}
		names[f.Name] = "share/" + f.Name + "/about.txt"
	}
	if len(names) < 5 {
		t.Fatalf("the sample has %d names: %v", len(names), names)
	}
	total := 0
	for _, subdir := range []string{"noarch", "linux-64", "linux-aarch64", "osx-arm64", "win-64"} {
		total += len(s.index(t, sample.Owner, subdir, ""))
	}
	if total != len(packages) {
		t.Errorf("%d files are in the index, want the %d of the sample", total, len(packages))
	}
	for name, file := range names {
		for _, zst := range []bool{false, true} {
			t.Run(name+map[bool]string{false: "/shards", true: "/zst"}[zst], func(t *testing.T) {
				t.Parallel()
				r := newRattler(t)
				r.zst = zst
				prefix := filepath.Join(t.TempDir(), "environment")
				f := r.run(t, "install", channel, prefix, name)
				if f.Error != "" {
					t.Fatal(f.Error)
				}
				if _, err := os.Stat(filepath.Join(prefix, filepath.FromSlash(file))); err != nil {
					t.Error(err)
				}
				for _, record := range f.Records {
					meta := filepath.Join(prefix, "conda-meta", strings.TrimSuffix(strings.TrimSuffix(record["fn"].(string), ".conda"), ".tar.bz2")+".json")
					if _, err := os.Stat(meta); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// TestRattlerSeesEachChange: one cache, a Gateway for each question, as people's
// commands are; an upload, a label, a removal and a return show at the next one.
func TestRattlerSeesEachChange(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	for _, zst := range []bool{false, true} {
		t.Run(map[bool]string{false: "shards", true: "zst"}[zst], func(t *testing.T) {
			t.Parallel()
			ada := s.newcomer(t, "ada")
			first, second := pack(t, spec("tool", "1.0")), pack(t, spec("tool", "2.0"))
			r := newRattler(t)
			r.zst = zst
			channel := s.url + "/conda/" + ada.name
			r.sees(t, channel, "tool")
			s.upload(t, ada, ada.name, first)
			r.sees(t, channel, "tool", filepath.Base(first.path))
			s.upload(t, ada, ada.name, second)
			r.sees(t, channel, "tool", filepath.Base(first.path), filepath.Base(second.path))
			s.delete(t, ada, ada.name, first)
			r.sees(t, channel, "tool", filepath.Base(second.path))
			s.upload(t, ada, ada.name, first)
			r.sees(t, channel, "tool", filepath.Base(first.path), filepath.Base(second.path))
		})
	}
}

// TestRattlerAtThePast solves against a channel as it was, a snapshot of it, a
// frozen one and one that was rolled back, all while newer files are there.
func TestRattlerAtThePast(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	for _, zst := range []bool{false, true} {
		t.Run(map[bool]string{false: "shards", true: "zst"}[zst], func(t *testing.T) {
			t.Parallel()
			ada := s.newcomer(t, "ada")
			old, fresh := pack(t, spec("tool", "1.0")), pack(t, spec("tool", "2.0"))
			s.upload(t, ada, ada.name, old)
			s.upload(t, ada, ada.name, fresh)
			say := func(method, path, body string, want int) {
				t.Helper()
				if a := s.ask(t, method, "/api/v1/"+path, ada.token, strings.NewReader(body), "Content-Type: application/json"); a.status != want {
					t.Fatalf("%s %s: %d: %s", method, path, a.status, a.body)
				}
			}
			say(http.MethodPost, "channels", `{"owner":"`+ada.name+`","name":"kept","kind":"snapshot","source":"`+ada.name+`/main","at":"1"}`, http.StatusCreated)
			r := newRattler(t)
			r.zst = zst
			solves := func(channel string, want parcel) {
				t.Helper()
				f := r.run(t, "install", s.url+"/conda/"+ada.name+channel, t.TempDir(), "tool")
				if got := f.files(); f.Error != "" || !slices.Equal(got, []string{filepath.Base(want.path)}) {
					t.Errorf("rattler solves against %q to %q: %s", channel, got, f.Error)
				}
			}
			solves("", fresh)
			solves("/main/at/1", old)
			solves("/kept", old)
			say(http.MethodPatch, "channels/"+ada.name+"/main", `{"frozen":true,"frozen_at":"1"}`, http.StatusOK)
			solves("", old)
			say(http.MethodPatch, "channels/"+ada.name+"/main", `{"frozen":false}`, http.StatusOK)
			solves("", fresh)
			say(http.MethodPost, "generations/"+ada.name+"/main", `{"to":"1"}`, http.StatusOK)
			solves("", old)
			solves("/main/at/2", fresh)
			say(http.MethodPost, "generations/"+ada.name+"/main", `{"to":"2"}`, http.StatusOK)
			solves("", fresh)
			s.delete(t, ada, ada.name, old)
			solves("/kept", old) // out of the channel, and still in the trash
		})
	}
}

// delete removes a file by the classic API.
func (s *server) delete(t testing.TB, by person, owner string, p parcel) {
	t.Helper()
	a := s.ask(t, http.MethodDelete, "/api/dist/"+owner+"/"+p.Name+"/"+p.Version+"/"+p.subdir()+"/"+filepath.Base(p.path), by.token, nil)
	if a.status != http.StatusOK {
		t.Fatalf("delete %s: %d: %s", filepath.Base(p.path), a.status, a.body)
	}
}

// TestRattlerReadsWhatIsPrivate: with a token in the path, in the header and as a
// password; and to others neither the package nor its file.
func TestRattlerReadsWhatIsPrivate(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	ada, bob := s.person(t, "ada"), s.person(t, "bob")
	secret := pack(t, spec("secret", "1.0"))
	name := filepath.Base(secret.path)
	s.post(t, "/api/package/ada/secret", ada.token, map[string]any{"public": false, "public_attrs": map[string]any{"summary": "", "package_types": []string{"conda"}}})
	s.upload(t, ada, "ada", secret)
	plain := s.url + "/conda/ada"
	with := func(user *url.Userinfo) string {
		u, err := url.Parse(plain)
		if err != nil {
			t.Fatal(err)
		}
		u.User = user
		return u.String()
	}
	tests := []struct {
		name, channel string
		credential    any
		want          []string
	}{
		{"nobody", plain, nil, nil},
		{"stranger", plain, map[string]string{"BearerToken": bob.token}, nil},
		{"in the path", s.url + "/t/" + ada.token + "/conda/ada", nil, []string{name}},
		{"behind conda", s.url + "/conda/t/" + ada.token + "/ada", nil, []string{name}},
		{"bearer", plain, map[string]string{"BearerToken": ada.token}, []string{name}},
		{"conda token", plain, map[string]string{"CondaToken": ada.token}, []string{name}},
		{"basic", plain, map[string]any{"BasicHTTP": map[string]string{"username": "anybody", "password": ada.token}}, []string{name}},
		{"basic in the address", with(url.UserPassword("token", ada.token)), nil, []string{name}},
	}
	for _, test := range tests {
		for _, zst := range []bool{false, true} {
			t.Run(test.name+map[bool]string{false: "/shards", true: "/zst"}[zst], func(t *testing.T) {
				t.Parallel()
				r := newRattler(t)
				r.zst = zst
				if test.credential != nil {
					r.credential(t, s, test.credential)
				}
				r.sees(t, test.channel, "secret", test.want...)
				if len(test.want) == 0 {
					return
				}
				prefix := filepath.Join(t.TempDir(), "environment")
				if f := r.run(t, "install", test.channel, prefix, "secret"); f.Error != "" {
					t.Fatal(f.Error)
				}
				if _, err := os.Stat(filepath.Join(prefix, "share", "secret", "hello.txt")); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestRattlerReadsEveryRecord holds each record that rattler makes of the shards
// and of the whole document to what repodata.json says.
func TestRattlerReadsEveryRecord(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	ada := s.person(t, "ada")
	for _, p := range varied(t) {
		s.upload(t, ada, "ada", p)
	}
	s.sameRecords(t, "ada", len(varied(t)))
}

// varied are packages whose records have something of everything.
func varied(t testing.TB) []parcel {
	t.Helper()
	var out []parcel
	for _, f := range bothFormats() {
		out = append(out,
			pack(t, condatest.Spec{Name: "plain", Version: "1.0", Format: f}),
			pack(t, condatest.Spec{Name: "epoch", Version: "2!1.0.post1+local_1", Format: f, Subdir: "linux-64", License: "Apache-2.0 WITH LLVM-exception"}),
			pack(t, condatest.Spec{
				Name: "_odd.name-x", Version: "2024a", Build: "py312_2", BuildNumber: 2, Format: f, Noarch: "python",
				Depends: []string{"python >=3.8,<4.0a0", "plain 1.*", "epoch >=1.0 h*", "__linux"}, Constrains: []string{"other !=2", "third <0a0"}, Timestamp: 1700000000123,
			}),
		)
	}
	return out
}

// sameRecords compares all records of a channel, as rattler reads them in both
// ways, with repodata.json.
func (s *server) sameRecords(t *testing.T, channel string, atLeast int) {
	t.Helper()
	want := map[string]map[string]any{}
	names := map[string]bool{}
	for _, subdir := range []string{"linux-64", "noarch"} {
		for file, record := range s.index(t, channel, subdir, "") {
			want[subdir+"/"+file] = record
			names[record["name"].(string)] = true
		}
	}
	if len(want) < atLeast {
		t.Errorf("%s has %d records, want %d", channel, len(want), atLeast)
	}
	var specs []string
	for name := range names {
		specs = append(specs, name)
	}
	for _, zst := range []bool{false, true} {
		r := newRattler(t)
		r.zst = zst
		f := r.run(t, "query", s.url+"/conda/"+channel, "", specs...)
		if f.Error != "" {
			t.Fatal(f.Error)
		}
		missing := maps.Clone(want)
		for _, got := range f.Records {
			file := got["subdir"].(string) + "/" + got["fn"].(string)
			delete(missing, file)
			if got["url"] != s.url+"/conda/"+channel+"/"+file {
				t.Errorf("zst %t: %s is at %v", zst, file, got["url"])
			}
			if diff := cmp.Diff(facts(want[file]), facts(got)); diff != "" {
				t.Errorf("zst %t: %s: repodata.json (-) and rattler (+):\n%s", zst, file, diff)
			}
		}
		for file := range missing {
			// In the whole document rattler passes over the older of two equal packages.
			stem, old := strings.CutSuffix(file, ".tar.bz2")
			if twin := want[stem+".conda"] != nil; !zst || !old || !twin {
				t.Errorf("zst %t: rattler does not find %s", zst, file)
			}
		}
	}
}

// facts are the parts of a record that decide what is installed. What is absent
// and what is empty mean the same.
func facts(record map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range []string{
		"name", "version", "build", "build_number", "subdir", "depends", "constrains", "license", "license_family",
		"md5", "sha256", "size", "timestamp", "noarch", "features",
	} {
		switch v := record[key].(type) {
		case nil:
		case []any:
			if len(v) > 0 {
				out[key] = v
			}
		default:
			out[key] = v
		}
	}
	switch v := record["track_features"].(type) {
	case string:
		if v != "" {
			out["track_features"] = strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })
		}
	case []any:
		var words []string
		for _, w := range v {
			words = append(words, w.(string))
		}
		if len(words) > 0 {
			out["track_features"] = words
		}
	}
	return out
}
