package crash

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
	"terrarium/internal/sqldb"
	"terrarium/test/program"
)

// scenario is what makes the program pass a point.
type scenario struct {
	// run makes the program pass the point; it must not mind that it dies.
	run func(t *testing.T, w *world)
	// want says what the first look after the restart must find of the files
	// that run brought.
	want fate
	// after is tried once the store was found in order.
	after func(t *testing.T, w *world, server *program.Server)
}

// scenarios says, for each point of package registry, how it is passed. A file
// is there from the commit of its rows on, and not before.
func scenarios() map[string]scenario {
	again := func(t *testing.T, w *world, server *program.Server) { w.publish(t, server, newcomer()) }
	one := func(want fate) scenario { return scenario{run: uploadOne, want: want, after: again} }
	return map[string]scenario{
		"upload.received":       one(gone),
		"upload.parsed":         one(gone),
		"upload.blob-committed": one(gone),
		"change.rows-written":   one(gone),
		"change.committed":      one(listed),
		"change.published":      one(listed),
		"upload.staged":         {run: stageOne, want: gone, after: stageAgain},
		"import.batch":          {run: importSome, want: gone, after: importAgain},
		"import.current":        {run: importSome, want: listed, after: importAgain},
		"gc.rows-deleted":       {run: sweepOne, want: gone, after: sweepAgain},
		"erase.batch":           {run: eraseOne, want: gone, after: eraseAgain},
	}
}

// TestKills kills the program, starts it again over what is left and looks.
func TestKills(t *testing.T) {
	binary := program.Build(t, "crash")
	t.Run("at each point", func(t *testing.T) { atEachPoint(t, binary) })
	t.Run("at random", func(t *testing.T) { atRandom(t, binary) })
}

// atEachPoint kills the program at each of the named steps.
func atEachPoint(t *testing.T, binary string) {
	seed := newWorld(t, binary)
	quiet := seed.store.Env
	seed.store.Env = append(slices.Clone(quiet), "TERRARIUM_LOG_LEVEL=info")
	server := seed.store.Serve(t)
	seed.store.Env = quiet
	for i := range 4 {
		seed.publish(t, server, spec("alpha", i))
		seed.publish(t, server, spec("beta", i))
	}
	seed.check(t, server)
	swept(t, server)
	server.Stop()

	how := scenarios()
	for _, point := range points(t) {
		t.Run(point, func(t *testing.T) {
			s, known := how[point]
			if !known {
				t.Fatalf("nothing passes the point %s; give it a scenario", point)
			}
			w := seed.copy(t)
			w.store.Env = append(w.store.Env, "TERRARIUM_CRASH="+point)
			s.run(t, w)
			w.store.Env = seed.store.Env

			server := w.store.Serve(t)
			w.check(t, server)
			for name, f := range w.files {
				if _, old := seed.files[name]; !old && f.fate != s.want {
					t.Errorf("%s: fate %d after the restart, want %d", name, f.fate, s.want)
				}
			}
			w.fsck(t)
			s.after(t, w, server)
			w.check(t, server)
			server.Stop()
			w.fsck(t)
		})
	}
	for point := range how {
		if !slices.Contains(points(t), point) {
			t.Errorf("there is a scenario for %s, which is no point", point)
		}
	}
}

// swept waits for the sweep of the day, which would pass points of its own in a
// server that is to die at one.
func swept(t *testing.T, server *program.Server) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(30 * time.Second); !strings.Contains(server.Output(), "swept"); {
		select {
		case <-limit:
			t.Fatalf("no sweep in the first 30 seconds:\n%s", server.Output())
		case <-tick.C:
		}
	}
}

// newcomer is the package that the scenarios of uploads bring.
func newcomer() condatest.Spec { return spec("alpha", 100) }

