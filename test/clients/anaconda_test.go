//go:build clients

package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The two ways in which the command `anaconda` runs: anaconda-cli-base with
// anaconda-client as its plug-in, and anaconda-client alone.
const (
	plugin     = "plugin"
	standalone = "standalone"
)

// anaconda is one person's command `anaconda`, with a home of its own.
type anaconda struct {
	mode, home string
	env        []string
}

// anaconda gives the command with an address and, unless it is empty, a token.
func (s *server) anaconda(t testing.TB, mode, token string) *anaconda {
	t.Helper()
	a := &anaconda{mode: mode, home: t.TempDir()}
	a.env = []string{
		"PATH=" + filepath.Dir(python(t)) + ":" + os.Getenv("PATH"), "HOME=" + a.home, "BINSTAR_CONFIG_DIR=" + a.home, "COLUMNS=300", "NO_COLOR=1",
		"OTEL_SDK_DISABLED=true", "ANACONDA_TELEMETRY_ENABLED=false", "PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring", "PYTHONDONTWRITEBYTECODE=1",
	}
	if token != "" {
		a.env = append(a.env, "ANACONDA_API_TOKEN="+token)
	}
	if mode == standalone {
		a.env = append(a.env, "ANACONDA_CLIENT_FORCE_STANDALONE=1")
	}
	if err := os.MkdirAll(filepath.Join(a.home, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.config(), []byte("url: "+s.url+"/api\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// config is the client's configuration file.
func (a *anaconda) config() string { return filepath.Join(a.home, "data", "config.yaml") }

// run runs a command without a terminal.
func (a *anaconda) run(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	switch args[0] {
	case "whoami", "logout", "auth": // at the top level these are anaconda-auth's
		if a.mode == plugin {
			args = append([]string{"org"}, args...)
		}
	}
	cmd := exec.CommandContext(t.Context(), beside(t, "anaconda"), args...)
	cmd.Env, cmd.Dir, cmd.Stdin = a.env, a.home, strings.NewReader(stdin)
	return end(t, cmd)
}

// must runs a command that has to succeed and gives what it printed.
func (a *anaconda) must(t testing.TB, args ...string) string {
	t.Helper()
	o := a.run(t, "", args...)
	if o.status != 0 {
		t.Fatalf("anaconda %s: status %d: %s", strings.Join(args, " "), o.status, o.all())
	}
	return o.all()
}

// refused runs a command that has to end with status 1 and say these words.
func (a *anaconda) refused(t testing.TB, words string, args ...string) {
	t.Helper()
	o := a.run(t, "", args...)
	if o.status != 1 {
		t.Errorf("anaconda %s: status %d, want 1: %s", strings.Join(args, " "), o.status, o.all())
	}
	said(t, o.all(), words)
}

// said holds an output to some words, however it was broken into lines.
func said(t testing.TB, output string, words ...string) {
	t.Helper()
	text := strings.Join(strings.Fields(output), " ")
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("it says %q, want %q in it", text, w)
		}
	}
}

// TestAnaconda runs every command of anaconda-client 1.16.0 that a registry of
// conda packages answers, in both modes.
func TestAnaconda(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	tests := []struct {
		name string
		run  func(*testing.T, *server, string)
	}{
		{"upload", testUpload},
		{"force", testForce},
		{"refusals", testRefusals},
		{"labelled", testUploadLabels},
		{"private", testUploadPrivate},
		{"remove", testRemove},
		{"label", testLabel},
		{"move", testMove},
		{"copy", testCopy},
		{"download", testDownload},
		{"show", testShow},
		{"search", testSearch},
		{"update", testUpdate},
		{"package", testPackage},
		{"login", testLogin},
		{"auth", testAuth},
		{"groups", testGroups},
		{"config", testConfig},
	}
	for _, mode := range []string{plugin, standalone} {
		for _, test := range tests {
			t.Run(mode+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				test.run(t, s, mode)
			})
		}
	}
}
