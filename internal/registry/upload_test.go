package registry_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

func TestUpload(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		spec := condatest.Spec{Name: "demo", Version: "1.0", Subdir: "linux-64", License: "MIT", Summary: "A demo", Depends: []string{"python >=3.9"}, README: "# hello"}
		content := condatest.Make(t, spec)
		f, created, err := w.upload(w.alice, "alice", spec)
		if err != nil || !created {
			t.Fatalf("got created %v, %v", created, err)
		}
		sum := sha256.Sum256(content)
		if f.SHA256 != hex.EncodeToString(sum[:]) || f.Size != int64(len(content)) || f.Basename != "linux-64/demo-1.0-0.conda" || !f.IndexedAt.Equal(start) {
			t.Errorf("got %+v", f)
		}
		if got := w.read(f); !bytes.Equal(got, content) {
			t.Errorf("got %d other bytes back", len(got))
		}
		w.wantListed("alice", "main", -1, "linux-64/demo-1.0-0.conda")
		want := []registry.Changed{{ChannelID: "main-alice", Generation: 1, Subdirs: map[string][]string{"linux-64": {"demo"}}}}
		if d := cmp.Diff(want, w.published); d != "" {
			t.Errorf("published (-want +got):\n%s", d)
		}
		var at time.Time
		var actor, cause, name string
		err = w.db.Row(w.ctx, `SELECT g.at, g.actor_name, g.cause, n.name FROM generations g JOIN generation_names n
			ON n.channel_id = g.channel_id AND n.number = g.number AND n.subdir = g.subdir`).Scan(&at, &actor, &cause, &name)
		if err != nil || !at.Equal(start) || actor != "alice" || cause != "upload" || name != "demo" {
			t.Errorf("the log of generations says %v %q %q %q, %v", at, actor, cause, name, err)
		}

		p, err := w.Package(w.ctx, w.nobody, "alice", "Demo")
		if err != nil {
			t.Fatal(err)
		}
		if p.Latest != "1.0" || p.License != "MIT" || p.Summary != "A demo" || !cmp.Equal(p.Types, []string{"conda"}) ||
			!cmp.Equal(p.Platforms, []string{"linux-64"}) || !cmp.Equal(p.Versions, []string{"1.0"}) || p.ReleasedAt == nil {
			t.Errorf("got %+v", p)
		}
		got, err := w.File(w.ctx, w.nobody, "alice", "demo", "1.0", "linux-64/demo-1.0-0.conda")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"main"}, got.Labels); d != "" {
			t.Error(d)
		}
		info, err := w.FileInfo(w.ctx, w.nobody, got)
		if err != nil || info.README != "# hello" || len(info.Paths) == 0 || len(info.Members) == 0 {
			t.Errorf("got %+v, %v", info, err)
		}

		again, created, err := w.upload(w.alice, "alice", spec)
		if err != nil || created || again.ID != f.ID {
			t.Errorf("the same bytes again: created %v, %v", created, err)
		}
		_, created, err = w.upload(w.alice, "alice", spec, into("dev"))
		if err != nil || created {
			t.Errorf("the same bytes for another channel: created %v, %v", created, err)
		}
		w.wantListed("alice", "dev", -1, "linux-64/demo-1.0-0.conda")
		spec.Summary = "Another"
		_, _, err = w.upload(w.alice, "alice", spec)
		wantKind(t, err, errs.Exists)
	})
}