// died makes sure that the server ended by itself at its point.
func died(t *testing.T, server *program.Server) {
	t.Helper()
	select {
	case <-server.Ended():
		if !server.Killed() {
			t.Fatalf("the server ended, and not at its point:\n%s", server.Output())
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("the server passed no point:\n%s", server.Output())
	}
}

func uploadOne(t *testing.T, w *world) {
	server := w.store.Serve(t)
	if err := w.send(newClient(), server.URL, newcomer()); err != nil {
		t.Fatal(err)
	}
	died(t, server)
}

// staged is an upload in the manner of anaconda-client.
type staged struct {
	spec    condatest.Spec
	body    []byte
	PostURL string            `json:"post_url"`
	Form    map[string]string `json:"form_data"`
	ID      string            `json:"dist_id"`
}

// stageOne announces a file and sends its bytes.
func stageOne(t *testing.T, w *world) {
	server := w.store.Serve(t)
	s := w.stage(t, server)
	if status, answer, err := s.sendBytes(); err == nil {
		t.Fatalf("the bytes were answered with %d: %s", status, answer)
	}
	died(t, server)
}

// stageAgain does it all over, with the commit.
func stageAgain(t *testing.T, w *world, server *program.Server) {
	s := w.stage(t, server)
	status, answer, err := s.sendBytes()
	if err != nil || status != http.StatusCreated {
		t.Fatalf("send the bytes: %d %s %v", status, answer, err)
	}
	w.api(t, http.MethodPost, server.URL+"/api/commit/"+s.path(), map[string]string{"dist_id": s.ID}, nil)
	w.files[s.spec.FileName()].fate = listed
}

func (s staged) path() string {
	return fmt.Sprintf("%s/%s/%s/%s/%s", owner, s.spec.Name, s.spec.Version, s.spec.Subdir, s.spec.FileName())
}

// stage announces a further build of a release that is there.
func (w *world) stage(t *testing.T, server *program.Server) staged {
	t.Helper()
	s := staged{spec: spec("alpha", 1)}
	s.spec.Build = "1"
	s.body = condatest.Make(t, s.spec)
	sum := sha256.Sum256(s.body)
	w.files[s.spec.FileName()] = &file{spec: s.spec, sha256: hex.EncodeToString(sum[:])}
	w.api(t, http.MethodPost, server.URL+"/api/stage/"+s.path(), map[string]any{
		"distribution_type": "conda", "attrs": map[string]any{}, "channels": []string{"main"}, "sha256": hex.EncodeToString(sum[:]),
	}, &s)
	return s
}

// sendBytes posts the form that the announcement asked for.
func (s staged) sendBytes() (status int, answer string, err error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	sum := md5.Sum(s.body) //nolint:gosec // what the protocol says
	fields := map[string]string{"Content-Length": strconv.Itoa(len(s.body)), "Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}
	for _, part := range []map[string]string{s.Form, fields} {
		for name, value := range part {
			if err := w.WriteField(name, value); err != nil {
				return 0, "", err
			}
		}
	}
	part, err := w.CreateFormFile("file", s.spec.Subdir+"/"+s.spec.FileName())
	if err != nil {
		return 0, "", err
	}
	if _, err := part.Write(s.body); err != nil {
		return 0, "", err
	}
	if err := w.Close(); err != nil {
		return 0, "", err
	}
	resp, err := newClient().Post(s.PostURL, w.FormDataContentType(), &form)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// api makes a call that must succeed and reads its answer into out, if any.
func (w *world) api(t *testing.T, method, address string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+w.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := newClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, address, resp.Status, text, err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s %s: %s: %v", method, address, text, err)
		}
	}
}

// source is a channel folder of three packages, and notes them as on their way.
func (w *world) source(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	entries := map[string][]repodata.Entry{}
	for i, name := range []string{"alpha", "imported-one", "imported-two"} {
		s := spec(name, 200+2*i) // noarch
		body := condatest.Make(t, s)
		sum, md := sha256.Sum256(body), md5.Sum(body) //nolint:gosec // what the format says
		rec := s.Package().Record
		rec.SHA256, rec.MD5, rec.Size = hex.EncodeToString(sum[:]), hex.EncodeToString(md[:]), int64(len(body))
		encoded, err := repodata.EncodeRecord(rec)
		if err != nil {
			t.Fatal(err)
		}
		entries[s.Subdir] = append(entries[s.Subdir], repodata.Entry{FileName: s.FileName(), JSON: encoded.JSON})
		if err := os.MkdirAll(filepath.Join(root, s.Subdir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, s.Subdir, s.FileName()), body, 0o644); err != nil {
			t.Fatal(err)
		}
		w.files[s.FileName()] = &file{spec: s, sha256: rec.SHA256}
	}
	for subdir, list := range entries {
		layout, err := repodata.NewDocument(subdir, list, nil)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := layout.WriteJSON(&text); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, subdir, "repodata.json"), text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// importSome imports a channel by the command, which dies.
func importSome(t *testing.T, w *world) {
	f := w.store.Command(t, "channel", "import", channel, w.source(t))
	if f.State.String() != "signal: killed" {
		t.Fatalf("the import ended with %v\n%s%s", f.State, f.Stdout, f.Stderr)
	}
}

// deadWithin is how soon an import that was killed must be taken for dead: its
// lease of 15 seconds, and some for a busy machine.
const deadWithin = 25 * time.Second

// importAgain uploads one of the files of the import that died, which is refused
// as long as that may still live, then another, and imports again.
func importAgain(t *testing.T, w *world, server *program.Server) {
	late := spec("imported-one", 202)
	for begun := time.Now(); ; {
		err := w.send(newClient(), server.URL, late)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "is being imported") || time.Since(begun) > deadWithin {
			t.Fatalf("after %s: %v", time.Since(begun), err)
		}
		select {
		case <-server.Ended():
			t.Fatalf("the server ended\n%s", server.Output())
		case <-time.After(100 * time.Millisecond):
		}
	}
	w.publish(t, server, newcomer())
	w.check(t, server)
	w.fsck(t)
	w.store.Do(t, "channel", "import", channel, w.source(t))
	for _, f := range w.files {
		if f.fate == unsure {
			f.fate = listed
		}
	}
}

// sweepOne deletes a file, lets its time in the trash pass and sweeps.
func sweepOne(t *testing.T, w *world) {
	w.deleteOld(t)
	if f := w.store.Command(t, "gc"); f.State.String() != "signal: killed" {
		t.Fatalf("gc ended with %v\n%s%s", f.State, f.Stdout, f.Stderr)
	}
}

// sweepAgain sweeps what the first run has left.
func sweepAgain(t *testing.T, w *world, _ *program.Server) { w.store.Do(t, "gc") }

func (w *world) deleteOld(t *testing.T) {
	t.Helper()
	env := w.store.Env
	w.store.Env = nil
	server := w.store.Serve(t)
	f := w.files[spec("alpha", 0).FileName()]
	if err := w.remove(newClient(), server.URL, f); err != nil || f.fate != gone {
		t.Fatalf("delete: %v, fate %d\n%s", err, f.fate, server.Output())
	}
	server.Stop()
	w.store.Env = env
	w.rows(t, "UPDATE file_rows SET deleted_at = $1 WHERE deleted_at IS NOT NULL", time.Now().AddDate(0, 0, -30).UTC())
}

// rows changes rows behind the program's back, as only time can.
func (w *world) rows(t *testing.T, query string, args ...any) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite:"+filepath.Join(w.store.Data, "terrarium.db"), sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}
