package failure_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
	"terrarium/test/program"
)

// site is the program as a process of its own, and what it has acknowledged.
type site struct {
	store  *program.Store
	server *program.Server
	token  string
	there  map[string]string // file name → SHA-256
	shown  map[string]bool   // shards that an index has named
}

func newSite(t *testing.T, binary, data string) *site {
	t.Helper()
	s := &site{store: &program.Store{Binary: binary, Data: data, Env: []string{"TERRARIUM_LOG_LEVEL=warn"}}, there: map[string]string{}, shown: map[string]bool{}}
	s.store.Do(t, "user", "create", "alice", "--email", "alice@example.com")
	s.token = s.store.Do(t, "token", "create", "--user", "alice", "--name", "full")
	s.server = s.store.Serve(t)
	return s
}

// answer is what the program said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *site) ask(t *testing.T, method, path, token string, body []byte, fileName string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if fileName != "" {
		req.Header.Set("X-File-Name", fileName)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, s.server.Output())
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, s.server.Output())
	}
	return answer{resp.StatusCode, resp.Header, text}
}

// upload sends a package and notes whether it was taken.
func (s *site) upload(t *testing.T, spec condatest.Spec) answer {
	t.Helper()
	body := condatest.Make(t, spec)
	got := s.ask(t, "POST", "/api/v1/upload/alice", s.token, body, spec.FileName())
	if got.status == http.StatusCreated {
		sum := sha256.Sum256(body)
		s.there[spec.FileName()] = hex.EncodeToString(sum[:])
	}
	return got
}

// publish is an upload that must be taken.
func (s *site) publish(t *testing.T, spec condatest.Spec) {
	t.Helper()
	if got := s.upload(t, spec); got.status != http.StatusCreated {
		t.Fatalf("the upload of %s: %d %s\n%s", spec.FileName(), got.status, got.body, s.server.Output())
	}
}

// wantFull looks at an answer that must say that there is no room: for the
// moment, in a sentence with one of says, which tells nothing of the machine.
func (s *site) wantFull(t *testing.T, what string, got answer, says ...string) {
	t.Helper()
	var problem struct {
		Detail string `json:"detail"`
		Error  string `json:"error"` // of the classic API
	}
	if err := json.Unmarshal(got.body, &problem); err != nil {
		t.Fatalf("%s: %d %s: %v", what, got.status, got.body, err)
	}
	told := problem.Detail + problem.Error
	said := slices.ContainsFunc(says, func(part string) bool { return strings.Contains(told, part) })
	if got.status != http.StatusServiceUnavailable || !said || strings.Contains(told, s.store.Data) {
		t.Errorf("%s: %d %q, want 503 and a sentence with %q\n%s", what, got.status, told, says, s.server.Output())
	}
	if got.header.Get("Retry-After") == "" {
		t.Errorf("%s: 503 without Retry-After", what)
	}
}

// check reads as clients do, with a token and without: what was acknowledged is
// listed and has its bytes, nothing else is listed, and shards of this and
// earlier indexes are answered.
func (s *site) check(t *testing.T) {
	t.Helper()
	for _, token := range []string{"", s.token} {
		for _, path := range []string{"/", "/alice/first", "/api/package/alice/first", "/conda/alice/noarch/repodata.json.zst", "/healthz"} {
			if got := s.ask(t, "GET", path, token, nil, ""); got.status != http.StatusOK {
				t.Errorf("GET %s: %d %s\n%s", path, got.status, got.body, s.server.Output())
			}
		}
		index, err := repodata.DecodeShardIndex(s.ask(t, "GET", "/conda/alice/noarch/repodata_shards.msgpack.zst", token, nil, "").body)
		if err != nil {
			t.Fatal(err)
		}
		for _, hash := range index.Hashes {
			s.shown[repodata.ShardFileName(hash)] = true
		}
		for shard := range s.shown {
			if got := s.ask(t, "GET", "/conda/alice/noarch/shards/"+shard, token, nil, ""); got.status != http.StatusOK {
				t.Errorf("the shard %s: %d %s", shard, got.status, got.body)
			}
		}
		var document struct {
			Conda map[string]struct {
				SHA256 string `json:"sha256"`
			} `json:"packages.conda"`
		}
		if err := json.Unmarshal(s.ask(t, "GET", "/conda/alice/noarch/repodata.json", token, nil, "").body, &document); err != nil {
			t.Fatal(err)
		}
		if len(document.Conda) != len(s.there) {
			t.Errorf("%d files are listed, %d were acknowledged", len(document.Conda), len(s.there))
		}
		for name, want := range s.there {
			if got := document.Conda[name].SHA256; got != want {
				t.Errorf("%s is listed with the SHA-256 %q, want %s", name, got, want)
			}
			sum := sha256.Sum256(s.ask(t, "GET", "/conda/alice/noarch/"+name, token, nil, "").body)
			if got := hex.EncodeToString(sum[:]); got != want {
				t.Errorf("the bytes of %s have the SHA-256 %s, want %s", name, got, want)
			}
		}
	}
	if left, err := os.ReadDir(filepath.Join(s.store.Data, "blobs", "tmp")); err != nil || len(left) > 0 {
		t.Errorf("refused uploads left %v (%v)", left, err)
	}
}

