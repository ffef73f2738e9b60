// Package blobtest holds what every kind of store must do, as one suite that all
// of them run, and a disk that loses what was not synced.
package blobtest

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/blob"
	"terrarium/internal/errs"
)

// Run runs the suite. open gives a new, empty store for each of its tests.
func Run(t *testing.T, open func(t *testing.T) *blob.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *blob.Store)
	}{
		{"bytes come back", bytesComeBack},
		{"reading at places", readsAtPlaces},
		{"reading before the commit", readsBeforeCommit},
		{"the same bytes twice", sameBytesTwice},
		{"aborted", aborted},
		{"cancelled", cancelled},
		{"too large", tooLarge},
		{"absent and malformed keys", absentKeys},
		{"list and delete", listAndDelete},
		{"many writers", manyWriters},
		{"belongs to one", belongsToOne},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

// Bytes gives n bytes that look random and are the same each time.
func Bytes(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(p) // it has no errors
	return p
}

// Put commits content and gives its digest.
func Put(t testing.TB, s *blob.Store, content []byte) blob.Digest {
	t.Helper()
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatalf("write: %v", err)
	}
	digest, err := w.Commit(t.Context())
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return digest
}

// Get gives the bytes of a key.
func Get(t testing.TB, s *blob.Store, key blob.Key) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return content
}

func bytesComeBack(t *testing.T, s *blob.Store) {
	for _, size := range []int{0, 1, 1000, 128 << 10, 128<<10 + 1, 1 << 20, 20<<20 + 7} {
		content := Bytes(size)
		w, err := s.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// In pieces of an odd size.
		for piece := range slices.Chunk(content, 77_777) {
			if _, err := w.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.Commit(t.Context())
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("abort after commit: %v", err)
		}
		want := blob.Digest{SHA256: sha256.Sum256(content), MD5: md5.Sum(content), Size: int64(size)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d bytes (-want +got):\n%s", size, diff)
		}
		if back := Get(t, s, got.Key()); !bytes.Equal(back, content) {
			t.Errorf("%d bytes: %d came back, other ones", size, len(back))
		}
		n, modified, err := s.Stat(t.Context(), got.Key())
		if err != nil || n != int64(size) || time.Since(modified).Abs() > time.Hour {
			t.Errorf("%d bytes: stat gives %d, %v, %v", size, n, modified, err)
		}
	}
}

func readsAtPlaces(t *testing.T, s *blob.Store) {
	content := Bytes(300_000)
	key := Put(t, s, content).Key()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != int64(len(content)) {
		t.Errorf("size %d, want %d", r.Size(), len(content))
	}
	// Of these few bytes iotest reads each one alone, which may be a request.
	if err := iotest.TestReader(io.NewSectionReader(r, 1000, 50), content[1000:1050]); err != nil {
		t.Errorf("through ReadAt: %v", err)
	}
	for _, at := range []int64{299_999, 0, 150_000, 300_000, 7} {
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(rest, content[at:]) {
			t.Errorf("from %d: %d bytes, %v; want %d", at, len(rest), err, int64(len(content))-at)
		}
	}
	if end, err := r.Seek(-5, io.SeekEnd); err != nil || end != 299_995 {
		t.Errorf("seek from the end: %d, %v", end, err)
	}
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("sought to before the start")
	}
	if n, err := r.ReadAt(make([]byte, 10), 299_995); n != 5 || !errors.Is(err, io.EOF) {
		t.Errorf("read across the end: %d, %v", n, err)
	}
}

func readsBeforeCommit(t *testing.T, s *blob.Store) {
	content := Bytes(200_000)
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	at, size, err := w.ReaderAt()
	if err != nil || size != int64(len(content)) {
		t.Fatalf("reader: %d bytes, %v", size, err)
	}
	got, err := io.ReadAll(io.NewSectionReader(at, 0, size))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("wrote after the end")
	}
	digest, err := w.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if there, err := s.Exists(t.Context(), digest.Key()); there || err != nil {
		t.Errorf("there before the commit: %t, %v", there, err)
	}
	if again, err := w.Commit(t.Context()); err != nil || again != digest {
		t.Errorf("commit: %v, %v", again, err)
	}
	if there, err := s.Exists(t.Context(), digest.Key()); !there || err != nil {
		t.Errorf("there after the commit: %t, %v", there, err)
	}
}

func sameBytesTwice(t *testing.T, s *blob.Store) {
	content := []byte("the same")
	first := Put(t, s, content)
	open, err := s.Open(t.Context(), first.Key())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if second := Put(t, s, content); second != first {
		t.Errorf("second digest %v, want %v", second, first)
	}
	if got, err := io.ReadAll(open); err != nil || !bytes.Equal(got, content) {
		t.Errorf("a reader from before: %q, %v", got, err)
	}
	if n := len(keys(t, s)); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
}

func aborted(t *testing.T, s *blob.Store) {
	for _, size := range []int{0, 10, 1 << 20} {
		w, err := s.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(Bytes(size)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.Abort(); err != nil {
				t.Errorf("abort: %v", err)
			}
		}
		if _, err := w.Commit(t.Context()); err == nil {
			t.Error("committed after Abort")
		}
	}
	nothingLeft(t, s)
}