func TestForceReplaces(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		spec := condatest.Spec{Summary: "first"}
		old := w.must(w.alice, "alice", spec)
		first := w.read(old)
		spec.Summary = "second"
		f := w.must(w.alice, "alice", spec, force)
		if f.ID == old.ID {
			t.Fatal("the file was overwritten")
		}
		ch, err := w.OpenChannel(w.ctx, w.nobody, "alice", "")
		if err != nil {
			t.Fatal(err)
		}
		now, err := w.FileAt(w.ctx, ch, "noarch", "demo-1.0-0.conda")
		if err != nil || now.ID != f.ID {
			t.Errorf("got %s, %v", now.ID, err)
		}
		was, err := w.FileAtGeneration(w.ctx, ch, 1, "noarch", "demo-1.0-0.conda")
		if err != nil || was.ID != old.ID || !bytes.Equal(w.read(was), first) {
			t.Errorf("at generation 1: got %s, %v", was.ID, err)
		}
		w.wantListed("alice", "main", 1, "noarch/demo-1.0-0.conda")
		w.wantListed("alice", "main", 2, "noarch/demo-1.0-0.conda")
		if n := w.count("SELECT count(*) FROM records WHERE added = 1 AND removed = 2"); n != 1 {
			t.Errorf("%d records were ended, want 1", n)
		}
	})
}

func TestUploadRefuses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		good := condatest.Spec{}
		w.must(w.alice, "alice", condatest.Spec{Name: "twin", Format: conda.FormatTarBz2, Depends: []string{"a"}})
		w.must(w.alice, "alice", condatest.Spec{Name: "case", Build: "abc"})
		for _, tt := range []struct {
			name   string
			actor  access.Actor
			owner  string
			spec   condatest.Spec
			change func(*registry.UploadRequest)
			want   errs.Kind
		}{
			{"nobody", w.nobody, "alice", good, func(*registry.UploadRequest) {}, errs.Unauthenticated},
			{"a stranger", w.bob, "alice", good, func(*registry.UploadRequest) {}, errs.Forbidden},
			{"an owner that is not there", w.bob, "nowhere", good, func(*registry.UploadRequest) {}, errs.NotFound},
			{"a member without a grant", w.carol, "acme", good, func(*registry.UploadRequest) {}, errs.Forbidden},
			{"a token that only reads", tokenOf(w.alice, "api:read"), "alice", good, func(*registry.UploadRequest) {}, errs.Forbidden},
			{"an unverified person", unverified(w.alice), "alice", good, func(*registry.UploadRequest) {}, errs.Forbidden},
			{"no archive", w.alice, "alice", good, body("nonsense"), errs.Invalid},
			{"another name in the archive", w.alice, "alice", good, func(u *registry.UploadRequest) { u.FileName = "other-1.0-0.conda" }, errs.Invalid},
			{"another subdir", w.alice, "alice", good, func(u *registry.UploadRequest) { u.Subdir = "linux-64" }, errs.Invalid},
			{"a wrong digest", w.alice, "alice", good, func(u *registry.UploadRequest) { u.SHA256 = strings.Repeat("0", 64) }, errs.Invalid},
			{"a wrong MD5", w.alice, "alice", good, func(u *registry.UploadRequest) { u.MD5 = make([]byte, 16) }, errs.Invalid},
			{"a wrong size", w.alice, "alice", good, func(u *registry.UploadRequest) { u.Size = 3 }, errs.Invalid},
			{"too many bytes announced", w.alice, "alice", good, func(u *registry.UploadRequest) { u.Size = 1 << 50 }, errs.TooLarge},
			{"a channel that cannot be", w.alice, "alice", good, into("label"), errs.Invalid},
			{"a build in the future", w.alice, "alice", condatest.Spec{Timestamp: start.AddDate(0, 0, 2).UnixMilli()}, func(*registry.UploadRequest) {}, errs.Invalid},
			{"another twin", w.alice, "alice", condatest.Spec{Name: "twin", Depends: []string{"b"}}, func(*registry.UploadRequest) {}, errs.Invalid},
			{"a name that differs in case", w.alice, "alice", condatest.Spec{Name: "case", Build: "ABC"}, func(*registry.UploadRequest) {}, errs.Exists},
			{"a body that breaks off", w.alice, "alice", good, func(u *registry.UploadRequest) { u.Body = broken{} }, errs.Internal},
		} {
			before, rows := w.stored(), w.rows()
			_, _, err := w.upload(tt.actor, tt.owner, tt.spec, tt.change)
			if errs.KindOf(err) != tt.want || err == nil {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			}
			if d := cmp.Diff(rows, w.rows()); d != "" {
				t.Errorf("%s left rows (-before +after):\n%s", tt.name, d)
			}
			if d := cmp.Diff(before, w.stored()); d != "" && tt.want != errs.Exists && tt.name != "another twin" {
				t.Errorf("%s left bytes (-before +after):\n%s", tt.name, d)
			}
		}
	})
}

