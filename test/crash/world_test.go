// Package crash ends the real program by SIGKILL, at the named steps of
// publishing and at random under load, and looks at what is left: nothing that
// was acknowledged is lost, no form of the index lies, fsck is clean. A loss of
// what was not yet synced to the disk is imitated in process.
package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/test/program"
)

const (
	owner   = "crash"
	channel = "crash/main"
	extra   = "crash/extra"
)

// subdirs are those that uploads go to.
var subdirs = []string{"noarch", "linux-64"}

// fate is what a client knows of a file that it sent.
type fate int

const (
	unsure fate = iota // the server died before it answered
	listed             // the server said so
	gone               // the server said that it is deleted
	never              // nobody has asked for it
)

// file is one upload and what is known of it.
type file struct {
	spec   condatest.Spec
	sha256 string
	fate   fate
	extra  fate // in the second channel, where labels are moved
	read   bool // its bytes were downloaded and compared since the last crash test began
}

// world is a store with all that clients know of it.
type world struct {
	store *program.Store
	token string

	labels bool   // the second channel is there
	crowd  *crowd // or nil

	mu       sync.Mutex
	files    map[string]*file // by file name
	together [][]*file        // of packages whose deletion was not answered: all are there or none
}

// newWorld makes a store with one user.
func newWorld(t *testing.T, binary string) *world {
	t.Helper()
	w := &world{files: map[string]*file{}}
	w.store = &program.Store{Binary: binary, Data: filepath.Join(t.TempDir(), "data"), Env: []string{"TERRARIUM_LOG_LEVEL=warn"}}
	w.store.Do(t, "user", "create", owner, "--email", "crash@example.com")
	w.token = w.store.Do(t, "token", "create", "--user", owner, "--name", "crash")
	return w
}

// copy gives a world of its own over a copy of the store.
func (w *world) copy(t *testing.T) *world {
	t.Helper()
	c := &world{token: w.token, labels: w.labels, files: map[string]*file{}}
	if w.crowd != nil {
		c.crowd = w.crowd.copy(c)
	}
	for name, f := range w.files {
		one := *f
		c.files[name] = &one
	}
	c.store = &program.Store{Binary: w.store.Binary, Data: filepath.Join(t.TempDir(), "data"), Env: slices.Clone(w.store.Env)}
	if err := os.CopyFS(c.store.Data, os.DirFS(w.store.Data)); err != nil {
		t.Fatal(err)
	}
	return c
}

// spec is the number-th package of a name; every second one has run exports.
func spec(name string, number int) condatest.Spec {
	s := condatest.Spec{Name: name, Version: fmt.Sprint("1.", number), Subdir: subdirs[number%len(subdirs)], Depends: []string{"python >=3.9"}, License: "MIT"}
	if number%2 == 0 {
		s.RunExports = &conda.RunExports{Weak: []string{name + " >=1"}}
	}
	return s
}

// send posts a package and notes what the server said of it. The answer is an
// error where it is another than 201 or 200; a server that went away is none.
func (w *world) send(client *http.Client, server string, s condatest.Spec) error {
	var body bytes.Buffer
	if err := archive.Write(&body, conda.FormatConda, s.Package()); err != nil {
		return err
	}
	sum := sha256.Sum256(body.Bytes())
	w.mu.Lock()
	f := w.files[s.FileName()]
	if f == nil {
		f = &file{spec: s, sha256: hex.EncodeToString(sum[:]), extra: never}
		w.files[s.FileName()] = f
	}
	w.mu.Unlock()
	req, err := http.NewRequest(http.MethodPost, server+"/api/v1/upload/"+channel, &body)
	if err != nil {
		return err
	}
	req.Header.Set("X-File-Name", s.FileName())
	return w.ask(client, req, &f.fate, listed, http.StatusCreated, http.StatusOK)
}

// remove deletes a file and notes what the server said.
func (w *world) remove(client *http.Client, server string, f *file) error {
	w.mu.Lock()
	f.fate = unsure
	if f.extra == listed {
		f.extra = unsure
	}
	w.mu.Unlock()
	address := fmt.Sprintf("%s/api/dist/%s/%s/%s/%s/%s", server, owner, f.spec.Name, f.spec.Version, f.spec.Subdir, f.spec.FileName())
	req, err := http.NewRequest(http.MethodDelete, address, nil)
	if err != nil {
		return err
	}
	return w.ask(client, req, &f.fate, gone, http.StatusOK, http.StatusCreated, http.StatusNoContent)
}

// removePackage deletes a package with all its files that are there, and notes what the
// server said: they go together.
func (w *world) removePackage(client *http.Client, server, name string) error {
	w.mu.Lock()
	var files []*file
	for _, f := range w.files {
		if f.spec.Name != name || f.fate != listed {
			continue
		}
		files = append(files, f)
		f.fate = unsure
		if f.extra == listed {
			f.extra = unsure
		}
	}
	w.mu.Unlock()
	req, err := http.NewRequest(http.MethodDelete, server+"/api/package/"+owner+"/"+name, nil)
	if err != nil {
		return err
	}
	answer := unsure
	if err := w.ask(client, req, &answer, gone, http.StatusCreated); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if answer == unsure {
		w.together = append(w.together, files)
		return nil
	}
	for _, f := range files {
		f.fate = gone
	}
	return nil
}

