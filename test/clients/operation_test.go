//go:build clients

package clients

import (
	"bytes"
	"encoding/json/v2"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/sqldb"
)

// TestBackup takes a backup while people upload, restores it into an empty place,
// and looks there for everything that had been answered before it began.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t), "--sample")
	ada := s.person(t, "ada")
	var parcels []parcel
	for _, version := range []string{"1.0", "2.0", "3.0", "4.0", "5.0", "6.0"} {
		parcels = append(parcels, pack(t, spec("tool", version)))
	}
	for _, p := range parcels[:3] {
		s.upload(t, ada, "ada/dev", p)
	}
	s.delete(t, ada, "ada", parcels[2])
	s.post(t, "/api/package/ada/hidden", ada.token, map[string]any{"public": false, "public_attrs": map[string]any{"summary": "", "package_types": []string{"conda"}}})
	hidden := pack(t, spec("hidden", "1.0"))
	s.upload(t, ada, "ada", hidden)

	file := filepath.Join(t.TempDir(), "whole.backup")
	meanwhile := make(chan struct{})
	go func() {
		defer close(meanwhile)
		for _, p := range parcels[3:] {
			s.ask(t, http.MethodPost, "/api/v1/upload/ada/dev", ada.token, bytes.NewReader(p.bytes), "X-File-Name: "+filepath.Base(p.path))
		}
	}()
	s.must(t, "", "backup", file)
	<-meanwhile
	if o := s.terrarium(t, "", "backup", file); o.status != 1 || !strings.Contains(o.stderr, "exists already") {
		t.Errorf("a second backup over the first: status %d: %s", o.status, o.stderr)
	}
	if o := s.terrarium(t, "", "restore", file); o.status != 1 || !strings.Contains(o.stderr, "empty") {
		t.Errorf("restore into a place in use: status %d: %s", o.status, o.stderr)
	}

	other := emptyPlace(t)
	other.must(t, "", "restore", file)
	other.must(t, "", "fsck", "--digests")
	back := serve(t, other)
	for _, at := range [][2]string{{"ada/dev", "noarch"}, {"ada", "noarch"}, {"sample", "noarch"}, {"sample", "linux-64"}} {
		got, want := back.index(t, at[0], at[1], ada.token), s.index(t, at[0], at[1], ada.token)
		for _, p := range parcels[3:] { // either way is right
			delete(got, filepath.Base(p.path))
			delete(want, filepath.Base(p.path))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s/%s: before (-) and restored (+):\n%s", at[0], at[1], diff)
		}
	}
	if got := back.status(t, http.StatusOK, "/conda/ada/dev/noarch/"+filepath.Base(parcels[0].path), "").body; !bytes.Equal(got, parcels[0].bytes) {
		t.Error("a restored file has other bytes")
	}
	back.status(t, http.StatusGone, "/conda/ada/dev/noarch/"+filepath.Base(parcels[2].path), "")
	back.listed(t, "ada", "noarch", ada.token, filepath.Base(hidden.path))
	back.listed(t, "ada", "noarch", "")
	more := pack(t, spec("more", "1.0")) // it lives on
	back.upload(t, ada, "ada", more)
	newRattler(t).sees(t, back.url+"/conda/ada", "more", filepath.Base(more.path))

	broken := filepath.Join(t.TempDir(), "cut.backup")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, b[:len(b)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	third := emptyPlace(t)
	if o := third.terrarium(t, "", "restore", broken); o.status != 1 || !strings.Contains(o.stderr, "not a whole backup") {
		t.Errorf("restore of half a backup: status %d: %s", o.status, o.stderr)
	}
}

// TestNewerSchema: data of a newer program are refused with a sentence by every
// command, and left as they are.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	p := emptyPlace(t)
	said(t, p.must(t, "", "migrate"), "schema")
	address := p.database
	if address == "" {
		address = "sqlite:" + filepath.Join(p.data, "terrarium.db")
	}
	db, err := sqldb.Open(t.Context(), address, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", 9999, true); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"migrate"}, {"user", "list"}, {"fsck"}} {
		o := p.terrarium(t, "", args...)
		if o.status != 1 || strings.Count(strings.TrimSpace(o.stderr), "\n") != 0 {
			t.Errorf("%s: status %d, want 1 and one sentence: %s", args, o.status, o.stderr)
		}
		said(t, o.stderr, "newer Terrarium", "schema 9999")
	}
}

