package app_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

// written puts bytes into a new file and gives its path.
func written(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "backup.tar")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// filled is an instance with a public and a private package, and what /api/v1
// gives as its backup.
func filled(t *testing.T) (a *apptest.App, root, ana *apptest.Person, whole []byte) {
	t.Helper()
	a = apptest.New(t)
	root, ana = a.Operator(t, "root"), a.User(t, "ana")
	ana.Upload(t, "ana", condatest.Spec{Name: "soil"}, "")
	ana.Upload(t, "ana", condatest.Spec{Name: "shut"}, "private=true")
	return a, root, ana, a.Want(t, http.StatusOK, "GET", "/api/v1/backup", apptest.Request{Token: root.Token}).Body
}

// TestBackupOverHTTP: what /api/v1 gives is what `terrarium restore` takes, into
// an empty place, where everything is again.
func TestBackupOverHTTP(t *testing.T) {
	a, root, ana, whole := filled(t)
	file := written(t, whole)
	if err := a.Restore(t.Context(), file); !errs.Is(err, errs.Conflict) {
		t.Errorf("restore into a place in use: %v", err)
	}
	other := apptest.New(t)
	if err := other.Restore(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	other.Restart()
	report, err := other.Fsck(t.Context(), true)
	if err != nil || len(report.Faults) > 0 || report.Orphans > 0 || report.Files != 2 {
		t.Errorf("fsck of the restored: %+v, %v", report, err)
	}
	for _, path := range []string{"/conda/ana/noarch/soil-1.0-0.conda", "/conda/ana/noarch/shut-1.0-0.conda"} {
		as := apptest.Request{Token: ana.Token}
		if want, got := a.Want(t, http.StatusOK, "GET", path, as), other.Want(t, http.StatusOK, "GET", path, as); !bytes.Equal(want.Body, got.Body) {
			t.Errorf("%s has other bytes", path)
		}
	}
	other.Want(t, http.StatusNotFound, "GET", "/conda/ana/noarch/shut-1.0-0.conda", apptest.Request{})

	log := a.Want(t, http.StatusOK, "GET", "/api/v1/audit?owner=*&action=instance.backup", apptest.Request{Token: root.Token})
	if !strings.Contains(string(log.Body), `"actor":"root"`) {
		t.Errorf("the log does not say who read everything: %s", log)
	}
	before := a.Rows(t)
	if got := a.Want(t, http.StatusOK, "HEAD", "/api/v1/backup", apptest.Request{Token: root.Token}); got.Header.Get("Content-Type") != "application/x-tar" {
		t.Errorf("HEAD says %v", got.Header)
	}
	limited := root.NewToken(t, tokenOf("api:read"))
	a.Want(t, http.StatusForbidden, "GET", "/api/v1/backup", apptest.Request{Token: limited})
	a.Want(t, http.StatusForbidden, "GET", "/api/v1/backup", apptest.Request{Token: ana.Token})
	for _, c := range a.Rows(t).Since(t, before) {
		if c.Table == "audit" && c.Row["action"] == "instance.backup" {
			t.Error("who was refused, or looked at the headers, stands in the log as who read everything")
		}
	}
}

// TestCutBackup: a backup that breaks off is told from a whole one, by who asked
// for it and by restore, wherever it was cut.
func TestCutBackup(t *testing.T) {
	a, root, _, whole := filled(t)
	blobs := a.Stored(t)
	last := blobs[len(blobs)-1] // a disk that fails in the middle
	if err := errors.Join(os.Remove(last), os.Mkdir(last, 0o700)); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.Base+"/api/v1/backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+root.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cut, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the client is told %s and %v, want a body that ends early", resp.Status, err)
	}
	other := apptest.New(t)
	if err := other.Restore(t.Context(), written(t, cut)); !errs.Is(err, errs.Invalid) {
		t.Errorf("restore of what came: %v", err)
	}
	counted := bytes.NewReader(whole)
	for r := tar.NewReader(counted); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err) // end.json comes first
		}
		if h.Name == "end.json" {
			break
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		at := (int64(len(whole)) - int64(counted.Len()) + 511) / 512 * 512
		cuts := []int64{at}
		if h.Name == "database.jsonl" {
			cuts = append(cuts, at+600) // within the first blob
		}
		for _, cut := range cuts {
			if err := other.Restore(t.Context(), written(t, whole[:cut])); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Message(err), "not a whole backup") {
				t.Errorf("restore of the first %d bytes, of which %s ends at %d: %v", cut, h.Name, at, err)
			}
		}
	}
	if err := other.Restore(t.Context(), written(t, whole)); err != nil {
		t.Errorf("restore of the whole after the broken ones: %v", err)
	}
}

// TestBackupOfFormat1: what was written before there was an end is read.
func TestBackupOfFormat1(t *testing.T) {
	_, _, _, whole := filled(t)
	rewrite := func(change func(name string, b []byte) []byte) string {
		var out bytes.Buffer
		r, w := tar.NewReader(bytes.NewReader(whole)), tar.NewWriter(&out)
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if b = change(h.Name, b); b == nil {
				continue
			}
			h.Size = int64(len(b))
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return written(t, out.Bytes())
	}
	a := apptest.New(t)
	missing, old := 0, 0
	short := rewrite(func(name string, b []byte) []byte {
		if strings.HasPrefix(name, "blobs/") {
			if missing++; missing == 1 {
				return nil
			}
		}
		return b
	})
	if err := a.Restore(t.Context(), short); missing == 0 || !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Cause(err).Error(), "instead of") {
		t.Errorf("restore without one of %d blobs: %v", missing, err)
	}
	earlier := rewrite(func(name string, b []byte) []byte {
		switch name {
		case "manifest.json":
			old = bytes.Count(b, []byte(`"format":2`))
			return bytes.Replace(b, []byte(`"format":2`), []byte(`"format":1`), 1)
		case "end.json":
			return nil
		}
		return b
	})
	if err := a.Restore(t.Context(), earlier); old != 1 || err != nil {
		t.Fatalf("restore of format 1: %v", err)
	}
	if report, err := a.Fsck(t.Context(), true); err != nil || len(report.Faults) > 0 || report.Files != 2 {
		t.Errorf("fsck: %+v, %v", report, err)
	}
}