// broken is a connection that goes away.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// tokenOf narrows an actor to a token with scopes.
func tokenOf(a access.Actor, scopes ...string) access.Actor {
	a.Credential, a.TokenID, a.Scopes = "token t1", "t1", scopes
	return a
}

func unverified(a access.Actor) access.Actor {
	a.Verified = false
	return a
}

// rows counts the rows of every table that an upload writes.
func (w *world) rows() map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	for _, table := range []string{
		"packages", "releases", "files", "file_info", "file_channels", "records", "generations",
		"generation_names", "channels", "uploads", "audit",
	} {
		counts[table] = w.count("SELECT count(*) FROM " + table)
	}
	return counts
}

func TestUnverifiedMayPublishPrivately(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(unverified(w.alice), "alice", condatest.Spec{}, private)
	})
}

func TestHostileArchives(t *testing.T) {
	db := sqldbtest.Open(t)
	w := newWorld(t, db, registry.Options{})
	before := w.rows()
	for _, h := range condatest.Hostile() {
		_, _, err := w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", FileName: h.FileName, Body: bytes.NewReader(h.Bytes), Size: int64(len(h.Bytes))})
		if errs.KindOf(err) != h.Want || err == nil {
			t.Errorf("%s: got %v, want %v", h.Name, err, h.Want)
		}
	}
	if d := cmp.Diff(before, w.rows()); d != "" {
		t.Errorf("hostile archives left rows (-before +after):\n%s", d)
	}
	if keys := w.stored(); len(keys) > 0 {
		t.Errorf("hostile archives left %d blobs", len(keys))
	}
}

// The payload of what is large is read after it was published: what is wrong with
// it is withdrawn then, and stays so.
func TestCheckFiles(t *testing.T) {
	enqueued := 0
	w := newWorld(t, sqldbtest.Open(t), registry.Options{CheckNow: 1, AfterUpload: func(context.Context, *sqldb.DB) error {
		enqueued++
		return nil
	}})
	good := w.must(w.alice, "alice", condatest.Spec{Name: "good"})
	late := 0
	for _, h := range condatest.Hostile() {
		if !h.Late {
			continue
		}
		late++
		request := registry.UploadRequest{Owner: "alice", FileName: h.FileName, Body: bytes.NewReader(h.Bytes), Size: -1, Force: true}
		f, _, err := w.Upload(w.ctx, w.alice, request)
		if err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		for range 2 {
			if err := w.CheckFiles(w.ctx); err != nil {
				t.Fatalf("%s: %v", h.Name, err)
			}
		}
		if f, err = w.FileByID(w.ctx, w.alice, f.ID); err != nil || f.WithdrawnAt == nil || f.WithdrawnWhy == "" {
			t.Errorf("%s: withdrawn %v %q, %v", h.Name, f.WithdrawnAt, f.WithdrawnWhy, err)
		}
		if _, err := w.Unwithdraw(w.ctx, w.alice, "alice", "demo", "1.0", f.Basename); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: putting it back gave %v", h.Name, err)
		}
		request.Force, request.Body = false, bytes.NewReader(h.Bytes)
		if _, _, err := w.Upload(w.ctx, w.alice, request); errs.KindOf(err) != errs.Exists || !strings.Contains(errs.Message(err), "withdrawn") {
			t.Errorf("%s: uploading it again gave %v", h.Name, err)
		}
		if _, err := w.Copy(w.ctx, w.alice, registry.CopyRequest{Owner: "alice", Package: "demo", Version: "1.0", ToOwner: "acme"}); err != nil {
			t.Fatal(err)
		}
		w.wantListed("alice", "main", -1, good.Basename)
		w.wantListed("acme", "main", -1)
		if err := w.DeletePackage(w.ctx, w.alice, "acme", "demo"); err != nil {
			t.Fatal(err)
		}
	}
	if late == 0 || enqueued != late+1 {
		t.Errorf("%d checks were enqueued for %d uploads", enqueued, late+1)
	}
	if n := w.count("SELECT count(*) FROM unchecked_files"); n != 0 {
		t.Errorf("%d files wait for a check", n)
	}
	for _, id := range []string{good.ID, "nothing"} {
		if err := w.CheckFile(w.ctx, id); err != nil {
			t.Error(err)
		}
	}
	w.wantListed("alice", "main", -1, good.Basename)
}

