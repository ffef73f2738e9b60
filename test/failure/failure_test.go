// Package failure_test breaks the program's surroundings under it: the disk, the
// folder of bytes, connections, the database. What it answers must be clear, and
// nothing may be lost.
package failure_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"terrarium/internal/apptest"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
)

// upload is the request that publishes a package.
func upload(t testing.TB, p *apptest.Person, s condatest.Spec) apptest.Request {
	t.Helper()
	return apptest.Request{
		Token: p.Token, Body: condatest.Make(t, s), Type: "application/octet-stream", Header: map[string]string{"X-File-Name": s.FileName()},
	}
}

// TestNoRoomAtStep: at whichever step of an upload there is no room, it is
// refused with a sentence and leaves nothing; what was there stays; once there
// is room it works. TestDiskIsFull does it with a disk that is full.
func TestNoRoomAtStep(t *testing.T) {
	for _, op := range []blob.Op{blob.Write, blob.Sync, blob.Rename, blob.SyncFolder} {
		t.Run(string(op), func(t *testing.T) {
			var full atomic.Bool
			a := apptest.New(t, apptest.Trace(func(s blob.Step) error {
				if full.Load() && s.Op == op {
					return &os.PathError{Op: "write", Path: s.Path, Err: syscall.ENOSPC}
				}
				return nil
			}))
			alice := a.User(t, "alice")
			alice.Upload(t, "alice", condatest.Spec{Name: "first"}, "")
			rows, stored := a.Rows(t), a.Stored(t)

			full.Store(true)
			spec := condatest.Spec{Name: "second", PadTo: 1 << 20}
			got := a.Want(t, http.StatusServiceUnavailable, "POST", "/api/v1/upload/alice", upload(t, alice, spec))
			var problem struct {
				Detail string `json:"detail"`
			}
			if got.JSON(t, &problem); problem.Detail == "" || strings.Contains(problem.Detail, a.Data) {
				t.Errorf("the refusal says %q", problem.Detail)
			}
			if changes := a.Rows(t).Since(t, rows); len(changes) > 0 && !slices.Equal(apptest.Tables(changes), []string{"tokens"}) {
				t.Errorf("rows of %v changed", apptest.Tables(changes))
			}
			a.Want(t, http.StatusOK, "GET", "/conda/alice/noarch/first-1.0-0.conda", apptest.Request{})

			full.Store(false)
			if now := a.Stored(t); op != blob.SyncFolder && !slices.Equal(now, stored) {
				t.Errorf("the folder holds %v, want %v", now, stored)
			}
			a.Want(t, http.StatusCreated, "POST", "/api/v1/upload/alice", upload(t, alice, spec))
			a.Want(t, http.StatusOK, "GET", "/conda/alice/noarch/"+spec.FileName(), apptest.Request{})
		})
	}
}

// TestBytesAway: without the folder of bytes channels can still be read, files
// are 503, uploads are refused; when it is back all is well.
func TestBytesAway(t *testing.T) {
	a := apptest.New(t)
	alice := a.User(t, "alice")
	alice.Upload(t, "alice", condatest.Spec{}, "")
	aside := a.BlobFolder() + ".aside"
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(a.BlobFolder(), aside)
	for path, want := range map[string]int{
		"/conda/alice/noarch/repodata.json": 200, "/conda/alice/noarch/repodata_shards.msgpack.zst": 200, "/api/package/alice/demo": 200, "/alice/demo": 200,
		"/conda/alice/noarch/demo-1.0-0.conda": 503, "/api/download/alice/demo/1.0/noarch/demo-1.0-0.conda": 503, "/readyz": 503, "/healthz": 200,
		"/conda/alice/noarch/other-1.0-0.conda": 404,
	} {
		a.Want(t, want, "GET", path, apptest.Request{})
	}
	a.Want(t, http.StatusServiceUnavailable, "POST", "/api/v1/upload/alice", upload(t, alice, condatest.Spec{Name: "other"}))
	if err := os.RemoveAll(a.BlobFolder()); err != nil { // what an upload may have begun
		t.Fatal(err)
	}
	move(aside, a.BlobFolder())
	a.Want(t, http.StatusOK, "GET", "/conda/alice/noarch/demo-1.0-0.conda", apptest.Request{})
	a.Want(t, http.StatusOK, "GET", "/readyz", apptest.Request{})
	a.Want(t, http.StatusCreated, "POST", "/api/v1/upload/alice", upload(t, alice, condatest.Spec{Name: "other"}))
}