// TestReopens: what one process wrote, the next one serves, byte for byte, with
// the ETags that clients hold.
func TestReopens(t *testing.T) {
	t.Parallel()
	p := emptyPlace(t)
	first := serve(t, p, "--sample")
	before := map[string]answer{}
	paths := []string{
		"/conda/sample/noarch/repodata.json", "/conda/sample/noarch/repodata.json.zst", "/conda/sample/noarch/repodata_shards.msgpack.zst",
		"/conda/sample/linux-64/repodata.json", "/conda/sample/channeldata.json", "/conda/sample/noarch/run_exports.json",
	}
	for _, path := range paths {
		before[path] = first.status(t, http.StatusOK, path, "")
	}
	first.stop(t)
	second := serve(t, p, "--sample")
	for _, path := range paths {
		got := second.status(t, http.StatusOK, path, "")
		if !bytes.Equal(got.body, before[path].body) || got.header.Get("ETag") != before[path].header.Get("ETag") {
			t.Errorf("%s differs after a restart: ETag %s, before %s", path, got.header.Get("ETag"), before[path].header.Get("ETag"))
		}
		if a := second.ask(t, http.MethodGet, path, "", nil, "If-None-Match: "+before[path].header.Get("ETag")); a.status != http.StatusNotModified {
			t.Errorf("%s: %d to the ETag of before the restart, want 304", path, a.status)
		}
	}
}