// An old builder's archive takes much memory to check and is as good as any.
func TestWideWindowIsPublished(t *testing.T) {
	w := newWorld(t, sqldbtest.Open(t), registry.Options{})
	f, _, err := w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", FileName: "demo-1.0-0.conda", Body: bytes.NewReader(condatest.WideWindow()), Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	w.wantListed("alice", "main", -1, f.Basename)
}

// Whether a name is that of a private package, a stranger cannot tell.
func TestPrivateNamesAreNotTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "acme", condatest.Spec{Name: "secret"}, private)
		for _, who := range []access.Actor{w.nobody, w.bob, w.carol} {
			_, _, there := w.upload(who, "acme", condatest.Spec{Name: "secret"})
			_, _, absent := w.upload(who, "acme", condatest.Spec{Name: "absent"})
			got, want := errs.Message(there), strings.ReplaceAll(errs.Message(absent), "absent", "secret")
			if errs.KindOf(there) != errs.KindOf(absent) || got != want {
				t.Errorf("%q tells them apart: %q and %q", who.Name, got, want)
			}
		}
		// Whoever may put new packages there must be told something.
		dev := w.carol
		ch, err := w.Channel(w.ctx, w.alice, "acme", "main")
		if err != nil {
			t.Fatal(err)
		}
		dev.Grants = []access.Grant{{ObjectKind: access.OnChannel, ObjectID: ch.ID, Verb: access.Write}}
		w.must(dev, "acme", condatest.Spec{Name: "fresh"})
		_, _, err = w.upload(dev, "acme", condatest.Spec{Name: "secret", Version: "2.0"})
		wantKind(t, err, errs.Exists)
	})
}

func TestTwoUploadsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			content := condatest.Make(t, condatest.Spec{Summary: fmt.Sprint("bytes ", i)})
			wg.Go(func() {
				_, _, results[i] = w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", FileName: "demo-1.0-0.conda", Body: bytes.NewReader(content), Size: -1})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range results {
			switch {
			case err == nil:
				won++
			case !errs.Is(err, errs.Exists):
				t.Errorf("got %v, want errs.Exists", err)
			}
		}
		if won != 1 {
			t.Errorf("%d uploads won, want 1", won)
		}
		w.wantListed("alice", "main", -1, "noarch/demo-1.0-0.conda")
	})
}

