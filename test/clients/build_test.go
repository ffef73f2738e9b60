//go:build clients

package clients

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"terrarium/internal/sample"
)

// builder is py-rattler-build with a home of its own.
type builder struct{ env []string }

func newBuilder(t testing.TB) builder {
	t.Helper()
	return builder{[]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}}
}

// run carries one verb of scripts/with_rattler_build.py out.
func (b builder) run(t testing.TB, request map[string]any) (files []string, problem string) {
	t.Helper()
	var answer struct {
		Files []string `json:"files"`
		Error string   `json:"error"`
	}
	script(t, &answer, b.env, request, "with_rattler_build.py")
	return answer.Files, answer.Error
}

// build builds a recipe for linux-64 and gives the one package.
func (b builder) build(t testing.TB, recipe, format string, channels ...string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "recipe.yaml")
	if err := os.WriteFile(path, []byte(recipe), 0o600); err != nil {
		t.Fatal(err)
	}
	if channels == nil {
		channels = []string{}
	}
	files, problem := b.run(t, map[string]any{
		"verb": "build", "recipe": path, "output": filepath.Join(dir, "out"), "channels": channels, "platform": "linux-64", "format": format,
	})
	if problem != "" || len(files) != 1 {
		t.Fatalf("rattler-build made %q: %s", files, problem)
	}
	return files[0]
}

// terrace is a recipe that needs a package of the sample channel to be built and
// to run.
const terrace = `
package: {name: terrace, version: "1.2.3"}
build: {script: ["test -f $PREFIX/share/soil/about.txt", "mkdir -p $PREFIX/share/terrace", "echo planted > $PREFIX/share/terrace/about.txt"]}
requirements: {host: [soil], run: [soil >=1.1, fern]}
about: {license: MIT, summary: Built by a stock builder}
`

// TestBuilder builds packages with the stock builder out of our channel, uploads
// them by each of its doors, and installs them.
func TestBuilder(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t), "--sample")
	doors := map[string]func(t *testing.T, b builder, by person, file string) string{
		"anaconda": func(t *testing.T, b builder, by person, file string) string {
			_, problem := b.run(t, map[string]any{
				"verb": "anaconda", "files": []string{file}, "owner": by.name, "channels": []string{"main"}, "token": by.token, "url": s.url + "/api", "force": false,
			})
			return problem
		},
		"prefix": func(t *testing.T, b builder, by person, file string) string {
			_, problem := b.run(t, map[string]any{
				"verb": "prefix", "files": []string{file}, "url": s.url, "channel": by.name, "token": by.token, "skip_existing": false,
			})
			return problem
		},
		"stock client": func(t *testing.T, _ builder, by person, file string) string {
			s.anaconda(t, standalone, by.token).must(t, "upload", file)
			return ""
		},
	}
	for name, upload := range doors {
		for _, format := range []string{"conda", "tar-bz2"} {
			t.Run(name+"/"+format, func(t *testing.T) {
				t.Parallel()
				ada := s.newcomer(t, "ada")
				b := newBuilder(t)
				file := b.build(t, terrace, format, s.url+"/conda/"+sample.Owner)
				if problem := upload(t, b, ada, file); problem != "" {
					t.Fatal(problem)
				}
				s.listed(t, ada.name, "linux-64", "", filepath.Base(file))
				agree(t, filepath.Base(file), s.index(t, ada.name, "linux-64", "")[filepath.Base(file)], extract(t, file)[file])

				// What it needs lies in the sample channel: a copy into this one.
				for _, p := range []string{"soil", "moss", "fern"} {
					s.copyAll(t, ada, sample.Owner, p)
				}
				prefix := filepath.Join(t.TempDir(), "environment")
				if f := newRattler(t).run(t, "install", s.url+"/conda/"+ada.name, prefix, "terrace"); f.Error != "" {
					t.Fatal(f.Error)
				}
				for _, path := range []string{"share/terrace/about.txt", "share/soil/about.txt", "share/fern/about.txt"} {
					if _, err := os.Stat(filepath.Join(prefix, path)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	t.Run("a file that exists", func(t *testing.T) {
		t.Parallel()
		ada := s.newcomer(t, "ada")
		b := newBuilder(t)
		file := b.build(t, terrace, "conda", s.url+"/conda/"+sample.Owner)
		request := map[string]any{
			"verb": "anaconda", "files": []string{file}, "owner": ada.name, "channels": []string{"main"}, "token": ada.token, "url": s.url + "/api", "force": false,
		}
		if _, problem := b.run(t, request); problem != "" {
			t.Fatal(problem)
		}
		if _, problem := b.run(t, request); problem == "" {
			t.Error("a second upload of the same file is taken without force")
		}
		request["force"] = true
		if _, problem := b.run(t, request); problem != "" {
			t.Errorf("with force: %s", problem)
		}
		s.listed(t, ada.name, "linux-64", "", filepath.Base(file))
	})
}

// copyAll copies every release of a package to a person.
func (s *server) copyAll(t testing.TB, to person, owner, name string) {
	t.Helper()
	doc := object(t, s.status(t, http.StatusOK, "/api/package/"+owner+"/"+name, "").body)
	for _, v := range doc["versions"].([]any) {
		a := s.ask(t, http.MethodPatch, "/api/copy/package/"+owner+"/"+name+"/"+v.(string)+"/", to.token,
			jsonBody(t, map[string]any{"to_owner": to.name, "from_channel": "main", "to_channel": "main"}), "Content-Type: application/json")
		if a.status != http.StatusOK {
			t.Fatalf("copy %s/%s/%s: %d: %s", owner, name, v, a.status, a.body)
		}
	}
}