// TestCommands runs every command with its settings before and after it, the
// lists as JSON, and each exit status.
func TestCommands(t *testing.T) {
	t.Parallel()
	p := emptyPlace(t)
	before := func(args ...string) outcome { return p.command(t, "", append(p.flags(), args...)...) }
	if o := p.command(t, "seven green ferns\n", append(append([]string{"user", "create", "ada"}, p.flags()...), "--email", "ada@example.com", "--operator", "--password-stdin")...); o.status != 0 {
		t.Fatalf("user create: %d: %s", o.status, o.stderr)
	}
	p.must(t, "", "user", "create", "bob", "--email", "bob@example.com")

	var users []struct {
		Name, Email        string
		Operator, Disabled bool
	}
	for _, o := range []outcome{before("user", "list", "--json"), before("--json", "user", "list"), p.terrarium(t, "", "user", "list", "--json")} {
		users = nil
		if err := json.Unmarshal([]byte(o.stdout), &users, json.MatchCaseInsensitiveNames(true)); o.status != 0 || err != nil {
			t.Fatalf("user list --json: %d %v: %s", o.status, err, o.all())
		}
		names := map[string]bool{}
		for _, u := range users {
			names[u.Name] = u.Operator
		}
		if operator, ok := names["ada"]; !ok || !operator {
			t.Errorf("user list --json shows %v, want ada as an operator", names)
		}
		if operator, ok := names["bob"]; !ok || operator {
			t.Errorf("user list --json shows %v, want bob as no operator", names)
		}
	}
	said(t, p.must(t, "", "user", "list"), "ada@example.com", "operator", "bob@example.com")
	p.must(t, "eight green ferns\n", "user", "set-password", "bob", "--password-stdin")
	token := strings.TrimSpace(p.must(t, "", "token", "create", "--user", "bob", "--name", "robot", "--scope", "api:read", "--scope", "conda:download", "--expires", "30d"))
	if strings.ContainsAny(token, " \n") || !strings.HasPrefix(token, "tm-") {
		t.Errorf("token create printed %q, want the token and nothing else", token)
	}
	for _, o := range []outcome{before("fsck"), p.terrarium(t, "", "fsck", "--digests"), before("gc", "--dry-run"), p.terrarium(t, "", "gc"), before("migrate")} {
		if o.status != 0 {
			t.Errorf("status %d: %s", o.status, o.all())
		}
	}
	faults := object(t, []byte(p.must(t, "", "fsck", "--json")))
	if list, ok := faults["faults"].([]any); !ok || len(list) != 0 {
		t.Errorf("fsck --json: %v", faults)
	}
	said(t, p.must(t, "", "version"), "terrarium")

	var settings []struct{ Key, Value, Source string }
	o := p.command(t, "", append([]string{"config", "--json", "--signup", "closed"}, p.flags()...)...)
	if err := json.Unmarshal([]byte(o.stdout), &settings, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("config --json: %v: %s", err, o.all())
	}
	shown := map[string]string{}
	for _, s := range settings {
		shown[s.Key] = s.Value + " " + s.Source
	}
	if shown["data"] != p.data+" flag" || shown["signup"] != "closed flag" || shown["listen"] != "127.0.0.1:8080 default" {
		t.Errorf("config --json shows %v", slices.Sorted(maps.Keys(shown)))
	}

	// A flag beats the environment, that the file, that the default.
	file := filepath.Join(t.TempDir(), "terrarium.toml")
	if err := os.WriteFile(file, []byte("signup = \"invite\"\ninstance_name = \"From the file\"\nlisten = \"127.0.0.1:1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "TERRARIUM_CONFIG="+file, "TERRARIUM_SIGNUP=closed", "TERRARIUM_LISTEN=127.0.0.1:2")
	text := p.must(t, "", "config", "--listen", "127.0.0.1:3")
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		switch fields[0] {
		case "listen":
			said(t, line, "127.0.0.1:3 flag")
		case "signup":
			said(t, line, "closed environment")
		case "instance_name":
			said(t, line, "From the file file "+file)
		}
	}

	refusals := []struct {
		status int
		words  string
		args   []string
	}{
		{1, "ada", []string{"user", "create", "ada", "--email", "other@example.com"}},
		{1, "reserved", []string{"user", "create", "admin", "--email", "admin@example.com"}},
		{1, "nobody", []string{"user", "disable", "nobody"}},
		{1, "nobody", []string{"token", "create", "--user", "nobody", "--name", "x"}},
		{1, "30d", []string{"token", "create", "--user", "bob", "--name", "x", "--expires", "soon"}},
		{1, "scope", []string{"token", "create", "--user", "bob", "--name", "x", "--scope", "everything"}},
		{1, "robot", []string{"token", "create", "--user", "bob", "--name", "robot"}},
		{1, "no folder", []string{"channel", "import", "bob/main", "/nowhere"}},
		{1, "cannot be opened", []string{"restore", "/nowhere"}},
		{1, "signup", []string{"config", "--signup", "sometimes"}},
		{2, "unknown", []string{"fsck", "--nothing-like-it"}},
		{2, "unexpected", []string{"grow"}},
		{2, "email", []string{"user", "create", "carl"}},
		{2, "", []string{}},
	}
	empty := emptyPlace(t) // restore looks at the place first
	for _, test := range refusals {
		at := p
		if len(test.args) > 0 && test.args[0] == "restore" {
			at = empty
		}
		o := at.terrarium(t, "", test.args...)
		if o.status != test.status {
			t.Errorf("%q: status %d, want %d: %s", test.args, o.status, test.status, o.all())
		}
		if !strings.Contains(o.stderr, test.words) {
			t.Errorf("%q: it says %q, want %q in it", test.args, o.stderr, test.words)
		}
		if test.status == 1 && (o.stdout != "" || strings.Count(strings.TrimSpace(o.stderr), "\n") != 0) {
			t.Errorf("%q: want one sentence on stderr: %s", test.args, o.all())
		}
	}
	if o := p.command(t, "", "--help"); o.status != 0 || !strings.Contains(o.stdout, "serve") {
		t.Errorf("--help: %d: %s", o.status, o.all())
	}
}

// TestCommandsTakeEffectAtOnce: what a command beside the running server takes
// away is gone on the next request, and what it makes is there.
func TestCommandsTakeEffectAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, emptyPlace(t))
	ada, bob := s.person(t, "ada"), s.person(t, "bob")
	for _, p := range []person{ada, bob} {
		for range 3 { // now it is cached
			s.status(t, http.StatusOK, "/api/user", p.token)
		}
	}
	second := strings.TrimSpace(s.must(t, "", "token", "create", "--user", "ada", "--name", "second"))
	s.status(t, http.StatusOK, "/api/user", second)

	a := s.ask(t, http.MethodDelete, "/api/authentications/name/test", ada.token, nil)
	if a.status != http.StatusCreated {
		t.Fatalf("remove the token: %d: %s", a.status, a.body)
	}
	s.status(t, http.StatusUnauthorized, "/api/user", ada.token)
	s.status(t, http.StatusOK, "/api/user", second)

	third := strings.TrimSpace(s.must(t, "", "token", "create", "--user", "ada", "--name", "second", "--replace"))
	s.status(t, http.StatusUnauthorized, "/api/user", second)
	s.status(t, http.StatusOK, "/api/user", third)

	s.must(t, "", "user", "disable", "bob")
	s.status(t, http.StatusUnauthorized, "/api/user", bob.token)
	s.status(t, http.StatusOK, "/api/user", third)

	s.must(t, "nine green ferns\n", "user", "set-password", "ada", "--password-stdin")
	client := s.anaconda(t, standalone, "")
	if o := client.run(t, "", "login", "--username", "ada", "--password", ada.password); o.status == 0 {
		t.Errorf("the old password still signs in: %s", o.all())
	}
	client.must(t, "login", "--username", "ada", "--password", "nine green ferns")

	dir := generated(t)
	s.listed(t, "ada", "noarch", third)
	said(t, s.must(t, "", "channel", "import", "ada", dir, "--metadata-only", "--subdir", "noarch", "--json"), `"subdir": "noarch"`)
	if got := len(s.index(t, "ada", "noarch", third)); got != many {
		t.Errorf("after an import beside it the server lists %d records, want %d", got, many)
	}
}