func TestGroupCommit(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{Name: "taken"})
		var wg sync.WaitGroup
		results := make([]error, 16)
		for i := range results {
			spec := condatest.Spec{Name: fmt.Sprintf("p%02d", i)}
			if i == 7 {
				spec = condatest.Spec{Name: "taken", Summary: "other bytes"}
			}
			content := condatest.Make(t, spec)
			wg.Go(func() {
				_, _, results[i] = w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", FileName: spec.FileName(), Body: bytes.NewReader(content), Size: -1})
			})
		}
		wg.Wait()
		for i, err := range results {
			if want := i == 7; errs.Is(err, errs.Exists) != want || !want && err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		}
		if got := w.listed("alice", "main", -1); len(got) != 16 {
			t.Errorf("got %d records, want 16: %v", len(got), got)
		}
		// Every generation that a batch began is in the log, and was published.
		last := int64(0)
		for _, c := range w.published {
			if c.Generation <= last {
				t.Errorf("generation %d was published after %d", c.Generation, last)
			}
			last = c.Generation
			if n := w.count("SELECT count(*) FROM generations WHERE channel_id = $1 AND number = $2", c.ChannelID, c.Generation); n != 1 {
				t.Errorf("generation %d has %d rows in the log", c.Generation, n)
			}
		}
	})
}

// slowPublisher stops at each call until it is let go on.
type slowPublisher struct{ entered, let chan struct{} }

// Publish implements registry.Publisher.
func (p *slowPublisher) Publish(context.Context, []registry.Changed) error {
	p.entered <- struct{}{}
	<-p.let
	return nil
}

// TestCommitWhilePublishing holds a batch in the publisher: the next one commits
// meanwhile, and neither it nor who sends the same bytes again is answered before
// the first is visible.
func TestCommitWhilePublishing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		slow := &slowPublisher{make(chan struct{}), make(chan struct{})}
		w.SetPublisher(slow)
		answers := make(chan string, 3)
		send := func(who, name string) {
			spec := condatest.Spec{Name: name}
			content := condatest.Make(t, spec)
			go func() {
				_, created, err := w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", FileName: spec.FileName(), Body: bytes.NewReader(content), Size: -1})
				answers <- fmt.Sprintf("%s %t %v", who, created, err)
			}()
		}
		send("first", "one")
		<-slow.entered
		send("second", "two")
		for w.count("SELECT count(*) FROM files") < 2 {
			runtime.Gosched()
		}
		send("same", "one")
		select {
		case who := <-answers:
			t.Fatalf("%s was answered before anything was visible", who)
		default:
		}
		slow.let <- struct{}{}
		if got := <-answers; got != "first true <nil>" {
			t.Fatalf("the first answer was %q", got)
		}
		<-slow.entered
		slow.let <- struct{}{}
		got := []string{<-answers, <-answers}
		slices.Sort(got)
		if want := []string{"same false <nil>", "second true <nil>"}; !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestPublisherFails(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fail = errors.New("no memory")
		f := w.must(w.alice, "alice", condatest.Spec{})
		w.wantListed("alice", "main", -1, f.Basename)
	})
}

// classic uploads a package the way anaconda-client does.
func (w *world) classic(actor access.Actor, owner string, spec condatest.Spec, content []byte, change ...func(*registry.StageRequest)) (registry.File, error) {
	w.t.Helper()
	s := registry.StageRequest{
		Owner: owner, Package: spec.Name, Version: spec.Version, Basename: "noarch/" + spec.FileName(), Type: "conda",
		Attrs: jsontext.Value(`{"build":"0","made_by":"test"}`), Description: "said by the client",
	}
	for _, f := range change {
		f(&s)
	}
	staged, err := w.Stage(w.ctx, actor, s)
	if err != nil {
		return registry.File{}, err
	}
	size, sum := int64(len(content)), md5.Sum(content)
	if err := w.Receive(w.ctx, staged.Secret, bytes.NewReader(content), registry.Declared{Size: &size, MD5: sum[:]}); err != nil {
		return registry.File{}, err
	}
	return w.Commit(w.ctx, actor, owner, s.Package, s.Version, s.Basename, staged.ID)
}