func cancelled(t *testing.T, s *blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(Bytes(1 << 20)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v, want cancelled", err)
	}
	nothingLeft(t, s)
}

func tooLarge(t *testing.T, s *blob.Store) {
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.MaxSize = 1000
	if _, err := w.Write(make([]byte, 1000)); err != nil {
		t.Fatalf("up to the limit: %v", err)
	}
	_, err = w.Write([]byte{1})
	if !errs.Is(err, errs.TooLarge) || !strings.Contains(errs.Message(err), "1000 bytes") {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := w.Commit(t.Context()); !errs.Is(err, errs.TooLarge) {
		t.Errorf("commit of too much: %v", err)
	}
	nothingLeft(t, s)
}

// belongsToOne: whoever comes first has the store, also with bytes in it, and
// nobody takes it away.
func belongsToOne(t *testing.T, s *blob.Store) {
	key := Put(t, s, Bytes(100)).Key()
	for _, step := range []struct {
		owner string
		kind  errs.Kind
	}{{"first", errs.Internal}, {"first", errs.Internal}, {"second", errs.Conflict}, {"first", errs.Internal}} {
		err := s.Claim(t.Context(), step.owner)
		if (err == nil) != (step.kind == errs.Internal) || err != nil && errs.KindOf(err) != step.kind {
			t.Errorf("claimed by %s: %v", step.owner, err)
		}
	}
	if err := s.Claim(t.Context(), "second"); !strings.Contains(errs.Message(err), "first") {
		t.Errorf("the refusal names nobody: %v", err)
	}
	err := s.List(t.Context(), func(k blob.Key, _ int64, _ time.Time) error {
		if k != key {
			t.Errorf("the mark is listed as %s", k)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func absentKeys(t *testing.T, s *blob.Store) {
	absent := blob.KeyOf(sha256.Sum256([]byte("nobody wrote this")))
	for _, test := range []struct {
		key  blob.Key
		kind errs.Kind
	}{
		{absent, errs.NotFound},
		{"", errs.Invalid},
		{"abc", errs.Invalid},
		{blob.Key(strings.ToUpper(string(absent))), errs.Invalid},
		{blob.Key(strings.Repeat("../", 21) + "x"), errs.Invalid},
	} {
		if _, err := s.Open(t.Context(), test.key); errs.KindOf(err) != test.kind {
			t.Errorf("open %q: %v, want %v", test.key, err, test.kind)
		}
		if _, _, err := s.Stat(t.Context(), test.key); errs.KindOf(err) != test.kind {
			t.Errorf("stat %q: %v, want %v", test.key, err, test.kind)
		}
		err := s.Delete(t.Context(), test.key)
		if test.kind == errs.NotFound && err != nil || test.kind != errs.NotFound && errs.KindOf(err) != test.kind {
			t.Errorf("delete %q: %v", test.key, err)
		}
	}
	if there, err := s.Exists(t.Context(), absent); there || err != nil {
		t.Errorf("exists: %t, %v", there, err)
	}
	parsed, err := blob.ParseKey(strings.ToUpper(string(absent)))
	if err != nil || parsed != absent {
		t.Errorf("parse upper case: %q, %v", parsed, err)
	}
}

func listAndDelete(t *testing.T, s *blob.Store) {
	var want []blob.Key
	for i := range 30 {
		want = append(want, Put(t, s, fmt.Appendf(nil, "file %d", i)).Key())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, keys(t, s)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	stop := errors.New("stop")
	seen := 0
	err := s.List(t.Context(), func(blob.Key, int64, time.Time) error { seen++; return stop })
	if !errors.Is(err, stop) || seen != 1 {
		t.Errorf("stopped after %d, %v", seen, err)
	}
	for range 2 {
		if err := s.Delete(t.Context(), want[3]); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	want = slices.Delete(want, 3, 4)
	if diff := cmp.Diff(want, keys(t, s)); diff != "" {
		t.Errorf("keys after the delete (-want +got):\n%s", diff)
	}
}

func manyWriters(t *testing.T, s *blob.Store) {
	done := make(chan error)
	for i := range 8 {
		go func() {
			content := Bytes(200_000 + i%4) // pairs write the same
			w, err := s.Create(t.Context())
			if err == nil {
				_, err = w.Write(content)
			}
			if err == nil {
				_, err = w.Commit(t.Context())
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(keys(t, s)); n != 4 {
		t.Errorf("%d keys, want 4", n)
	}
	nothingTemporary(t, s)
}

func keys(t testing.TB, s *blob.Store) []blob.Key {
	t.Helper()
	var all []blob.Key
	err := s.List(t.Context(), func(key blob.Key, _ int64, _ time.Time) error {
		all = append(all, key)
		return nil
	})
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	return all
}

func nothingLeft(t *testing.T, s *blob.Store) {
	t.Helper()
	if left := keys(t, s); len(left) != 0 {
		t.Errorf("keys %q are left behind", left)
	}
	nothingTemporary(t, s)
}

func nothingTemporary(t *testing.T, s *blob.Store) {
	t.Helper()
	if n, err := s.Temps(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("%d temporary files are left behind, %v", n, err)
	}
}
