package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"terrarium/internal/blob"
	"terrarium/internal/blob/blobtest"
	"terrarium/internal/dial"
	"terrarium/internal/errs"
)

func open(t *testing.T, address string, opts blob.Options) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), address, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFolder(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) *blob.Store {
		return open(t, "file:"+filepath.Join(t.TempDir(), "deep", "blobs"), blob.Options{})
	})
}

func TestMemory(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) *blob.Store { return open(t, "mem:", blob.Options{Spool: t.TempDir()}) })
}

// fakeS3 starts a server and gives the address of a bucket on it.
func fakeS3(t *testing.T) (address string, server *httptest.Server) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("packages"); err != nil {
		t.Fatal(err)
	}
	server = httptest.NewServer(gofakes3.New(backend, gofakes3.WithoutVersioning()).Server())
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	return "s3://packages?use_path_style=true&region=eu-west-1&endpoint=" + url.QueryEscape(server.URL), server
}

func TestS3(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) *blob.Store {
		address, _ := fakeS3(t)
		return open(t, address, blob.Options{Spool: t.TempDir()})
	})
}

func TestS3Presigns(t *testing.T) {
	address, _ := fakeS3(t)
	s := open(t, address, blob.Options{})
	content := blobtest.Bytes(1000)
	key := blobtest.Put(t, s, content).Key()
	link, ok, err := s.Presign(t.Context(), key, blob.PresignOptions{
		Expires: time.Minute, ContentDisposition: `attachment; filename="x-1.0-0.conda"`, ContentType: "application/octet-stream",
	})
	if err != nil || !ok {
		t.Fatalf("presign: %t, %v", ok, err)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := u.Query().Get("X-Amz-Expires"), "60"; got != want {
		t.Errorf("expires %q, want %q", got, want)
	}
	if got, want := u.Query().Get("response-content-disposition"), `attachment; filename="x-1.0-0.conda"`; got != want {
		t.Errorf("disposition %q, want %q", got, want)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Range", "bytes=10-19")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusPartialContent || !bytes.Equal(got, content[10:20]) {
		t.Errorf("range: %s, %d bytes, %v", response.Status, len(got), err)
	}
}

func TestS3Away(t *testing.T) {
	address, server := fakeS3(t)
	s := open(t, address, blob.Options{})
	key := blobtest.Put(t, s, []byte("x")).Key()
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	server.Close()
	unavailable(t, s, key)
	if _, err := w.Commit(t.Context()); !errs.Is(err, errs.Unavailable) {
		t.Errorf("commit: %v, want unavailable", err)
	}
	if _, err := blob.Open(t.Context(), address, blob.Options{}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("open: %v, want unavailable", err)
	}
}

func unavailable(t *testing.T, s *blob.Store, key blob.Key) {
	t.Helper()
	ctx := t.Context()
	_, openErr := s.Open(ctx, key)
	_, _, statErr := s.Stat(ctx, key)
	_, existsErr := s.Exists(ctx, key)
	listErr := s.List(ctx, func(blob.Key, int64, time.Time) error { return nil })
	for name, err := range map[string]error{
		"open": openErr, "stat": statErr, "exists": existsErr, "list": listErr,
		"delete": s.Delete(ctx, key), "ping": s.Ping(ctx),
	} {
		if !errs.Is(err, errs.Unavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct{ address, want string }{
		{"", "begins with"},
		{"ftp://x", `begins with "ftp:"`},
		{"gs://bucket", "not supported yet"},
		{"azblob://bucket", "not supported yet"},
		{"file:", "names no folder"},
		{"s3://", "s3://BUCKET"},
		{"s3://b?endpont=x", `unknown part "endpont"`},
		{"s3://b?use_path_style=perhaps", "true or false"},
		{"s3://b?endpoint=ftp://x", "no http or https address"},
	} {
		_, err := blob.Open(t.Context(), test.address, blob.Options{})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Message(err), test.want) {
			t.Errorf("%q: %v, want %q", test.address, err, test.want)
		}
	}
	if _, err := blob.Open(t.Context(), "file:/dev/null/blobs", blob.Options{}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a folder below a file: %v, want unavailable", err)
	}
	address, _ := fakeS3(t)
	if _, err := blob.Open(t.Context(), strings.Replace(address, "packages", "nothing", 1), blob.Options{Dialer: dial.New(dial.Options{})}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("no such bucket: %v, want unavailable", err)
	}
}

func TestFolderGivesFiles(t *testing.T) {
	s := open(t, "file:"+t.TempDir(), blob.Options{})
	key := blobtest.Put(t, s, []byte("x")).Key()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.File() == nil {
		t.Error("no file")
	}
	if _, ok, err := s.Presign(t.Context(), key, blob.PresignOptions{}); ok || err != nil {
		t.Errorf("presigned: %t, %v", ok, err)
	}
}

func TestFolderAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, "file:"+dir, blob.Options{})
	key := blobtest.Put(t, s, []byte("x")).Key()
	if err := os.Rename(dir, dir+".gone"); err != nil {
		t.Fatal(err)
	}
	unavailable(t, s, key)
	if _, err := s.Create(t.Context()); !errs.Is(err, errs.Unavailable) {
		t.Errorf("create: %v, want unavailable", err)
	}
	if err := os.Rename(dir+".gone", dir); err != nil {
		t.Fatal(err)
	}
	if there, err := s.Exists(t.Context(), key); !there || err != nil {
		t.Errorf("back again: %t, %v", there, err)
	}
}