func TestClassicUpload(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		spec := condatest.Spec{Name: "demo", Version: "1.0"}
		content := condatest.Make(t, spec)
		_, err := w.classic(w.alice, "alice", spec, content)
		wantKind(t, err, errs.NotFound) // no package yet
		if _, created, err := w.CreatePackage(w.ctx, w.alice, "alice", "demo", registry.NewPackage{Attrs: jsontext.Value(`{"summary":"A demo","package_types":["conda"]}`)}); err != nil || !created {
			t.Fatal(err)
		}
		_, err = w.classic(w.alice, "alice", spec, content)
		wantKind(t, err, errs.NotFound) // no release yet
		if _, created, err := w.CreateRelease(w.ctx, w.alice, "alice", "demo", "1.0", registry.NewRelease{}); err != nil || !created {
			t.Fatal(err)
		}
		f, err := w.classic(w.alice, "alice", spec, content, func(s *registry.StageRequest) { s.Labels = []string{"Dev", "main"} })
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"dev", "main"}, f.Labels); d != "" {
			t.Error(d)
		}
		if !strings.Contains(string(f.Attrs), `"made_by":"test"`) || f.Description != "said by the client" {
			t.Errorf("got attrs %s, description %q", f.Attrs, f.Description)
		}
		w.wantListed("alice", "dev", -1, "noarch/demo-1.0-0.conda")
		_, err = w.classic(w.alice, "alice", spec, content)
		wantKind(t, err, errs.Exists) // whatever the bytes
		if n := w.count("SELECT count(*) FROM uploads"); n != 0 {
			t.Errorf("%d staged uploads are left", n)
		}
	})
}

func TestClassicRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		spec := condatest.Spec{Name: "demo", Version: "1.0"}
		content := condatest.Make(t, spec)
		if _, _, err := w.CreatePackage(w.ctx, w.alice, "alice", "demo", registry.NewPackage{}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.CreateRelease(w.ctx, w.alice, "alice", "demo", "1.0", registry.NewRelease{}); err != nil {
			t.Fatal(err)
		}
		request := registry.StageRequest{Owner: "alice", Package: "demo", Version: "1.0", Basename: "noarch/demo-1.0-0.conda", Type: "conda"}
		size := int64(len(content))

		staged, err := w.Stage(w.ctx, w.alice, request)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Commit(w.ctx, w.alice, "alice", "demo", "1.0", request.Basename, staged.ID)
		wantKind(t, err, errs.Invalid) // nothing received
		wantKind(t, w.Receive(w.ctx, "guess", bytes.NewReader(content), registry.Declared{}), errs.NotFound)
		err = w.Receive(w.ctx, staged.Secret, bytes.NewReader(content), registry.Declared{Size: &size, MD5: make([]byte, 16)})
		if errs.Reason(err) != "digest-differs" {
			t.Errorf("got %v, want digest-differs", err)
		}
		if err := w.Receive(w.ctx, staged.Secret, bytes.NewReader(content), registry.Declared{Size: &size}); err != nil {
			t.Fatal(err)
		}
		wantKind(t, w.Receive(w.ctx, staged.Secret, bytes.NewReader(content), registry.Declared{Size: &size}), errs.NotFound)
		_, err = w.Commit(w.ctx, w.bob, "alice", "demo", "1.0", request.Basename, staged.ID)
		wantKind(t, err, errs.Invalid)
		_, err = w.Commit(w.ctx, w.alice, "alice", "demo", "2.0", request.Basename, staged.ID)
		wantKind(t, err, errs.Invalid)

		// What is wrong with the archive is told at the commit, and leaves nothing.
		w.exec("DELETE FROM uploads")
		before := w.stored()
		_, err = w.classic(w.alice, "alice", spec, []byte("nonsense"))
		wantKind(t, err, errs.Invalid)
		_, err = w.classic(w.alice, "alice", spec, condatest.Make(t, condatest.Spec{Name: "other", Version: "1.0"}))
		wantKind(t, err, errs.Invalid)
		if d := cmp.Diff(before, w.stored()); d != "" {
			t.Errorf("refused uploads left bytes:\n%s", d)
		}
		if n := w.count("SELECT count(*) FROM uploads"); n != 0 {
			t.Errorf("%d staged uploads are left", n)
		}

		staged, err = w.Stage(w.ctx, w.alice, request)
		if err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Hour)
		wantKind(t, w.Receive(w.ctx, staged.Secret, bytes.NewReader(content), registry.Declared{}), errs.NotFound)

		for name, change := range map[string]func(*registry.StageRequest){
			"no subdir":        func(s *registry.StageRequest) { s.Basename = "demo-1.0-0.conda" },
			"an unknown type":  func(s *registry.StageRequest) { s.Type = "snap" },
			"attrs no object":  func(s *registry.StageRequest) { s.Attrs = jsontext.Value(`[1]`) },
			"a reserved label": func(s *registry.StageRequest) { s.Labels = []string{"nolabel"} },
			"a bad file name":  func(s *registry.StageRequest) { s.Type, s.Basename = "file", "a#b" },
		} {
			r := request
			change(&r)
			if _, err := w.Stage(w.ctx, w.alice, r); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: got %v, want errs.Invalid", name, err)
			}
		}
	})
}