// TestProcessesAgree: what one process answered, every other one lists on its
// next request. On PostgreSQL and S3 the others are servers; on SQLite, where one
// serves, it is that one and what commands see.
func TestProcessesAgree(t *testing.T) {
	t.Parallel()
	p := emptyPlace(t)
	a := serve(t, p)
	b := a
	if onMany() {
		b = serve(t, p)
	}
	ada := a.person(t, "ada")
	var want []string
	for i, version := range []string{"1.0", "2.0", "3.0", "4.0"} {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		file := pack(t, spec("tool", version))
		from.upload(t, ada, "ada", file)
		want = append(want, filepath.Base(file.path))
		to.listed(t, "ada", "noarch", "", want...)
		if got := to.status(t, http.StatusOK, "/conda/ada/noarch/"+filepath.Base(file.path), "").body; !bytes.Equal(got, file.bytes) {
			t.Error("the other process gives other bytes")
		}
		for _, form := range []string{"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "run_exports.json"} {
			one, other := a.get(t, "/conda/ada/noarch/"+form, ""), b.get(t, "/conda/ada/noarch/"+form, "")
			if one.header.Get("ETag") != other.header.Get("ETag") || !bytes.Equal(one.body, other.body) {
				t.Errorf("%s: ETags %s and %s, or other bytes", form, one.header.Get("ETag"), other.header.Get("ETag"))
			}
		}
	}
	b.status(t, http.StatusOK, "/api/user", ada.token)
	if got := a.ask(t, http.MethodDelete, "/api/authentications", ada.token, nil); got.status != http.StatusCreated {
		t.Fatalf("log out: %d: %s", got.status, got.body)
	}
	b.status(t, http.StatusUnauthorized, "/api/user", ada.token)
	said(t, p.must(t, "", "fsck", "--digests"), "4 files", "0 orphaned")
}
