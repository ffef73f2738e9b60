//go:build clients

// Package clients drives the real program with stock clients: anaconda-client,
// py-rattler, py-rattler-build, conda-package-handling, python-zstandard, the
// zstd program and aiosmtpd. `make test-clients` runs it twice: over SQLite and a
// folder, then, where TEST_POSTGRES is set, over PostgreSQL and S3. What a client
// did is looked at through another door than the one that it used.
package clients

import (
	"bytes"
	"encoding/json/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/internal/condatest"
)

// script runs one of the Python programs of scripts/ and reads its answer.
func script(t testing.TB, answer any, env []string, request any, name string, args ...string) {
	t.Helper()
	stdin, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(filepath.Join("scripts", name))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python(t), append([]string{path}, args...)...)
	cmd.Env, cmd.Stdin, cmd.Dir = env, bytes.NewReader(stdin), t.TempDir()
	o := end(t, cmd)
	if o.status != 0 {
		t.Fatalf("%s: status %d: %s", name, o.status, o.stderr)
	}
	if err := json.Unmarshal([]byte(o.stdout), answer); err != nil {
		t.Fatalf("%s: %v: %s%s", name, err, o.stdout, o.stderr)
	}
}

// newcomer makes a person whose name is free on the server: it is made of the
// role and the name of the test.
func (s *server) newcomer(t testing.TB, role string) person {
	t.Helper()
	_, test, _ := strings.Cut(t.Name(), "/")
	test = strings.NewReplacer("/", "-", "_", "-").Replace(strings.ToLower(test))
	return s.person(t, role+"-"+test)
}

// spec is a small package of a name and version.
func spec(name, version string) condatest.Spec {
	return condatest.Spec{Name: name, Version: version, License: "MIT", Summary: "The package " + name}
}