func TestOtherTypes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		send := func(pkg, kind, name, content string) (registry.File, error) {
			f, _, err := w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", Type: kind, Package: pkg, Version: "1.0", FileName: name, Body: strings.NewReader(content), Size: -1})
			return f, err
		}
		if _, err := send("notes", "ipynb", "notes.ipynb", "{}"); err != nil {
			t.Fatal(err)
		}
		_, err := send("notes", "conda", "notes-1.0-0.conda", "")
		wantKind(t, err, errs.Invalid) // conda joins pypi only
		w.must(w.alice, "alice", condatest.Spec{Name: "both"})
		f, err := send("both", "pypi", "both-1.0.tar.gz", "sdist")
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.Package(w.ctx, w.nobody, "alice", "both")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"conda", "pypi"}, p.Types); d != "" {
			t.Error(d)
		}
		w.wantListed("alice", "main", -1, "noarch/both-1.0-0.conda")
		var odd int
		if err := w.db.Row(w.ctx, "SELECT count(*) FROM records WHERE subdir = ''").Scan(&odd); err != nil || odd > 0 {
			t.Errorf("%d records of files that are no conda packages (%v)", odd, err)
		}
		if got := w.read(f); string(got) != "sdist" {
			t.Errorf("got %q", got)
		}
		for _, name := range []string{"", "../x", "a/../b", "a\\b", "a?b", strings.Repeat("x", 300)} {
			_, err := send("files", "file", name, "x")
			wantKind(t, err, errs.Invalid)
		}
	})
}

func BenchmarkUpload(b *testing.B) {
	db := sqldbtest.Open(b)
	w := newWorld(b, db, registry.Options{})
	content := make([][]byte, b.N)
	names := make([]string, b.N)
	for i := range content {
		spec := condatest.Spec{Name: fmt.Sprint("p", i), PadTo: 100 << 10}
		content[i], names[i] = condatest.Make(b, spec), spec.FileName()
	}
	b.SetBytes(100 << 10)
	b.ResetTimer()
	for i := range content {
		_, _, err := w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", FileName: names[i], Body: bytes.NewReader(content[i]), Size: -1})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// TestSchemaVersion3 refuses what older clients could not read an index with.
func TestSchemaVersion3(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		spec := condatest.Spec{Info: map[string]string{
			"index.json": `{"name":"demo","version":"1.0","build":"0","build_number":0,"depends":[],"subdir":"noarch","noarch":"generic","schema_version":3}`,
		}}
		_, _, err := w.upload(w.alice, "alice", spec)
		if !errs.Is(err, errs.Invalid) || errs.Reason(err) != "schema-version" {
			t.Errorf("an archive of schema_version 3: %v, want a refusal with reason schema-version", err)
		}
		if got := w.listed("alice", "main", 1<<40); len(got) > 0 {
			t.Errorf("it is listed: %v", got)
		}
	})
}
