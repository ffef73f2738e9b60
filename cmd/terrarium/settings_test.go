package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/app"
)

// TestFlagsAreTheSettings holds the flags of the command line to the table of
// settings: each setting has a flag of its name, and no flag is without one.
func TestFlagsAreTheSettings(t *testing.T) {
	var flags []string
	for i := range reflect.TypeFor[settings]().NumField() {
		flags = append(flags, flagKey(reflect.TypeFor[settings]().Field(i)))
	}
	want := []string{"config"}
	for _, s := range app.Settings() {
		want = append(want, s.Key)
	}
	if !slices.Equal(flags, want) {
		t.Errorf("flags  %v\nsettings %v", flags, want)
	}
}

func TestExitStatus(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	patch := filepath.Join(t.TempDir(), "patch_instructions.json")
	if err := os.WriteFile(patch, []byte(`{"patch_instructions_version":1,"remove":["a-1.0-0.conda"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		stdin  string
		code   int
		stdout string
		stderr string
	}{
		{"version", []string{"version"}, "", 0, "terrarium ", ""},
		{"config", []string{"config", "--data", data}, "", 0, data, ""},
		{"config before", []string{"--data", data, "config", "--json"}, "", 0, `"source": "flag"`, ""},
		{"usage", []string{"frobnicate"}, "", 2, "", "terrarium: "},
		{"nothing", nil, "", 2, "", "terrarium: "},
		{"refused setting", []string{"config", "--url", "nonsense"}, "", 1, "", "terrarium: url is"},
		{"user", []string{"user", "create", "ana", "--email", "ana@example.com", "--password-stdin", "--data", data}, "correct horse battery\n", 0, "ana made", ""},
		{"user again", []string{"--data", data, "user", "create", "ana", "--email", "ana2@example.com"}, "", 1, "", "ana"},
		{"reserved name", []string{"--data", data, "user", "create", "admin", "--email", "a@example.com"}, "", 1, "", "terrarium: Username admin is reserved. Free: admin-lab, admin1.\n"},
		{"user list", []string{"user", "list", "--json", "--data", data}, "", 0, `"name": "ana"`, ""},
		{"token", []string{"token", "create", "--user", "ana", "--name", "ci", "--expires", "30d", "--data", data}, "", 0, "tm-", ""},
		{"token of nobody", []string{"token", "create", "--user", "eve", "--name", "ci", "--data", data}, "", 1, "", "eve"},
		{"token life", []string{"token", "create", "--user", "ana", "--name", "x", "--expires", "soon", "--data", data}, "", 1, "", "soon"},
		{"fsck", []string{"fsck", "--data", data}, "", 0, "0 files", ""},
		{"gc", []string{"gc", "--dry-run", "--data", data}, "", 0, "would sweep", ""},
		{"migrate", []string{"migrate", "--data", data}, "", 0, "schema ", ""},
		{"disable", []string{"user", "disable", "ana", "--data", data}, "", 0, "ana disabled", ""},
		{"patch", []string{"channel", "patch", "ana/main", patch, "--subdir", "noarch", "--data", data}, "", 0, "noarch: 0 records changed, 0 removed, 0 as wanted already, 1 not in the index", ""},
		{"patch of no subdir", []string{"channel", "patch", "ana/main", patch, "--data", data}, "", 1, "", "Say which subdir"},
		{"patch from nowhere", []string{"channel", "patch", "ana/main", "/nowhere.json", "--data", data}, "", 1, "", "/nowhere.json"},
		{"import from nowhere", []string{"channel", "import", "ana/main", "/nowhere", "--data", data}, "", 1, "", "/nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), c.args, strings.NewReader(c.stdin), &stdout, &stderr)
			if code != c.code {
				t.Fatalf("exit %d, want %d\nstdout: %s\nstderr: %s", code, c.code, &stdout, &stderr)
			}
			if !strings.Contains(stdout.String(), c.stdout) {
				t.Errorf("stdout %q lacks %q", &stdout, c.stdout)
			}
			if !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("stderr %q lacks %q", &stderr, c.stderr)
			}
			if c.code == exitFailed && strings.Count(strings.TrimSpace(stderr.String()), "\n") > 0 {
				t.Errorf("stderr is more than one sentence: %q", &stderr)
			}
			if c.name == "token" && strings.Count(stdout.String(), "\n") != 1 {
				t.Errorf("token create prints more than the token: %q", &stdout)
			}
		})
	}
}

// TestBackup writes a backup and loads it into an empty place, where fsck finds
// nothing wrong; into a place with accounts it is refused.
func TestBackup(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	file := filepath.Join(t.TempDir(), "all.backup")
	terrarium := func(want int, args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, strings.NewReader("correct horse battery\n"), &stdout, &stderr); code != want {
			t.Fatalf("%v: exit %d, want %d: %s", args, code, want, &stderr)
		}
		return stdout.String() + stderr.String()
	}
	terrarium(0, "user", "create", "ana", "--email", "ana@example.com", "--password-stdin", "--data", from)
	terrarium(0, "backup", file, "--data", from)
	if out := terrarium(1, "backup", file, "--data", from); !strings.Contains(out, "exists already") {
		t.Errorf("a second backup into the same file says %q", out)
	}
	terrarium(0, "restore", file, "--data", to)
	terrarium(0, "fsck", "--digests", "--data", to)
	if out := terrarium(0, "user", "list", "--data", to); !strings.Contains(out, "ana@example.com") {
		t.Errorf("after restoring, user list says %q", out)
	}
	if out := terrarium(1, "restore", file, "--data", to); !strings.Contains(out, "empty one") {
		t.Errorf("restoring over accounts says %q", out)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.backup")
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	third := filepath.Join(t.TempDir(), "third")
	if out := terrarium(1, "restore", cut, "--data", third); !strings.Contains(out, "not a whole backup") {
		t.Errorf("restoring half a backup says %q", out)
	}
	if out := terrarium(0, "user", "list", "--data", third); strings.Contains(out, "ana") {
		t.Errorf("half a backup left rows: %q", out)
	}
}