func TestFolderFull(t *testing.T) {
	for _, op := range []blob.Op{blob.Write, blob.Sync, blob.Make, blob.Rename} {
		t.Run(string(op), func(t *testing.T) {
			full := false
			s := open(t, "file:"+t.TempDir(), blob.Options{Trace: func(step blob.Step) error {
				if full && step.Op == op {
					return &os.PathError{Op: "write", Path: step.Path, Err: syscall.ENOSPC}
				}
				return nil
			}})
			full = true
			w, err := s.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte("x")) // Commit repeats its error
			_, err = w.Commit(t.Context())
			if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.Message(err), "no space left") {
				t.Errorf("commit: %v, want no space", err)
			}
			if n, err := s.Temps(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
				t.Errorf("%d temporary files are left behind, %v", n, err)
			}
		})
	}
}

func TestFolderSweepsOldTemps(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file:"+dir, blob.Options{})
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}()
	old := filepath.Join(dir, "tmp", "abandoned")
	if err := os.WriteFile(old, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Temps(t.Context(), yesterday.Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("removed %d, %v; want 1", n, err)
	}
	if _, err := w.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Errorf("the upload under way: %v", err)
	}
}

// TestFolderKeepsWhatItAcknowledged ends the process before each step of a commit
// and then cuts the power: bytes are there whole or not at all, and they are
// there if the commit was answered.
func TestFolderKeepsWhatItAcknowledged(t *testing.T) {
	content := blobtest.Bytes(1000)
	killed := errors.New("killed")
	for last := 0; ; last++ {
		dir := filepath.Join(t.TempDir(), "a", "blobs")
		steps := 0
		disk := &blobtest.Disk{Before: func(blob.Step) error {
			if steps++; steps > last {
				return killed
			}
			return nil
		}}
		acknowledged := false
		s, err := blob.Open(t.Context(), "file:"+dir, blob.Options{Trace: disk.Trace})
		if err == nil {
			w, err := s.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(content) // Commit repeats its error
			_, err = w.Commit(t.Context())
			acknowledged = err == nil
		}
		if err := disk.Cut(); err != nil {
			t.Fatal(err)
		}
		check(t, fmt.Sprintf("after %d steps", last), dir, content, acknowledged)
		if acknowledged {
			return
		}
		if last > 100 {
			t.Fatal("it never comes to an end")
		}
	}
}

func check(t *testing.T, when, dir string, content []byte, acknowledged bool) {
	t.Helper()
	s := open(t, "file:"+dir, blob.Options{})
	found := 0
	err := s.List(t.Context(), func(key blob.Key, _ int64, _ time.Time) error {
		found++
		if !bytes.Equal(blobtest.Get(t, s, key), content) {
			t.Errorf("%s: a key with other bytes", when)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", when, err)
	}
	if acknowledged && found != 1 {
		t.Errorf("%s: acknowledged and lost", when)
	}
}

// TestDiskLosesWhatIsNotSynced shows that the disk of the test above takes away
// what a store does not sync.
func TestDiskLosesWhatIsNotSynced(t *testing.T) {
	dir := t.TempDir()
	disk := &blobtest.Disk{Lies: true}
	s := open(t, "file:"+dir, blob.Options{Trace: disk.Trace})
	blobtest.Put(t, s, []byte("x"))
	if err := disk.Cut(); err != nil {
		t.Fatal(err)
	}
	s = open(t, "file:"+dir, blob.Options{})
	err := s.List(t.Context(), func(key blob.Key, _ int64, _ time.Time) error {
		t.Errorf("%s survived without a sync", key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	s, err := blob.Open(b.Context(), "file:"+b.TempDir(), blob.Options{})
	if err != nil {
		b.Fatal(err)
	}
	content := blobtest.Bytes(64 << 20)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		w, err := s.Create(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
		if err := w.Abort(); err != nil {
			b.Fatal(err)
		}
	}
}