// TestSameFileAtOnce: of uploads of one name at once with different bytes one
// wins; equal bytes are one file, however often they come.
func TestSameFileAtOnce(t *testing.T) {
	a := apptest.New(t)
	alice := a.User(t, "alice")
	const many = 8
	at := func(specs []condatest.Spec) (statuses []int) {
		var group sync.WaitGroup
		out := make([]int, len(specs))
		for i, s := range specs {
			r := upload(t, alice, s)
			group.Go(func() {
				if got, err := a.Try(t.Context(), "POST", "/api/v1/upload/alice", r); err == nil {
					out[i] = got.Status
				}
			})
		}
		group.Wait()
		slices.Sort(out)
		return out
	}
	var equal, different []condatest.Spec
	wantEqual, wantDifferent := []int{}, []int{201}
	for i := range many {
		equal = append(equal, condatest.Spec{Name: "equal"})
		different = append(different, condatest.Spec{Name: "different", Summary: strconv.Itoa(i)})
		if i > 0 {
			wantEqual, wantDifferent = append(wantEqual, 200), append(wantDifferent, 409)
		}
	}
	if got, want := at(equal), append(wantEqual, 201); !slices.Equal(got, want) {
		t.Errorf("equal bytes: %v, want %v", got, want)
	}
	if got := at(different); !slices.Equal(got, wantDifferent) {
		t.Errorf("different bytes: %v, want %v", got, wantDifferent)
	}
	if files := a.Rows(t).Of(t, "file_rows"); len(files) != 2 {
		t.Errorf("%d files, want 2", len(files))
	}
	report, err := a.Registry.Fsck(t.Context(), true)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("fsck: %v, %v", report.Faults, err)
	}
}

// TestInterruptedUpload: a connection that breaks in the middle leaves neither
// rows nor bytes.
func TestInterruptedUpload(t *testing.T) {
	a := apptest.New(t)
	alice := a.User(t, "alice")
	rows, stored := a.Rows(t), a.Stored(t)
	spec := condatest.Spec{PadTo: 1 << 20}
	body := condatest.Make(t, spec)
	sum := sha256.Sum256(body)
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /api/v1/upload/alice HTTP/1.1\r\nHost: x\r\nAuthorization: token %s\r\nX-File-Name: %s\r\nX-File-SHA256: %s\r\nContent-Length: %d\r\n\r\n",
		alice.Token, spec.FileName(), hex.EncodeToString(sum[:]), len(body))
	if _, err := conn.Write(body[:len(body)/2]); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return strings.Contains(a.Logged(), `"path":"/api/v1/upload/alice"`) })
	if now := a.Stored(t); !slices.Equal(now, stored) {
		t.Errorf("the folder holds %v, want %v", now, stored)
	}
	if changes := a.Rows(t).Since(t, rows); len(changes) > 0 && !slices.Equal(apptest.Tables(changes), []string{"tokens"}) {
		t.Errorf("rows of %v changed", apptest.Tables(changes))
	}
	a.Want(t, http.StatusCreated, "POST", "/api/v1/upload/alice", upload(t, alice, spec))
}

// wait asks until something is so; nothing tells us.
func wait(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not happen")
		case <-tick.C:
		}
	}
}

// hostileChild is set in the process that is attacked.
const hostileChild = "TERRARIUM_TEST_HOSTILE"

// most is how much memory the process may take, in KiB.
const most = 512 << 10

// TestHostileAtOnce sends twenty hostile archives at once, again and again, to a
// process whose memory is looked at afterwards.
func TestHostileAtOnce(t *testing.T) {
	if os.Getenv(hostileChild) != "" {
		attack(t)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostileAtOnce$", "-test.v")
	child.Env = append(os.Environ(), hostileChild+"=1", "GOMEMLIMIT=off")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("the attacked process: %v\n%s", err, out)
	}
}

func attack(t *testing.T) {
	a := apptest.New(t)
	alice := a.User(t, "alice")
	cases := condatest.Hostile()
	// Refusals have the status of their kind and a sentence in the detail.
	statuses := map[errs.Kind]int{errs.Invalid: http.StatusUnprocessableEntity, errs.TooLarge: http.StatusRequestEntityTooLarge}
	sentence := regexp.MustCompile(`"detail":"([^"\\]|\\.)*demo-1\.([^"\\]|\\.)*\."`)
	const atOnce = 20
	for round := range slices.Chunk(cases, atOnce) {
		for len(round) < atOnce {
			round = append(slices.Clip(round), cases[:atOnce-len(round)]...)
		}
		var group sync.WaitGroup
		for _, c := range round {
			group.Go(func() {
				got, err := a.Try(t.Context(), "POST", "/api/v1/upload/alice", apptest.Request{
					Token: alice.Token, Body: c.Bytes, Type: "application/octet-stream", Header: map[string]string{"X-File-Name": c.FileName},
				})
				switch {
				case err != nil:
					t.Errorf("%s: %v", c.Name, err)
				case got.Status != statuses[c.Want] || !sentence.Match(got.Body):
					t.Errorf("%s: %s; want %d and a sentence that names the file", c.Name, got, statuses[c.Want])
				}
			})
		}
		group.Wait()
	}
	if got := peak(t); got > most {
		t.Errorf("the process took %d KiB, at most %d KiB are allowed", got, most)
	} else {
		t.Logf("the process took %d KiB", got)
	}
	if names := a.Stored(t); len(names) > 0 {
		t.Errorf("the attack left %v", names)
	}
	alice.Upload(t, "alice", condatest.Spec{}, "")
}

// peak is the most memory that this process has had, in KiB, or 0 where the
// system does not say.
func peak(t *testing.T) int {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}