// fsck must find nothing, beside the server.
func (s *site) fsck(t *testing.T) {
	t.Helper()
	if f := s.store.Command(t, "fsck", "--digests"); !f.State.Success() {
		t.Errorf("fsck: %v\n%s%s", f.State, f.Stdout, f.Stderr)
	}
}

// TestDiskIsFull takes the real program's room away: uploads and other changes
// are refused with a sentence, reads go on; with room again all works, also
// where the program was killed meanwhile. Nothing acknowledged is lost.
func TestDiskIsFull(t *testing.T) {
	binary := program.Build(t)
	t.Run("a file over the limit", func(t *testing.T) { overTheLimit(t, binary) })
	for name, d := range disks(t) {
		t.Run(name, func(t *testing.T) { fullDisk(t, binary, d) })
	}
}

// overTheLimit uploads a file that is larger than the system allows.
func overTheLimit(t *testing.T, binary string) {
	s := newSite(t, binary, limited(t).data)
	s.publish(t, condatest.Spec{Name: "first"})
	large := condatest.Spec{Name: "large", PadTo: 10 << 20}
	limitFiles(t, s.server.PID, 8<<20)
	s.wantFull(t, "a large upload", s.upload(t, large), "files as large")
	s.publish(t, condatest.Spec{Name: "small"})
	s.check(t)
	s.fsck(t)
	limitFiles(t, s.server.PID, noLimit)
	s.publish(t, large)
	s.check(t)
	s.server.Stop()
	s.fsck(t)
}

func fullDisk(t *testing.T, binary string, d disk) {
	s := newSite(t, binary, d.data)
	s.publish(t, condatest.Spec{Name: "first"})
	doomed := condatest.Spec{Name: "doomed"}
	s.publish(t, doomed)

	number := 0
	next := func(size int) condatest.Spec {
		number++
		return condatest.Spec{Name: fmt.Sprint("p", number), PadTo: size}
	}
	if d.uploads {
		const most = 20
		for got := s.upload(t, next(1<<20)); ; got = s.upload(t, next(1<<20)) {
			if got.status != http.StatusCreated {
				// Its bytes may just have fitted, and its rows not.
				s.wantFull(t, "the upload that fills the disk", got, d.says, "The disk of the database is full")
				break
			}
			if number > most {
				t.Fatalf("%d uploads did not fill the disk", number)
			}
		}
		s.check(t)
	}

	d.take(t, s.server)
	late := next(1 << 18)
	s.wantFull(t, "an upload", s.upload(t, late), d.says)
	remove := func() answer {
		return s.ask(t, "DELETE", "/api/dist/alice/doomed/1.0/noarch/"+doomed.FileName(), s.token, nil, "")
	}
	// The database may have room in its own files.
	if got := remove(); got.status < 300 {
		delete(s.there, doomed.FileName())
	} else {
		s.wantFull(t, "a deletion", got, "database")
	}
	s.check(t)

	d.give(t, s.server)
	s.publish(t, late)
	s.publish(t, condatest.Spec{Name: "first", Version: "2.0"}) // another shard takes the place of one that was shown
	if _, is := s.there[doomed.FileName()]; is {
		if got := remove(); got.status >= 300 {
			t.Errorf("the deletion with room again: %d %s", got.status, got.body)
		}
		delete(s.there, doomed.FileName())
	}
	s.check(t)
	s.fsck(t)

	d.take(t, s.server)
	last := next(1 << 18)
	s.wantFull(t, "another upload", s.upload(t, last), d.says)
	s.server.Kill()
	d.give(t, nil)
	s.server = s.store.Serve(t)
	s.check(t)
	s.publish(t, last)
	s.check(t)
	s.server.Stop()
	s.fsck(t)
}
