package registry_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/access"
	"terrarium/internal/blob"
	"terrarium/internal/condatest"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/sqldb"
	"terrarium/internal/sqldbtest"
)

// world is a registry over a real database and a real folder, with a clock that
// only moves when told, three people and an organisation.
type world struct {
	*registry.Registry
	t     testing.TB
	db    *sqldb.DB
	blobs *blob.Store
	ctx   context.Context

	mu        sync.Mutex
	at        time.Time
	published []registry.Changed
	fail      error // of the publisher

	alice, bob, carol, nobody access.Actor // carol is a member of acme, bob a stranger
}

// start is the moment at which every world begins.
var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(t, newWorld(t, db, registry.Options{})) })
}

func newWorld(t testing.TB, db *sqldb.DB, opts registry.Options) *world {
	t.Helper()
	ctx := context.Background()
	blobs, err := blob.Open(ctx, "file:"+t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	w := &world{t: t, db: db, blobs: blobs, ctx: ctx, at: start, nobody: access.Anonymous("192.0.2.1")}
	opts.Now = w.now
	opts.Gen = access.NewGeneration(db)
	w.Registry = registry.New(db, blobs, opts)
	w.SetPublisher(w)
	w.alice, w.bob, w.carol = w.person("alice"), w.person("bob"), w.person("carol")
	w.owner("acme", "organization")
	w.alice.Roles = map[string]access.Role{"id-acme": access.RoleOwner}
	w.carol.Roles = map[string]access.Role{"id-acme": access.RoleMember}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// Publish implements registry.Publisher.
func (w *world) Publish(_ context.Context, changed []registry.Changed) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.published = append(w.published, changed...)
	return w.fail
}

// owner makes an owner with its channel main, as package account does.
func (w *world) owner(name, kind string) {
	w.t.Helper()
	w.exec("INSERT INTO owners (id, name, name_key, kind, created_at) VALUES ($1, $2, $2, $3, $4)", "id-"+name, name, kind, start)
	w.exec(`INSERT INTO channels (id, owner_id, name, kind, visibility, locked, generation, created_at)
		VALUES ($1, $2, 'main', 'local', 'public', $3, 0, $4)`, "main-"+name, "id-"+name, false, start)
}

func (w *world) person(name string) access.Actor {
	w.t.Helper()
	w.owner(name, "user")
	return access.Actor{Kind: access.KindPerson, ID: "id-" + name, Name: name, Verified: true, Credential: "session"}
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(w.ctx, query, args...); err != nil {
		w.t.Fatal(err)
	}
}

// upload publishes a package in one request.
func (w *world) upload(actor access.Actor, owner string, s condatest.Spec, change ...func(*registry.UploadRequest)) (registry.File, bool, error) {
	w.t.Helper()
	u := registry.UploadRequest{Owner: owner, FileName: s.FileName(), Body: bytes.NewReader(condatest.Make(w.t, s)), Size: -1}
	for _, f := range change {
		f(&u)
	}
	return w.Upload(w.ctx, actor, u)
}

// must is upload that succeeds.
func (w *world) must(actor access.Actor, owner string, s condatest.Spec, change ...func(*registry.UploadRequest)) registry.File {
	w.t.Helper()
	f, _, err := w.upload(actor, owner, s, change...)
	if err != nil {
		w.t.Fatalf("upload %s: %v", s.FileName(), err)
	}
	return f
}

// listed gives the records that a channel shows at a generation, -1 = the
// present one, as SUBDIR/FILE, sorted.
func (w *world) listed(owner, channel string, generation int64) []string {
	w.t.Helper()
	ch, err := w.Channel(w.ctx, access.System(), owner, channel)
	if err != nil {
		w.t.Fatal(err)
	}
	if generation < 0 {
		generation = ch.Generation
	}
	list, err := sqldb.All(w.ctx, w.db, sqldb.Scalar[string], `SELECT subdir || '/' || file_name FROM records
		WHERE channel_id = $1 AND added <= $2 AND (removed IS NULL OR removed > $2) ORDER BY 1`, ch.ID, generation)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) wantListed(owner, channel string, generation int64, want ...string) {
	w.t.Helper()
	if d := cmp.Diff(want, w.listed(owner, channel, generation)); d != "" {
		w.t.Errorf("%s/%s at %d (-want +got):\n%s", owner, channel, generation, d)
	}
}

// wantKind checks the kind of an error.
func wantKind(t testing.TB, err error, want errs.Kind) {
	t.Helper()
	if errs.KindOf(err) != want || err == nil {
		t.Errorf("got error %v, want one of kind %v", err, want)
	}
}

// count counts rows.
func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.Row(w.ctx, query, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// stored lists the keys of the blob store.
func (w *world) stored() (keys []string) {
	w.t.Helper()
	err := w.blobs.List(w.ctx, func(key blob.Key, _ int64, _ time.Time) error {
		keys = append(keys, string(key))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// read gives the bytes of a file.
func (w *world) read(f registry.File) []byte {
	w.t.Helper()
	r, err := w.OpenFile(w.ctx, f)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// into sends an upload to a channel.
func into(channel string) func(*registry.UploadRequest) {
	return func(u *registry.UploadRequest) { u.Channel = channel }
}

// private makes the package of an upload private.
func private(u *registry.UploadRequest) { u.Private = true }

// force replaces a file.
func force(u *registry.UploadRequest) { u.Force = true }

// body sends other bytes than the package.
func body(s string) func(*registry.UploadRequest) {
	return func(u *registry.UploadRequest) { u.Body = strings.NewReader(s) }
}

func ptr[T any](v T) *T { return &v }

// key is the blob of a file.
func (w *world) key(f registry.File) blob.Key { return blob.Key(f.SHA256) }
