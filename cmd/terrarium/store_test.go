package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// command runs one command and gives its output after the status was looked at.
func command(t *testing.T, want int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, strings.NewReader("correct horse battery\n"), &stdout, &stderr); code != want {
		t.Fatalf("%v: exit %d, want %d: %s", args, code, want, &stderr)
	}
	return stdout.String() + stderr.String()
}

// TestWrongDatabase: a database that is not the one of the blob store, by a slip or
// a missing mount, neither starts nor sweeps: all bytes would be orphans.
func TestWrongDatabase(t *testing.T) {
	root := t.TempDir()
	data, other := filepath.Join(root, "data"), filepath.Join(root, "other")
	blobs := "file:" + filepath.Join(data, "blobs")
	command(t, 0, "user", "create", "ana", "--email", "ana@example.com", "--password-stdin", "--data", data)

	absent := filepath.Join(root, "absnet", "terrarium.db")
	if out := command(t, 1, "user", "list", "--data", data, "--database", "sqlite:"+absent); !strings.Contains(out, filepath.Dir(absent)) || !strings.Contains(out, "no folder") {
		t.Errorf("a database in a folder that is not there: %q", out)
	}
	if _, err := os.Stat(filepath.Dir(absent)); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}

	orphan := filepath.Join(data, "blobs", "sha256", "ab", strings.Repeat("c", 62))
	if err := os.MkdirAll(filepath.Dir(orphan), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan, []byte("bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"gc", "--grace", "1ns", "--data", other, "--blobs", blobs},
		{"gc", "--grace", "1ns", "--data", data, "--database", "sqlite:" + filepath.Join(data, "terarium.db")},
		{"serve", "--listen", "127.0.0.1:0", "--data", other, "--blobs", blobs},
		{"worker", "--data", other, "--blobs", blobs},
	} {
		out := command(t, 1, args...)
		if !strings.Contains(out, "belongs to another instance") || strings.Count(strings.TrimSpace(out), "\n") > 0 {
			t.Errorf("%v: %q", args, out)
		}
		if _, err := os.Stat(orphan); err != nil {
			t.Fatalf("%v swept: %v", args, err)
		}
	}
	// Its own database goes on; and a store of before the mark gets one.
	mark := filepath.Join(data, "blobs", "instance")
	was, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	command(t, 0, "fsck", "--data", data)
	if is, err := os.ReadFile(mark); err != nil || !bytes.Equal(is, was) {
		t.Errorf("the mark is %q, %v; want %q", is, err, was)
	}
	command(t, 0, "gc", "--grace", "1ns", "--data", data)
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Errorf("its own database does not sweep: %v", err)
	}
}

// TestRestoredIsItself: what is restored elsewhere has its own store, which the
// database of the backup cannot sweep, and the other way round.
func TestRestoredIsItself(t *testing.T) {
	root := t.TempDir()
	from, to, file := filepath.Join(root, "from"), filepath.Join(root, "to"), filepath.Join(root, "all.backup")
	command(t, 0, "user", "create", "ana", "--email", "ana@example.com", "--password-stdin", "--data", from)
	command(t, 0, "backup", file, "--data", from)
	command(t, 0, "restore", file, "--data", to)
	for _, data := range []string{from, to} {
		command(t, 0, "gc", "--data", data)
		if out := command(t, 0, "user", "list", "--data", data); !strings.Contains(out, "ana@example.com") {
			t.Errorf("user list of %s: %q", data, out)
		}
	}
	command(t, 1, "gc", "--data", from, "--blobs", "file:"+filepath.Join(to, "blobs"))
	command(t, 1, "gc", "--data", to, "--blobs", "file:"+filepath.Join(from, "blobs"))
	err := filepath.WalkDir(filepath.Join(to, "blobs", "tmp"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s was left behind", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