// relabel puts a file into the second channel or takes it out.
func (w *world) relabel(client *http.Client, server string, f *file, then fate) error {
	method := http.MethodPost
	if then == gone {
		method = http.MethodDelete
	}
	w.mu.Lock()
	f.extra = unsure
	w.mu.Unlock()
	body := fmt.Sprintf(`{"package":%q,"version":%q,"basename":%q}`, f.spec.Name, f.spec.Version, f.spec.Subdir+"/"+f.spec.FileName())
	req, err := http.NewRequest(method, server+"/api/channels/"+owner+"/extra", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return w.ask(client, req, &f.extra, then, http.StatusCreated)
}

// ask sends a request that decides the fate of a file.
func (w *world) ask(client *http.Client, req *http.Request, known *fate, then fate, want ...int) error {
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := client.Do(req)
	if err != nil {
		return nil // the server was killed: whether it did it is not known
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil && !slices.Contains(want, resp.StatusCode) {
		return nil // killed in the middle of another answer
	}
	if !slices.Contains(want, resp.StatusCode) {
		return fmt.Errorf("%s %s: %s %s", req.Method, req.URL.Path, resp.Status, answer)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	*known = then
	return nil
}

// publish sends a package that the server must take.
func (w *world) publish(t *testing.T, server *program.Server, s condatest.Spec) {
	t.Helper()
	if err := w.send(newClient(), server.URL, s); err != nil {
		t.Fatal(err)
	}
	if w.files[s.FileName()].fate != listed {
		t.Fatalf("the server did not answer the upload of %s\n%s", s.FileName(), server.Output())
	}
}

// check looks whether the store is what the clients know of it, and settles what
// they were unsure of.
func (w *world) check(t *testing.T, server *program.Server) {
	t.Helper()
	seen, labelled := map[string]conda.Record{}, map[string]conda.Record{}
	for _, subdir := range subdirs {
		maps.Copy(seen, w.consistent(t, server, channel, subdir))
		if w.labels {
			maps.Copy(labelled, w.consistent(t, server, extra, subdir))
		}
	}
	sameChannelData(t, server, channel, seen)
	if w.labels {
		sameChannelData(t, server, extra, labelled)
	}
	if w.crowd != nil {
		w.crowd.check(t, server, labelled)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, files := range w.together {
		there := 0
		for _, f := range files {
			if _, is := seen[f.spec.FileName()]; is {
				there++
			}
		}
		if there != 0 && there != len(files) {
			t.Errorf("%d of the %d files of %s are there, whose deletion was not answered", there, len(files), files[0].spec.Name)
		}
	}
	w.together = nil
	for name, rec := range seen {
		f := w.files[name]
		switch {
		case f == nil:
			t.Errorf("%s is listed and nobody uploaded it", name)
		case f.sha256 != rec.SHA256:
			t.Errorf("%s is listed with the SHA-256 %s, want %s", name, rec.SHA256, f.sha256)
		case f.fate == gone:
			t.Errorf("%s is listed, and its deletion was acknowledged", name)
		case !f.read:
			f.read = true
			w.download(t, server, f)
		}
	}
	for name, f := range w.files {
		_, is := seen[name]
		switch {
		case f.fate == listed && !is:
			t.Errorf("%s was acknowledged and is not listed", name)
		case is:
			f.fate = listed
		default:
			f.fate = gone
		}
		_, is = labelled[name]
		switch {
		case is && f.extra == gone:
			t.Errorf("%s is in %s, and its removal was acknowledged", name, extra)
		case is && f.fate == gone:
			t.Errorf("%s is in %s, and its deletion was acknowledged", name, extra)
		case !is && f.extra == listed && f.fate == listed:
			t.Errorf("%s is not in %s, and its label was acknowledged", name, extra)
		case is:
			f.extra = listed
		default:
			f.extra = never
		}
	}
}

// download compares the bytes of a file with what was sent.
func (w *world) download(t *testing.T, server *program.Server, f *file) {
	t.Helper()
	body := get(t, server, channel+"/"+f.spec.Subdir+"/"+f.spec.FileName())
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != f.sha256 {
		t.Errorf("the bytes of %s are not those that were sent", f.spec.FileName())
	}
}

// fsck must find nothing. Bytes that nobody names are no fault.
func (w *world) fsck(t *testing.T) {
	t.Helper()
	if f := w.store.Command(t, "fsck", "--digests"); !f.State.Success() {
		t.Errorf("fsck: %v\n%s%s", f.State, f.Stdout, f.Stderr)
	}
}

func newClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
}

// get reads a document below /conda/ that must be there.
func get(t *testing.T, server *program.Server, path string) []byte {
	t.Helper()
	status, body := fetch(t, server, path)
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d %s\n%s", path, status, body, server.Output())
	}
	return body
}

func fetch(t *testing.T, server *program.Server, path string) (int, []byte) {
	t.Helper()
	client := newClient()
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL + "/conda/" + path)
	if err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, server.Output())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}
