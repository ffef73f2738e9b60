package crash

import (
	"encoding/json/v2"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"terrarium/test/program"
)

// another is the owner that is deleted and erased; the files of the others are there
// before and after.
const another = "another"

// eraseOne deletes an owner with some hundreds of files, lets the time pass in which
// that can be undone, and erases it.
func eraseOne(t *testing.T, w *world) {
	env := w.store.Env
	w.store.Env = nil
	list := map[string]any{}
	for i := range 500 {
		name := fmt.Sprintf("p%03d-1.0-0.conda", i)
		list[name] = map[string]any{
			"name": fmt.Sprintf("p%03d", i), "version": "1.0", "build": "0", "build_number": 0, "subdir": "noarch", "depends": []string{},
			"size": 1000, "md5": fmt.Sprintf("%032x", i), "sha256": fmt.Sprintf("%064x", i),
		}
	}
	document, err := json.Marshal(map[string]any{"info": map[string]any{"subdir": "noarch"}, "packages": map[string]any{}, "packages.conda": list})
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	if err := os.MkdirAll(filepath.Join(source, "noarch"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "noarch", "repodata.json"), document, 0o644); err != nil {
		t.Fatal(err)
	}
	w.store.Do(t, "user", "create", another, "--email", another+"@example.com")
	w.store.Do(t, "channel", "import", another+"/main", source, "--subdir", "noarch", "--metadata-only")
	w.store.Do(t, "owner", "delete", another)
	w.rows(t, "UPDATE owners SET deleted_at = $1 WHERE deleted_at IS NOT NULL", time.Now().AddDate(0, 0, -8).UTC())
	w.store.Env = env
	if f := w.store.Command(t, "gc"); f.State.String() != "signal: killed" {
		t.Fatalf("gc ended with %v\n%s%s", f.State, f.Stdout, f.Stderr)
	}
	if n := w.left(t); n == 0 || n >= 500 {
		t.Errorf("%d files of 500 are left by the first run", n)
	}
}

// eraseAgain goes on where the first run was ended.
func eraseAgain(t *testing.T, w *world, server *program.Server) {
	if status, body := fetch(t, server, another+"/noarch/repodata.json"); status != 404 {
		t.Errorf("the channel of an owner that is half erased: %d %s", status, body)
	}
	w.store.Do(t, "gc")
	if n := w.left(t); n != 0 {
		t.Errorf("%d files are left by the second run", n)
	}
	if f := w.store.Command(t, "owner", "restore", another); f.State.Success() {
		t.Error("what was erased could be restored")
	}
}

// left counts the files of the deleted owner.
func (w *world) left(t *testing.T) (n int) {
	t.Helper()
	w.row(t, &n, "SELECT count(*) FROM file_rows f JOIN owners o ON o.id = f.owner_id WHERE o.name = $1", another)
	return n
}
