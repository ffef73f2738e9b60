//go:build clients

package clients

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
)

// person has an account on a server.
type person struct {
	name, password, token string
}

// person makes an account and a token by the program's own commands, beside the
// running server.
func (s *server) person(t testing.TB, name string) person {
	t.Helper()
	p := person{name: name, password: "seven green ferns of " + name}
	s.must(t, p.password+"\n", "user", "create", name, "--email", name+"@example.com", "--password-stdin")
	p.token = strings.TrimSpace(s.must(t, "", "token", "create", "--user", name, "--name", "test"))
	if p.token == "" {
		t.Fatal("token create printed no token")
	}
	return p
}

// post sends a value as JSON and reads one.
func (s *server) post(t testing.TB, path, token string, value any) map[string]any {
	t.Helper()
	a := s.ask(t, http.MethodPost, path, token, jsonBody(t, value), "Content-Type: application/json")
	if a.status/100 != 2 {
		t.Fatalf("POST %s: %d: %s", path, a.status, a.body)
	}
	return object(t, a.body)
}

// jsonBody is a value as JSON.
func jsonBody(t testing.TB, value any) io.Reader {
	t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b)
}

// object reads a JSON object.
func object(t testing.TB, b []byte) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("no JSON object: %v: %.300s", err, b)
	}
	return out
}

// parcel is a package as a file on the disk.
type parcel struct {
	condatest.Spec
	path  string
	bytes []byte
}

// pack makes a package and writes it into a folder of its own.
func pack(t testing.TB, spec condatest.Spec) parcel {
	t.Helper()
	p := parcel{Spec: spec, bytes: condatest.Make(t, spec)}
	p.path = filepath.Join(t.TempDir(), spec.FileName())
	if err := os.WriteFile(p.path, p.bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// sha256 is the digest of the package's bytes, in hex.
func (p parcel) sha256() string {
	sum := sha256.Sum256(p.bytes)
	return hex.EncodeToString(sum[:])
}

// subdir is the package's, noarch unless it says otherwise.
func (p parcel) subdir() string {
	if p.Subdir == "" {
		return "noarch"
	}
	return p.Subdir
}

// upload publishes a package by the door of one request.
func (s *server) upload(t testing.TB, by person, channel string, p parcel) {
	t.Helper()
	a := s.ask(t, http.MethodPost, "/api/v1/upload/"+channel, by.token, bytes.NewReader(p.bytes),
		"X-File-Name: "+filepath.Base(p.path), "X-File-SHA256: "+p.sha256(), "Content-Type: application/octet-stream")
	if a.status != http.StatusCreated {
		t.Fatalf("upload %s to %s: %d: %s", filepath.Base(p.path), channel, a.status, a.body)
	}
}

// index is one subdir of a channel as its repodata.json gives it: records by
// file name.
func (s *server) index(t testing.TB, channel, subdir, token string) map[string]map[string]any {
	t.Helper()
	a := s.status(t, http.StatusOK, "/conda/"+channel+"/"+subdir+"/repodata.json", token)
	var doc struct {
		Packages map[string]map[string]any `json:"packages"`
		Conda    map[string]map[string]any `json:"packages.conda"`
	}
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Fatalf("repodata.json of %s/%s: %v", channel, subdir, err)
	}
	out := map[string]map[string]any{}
	maps.Copy(out, doc.Packages)
	maps.Copy(out, doc.Conda)
	return out
}

// shardFiles lists the files that the shards of a subdir hold, by way of the
// shard index.
func (s *server) shardFiles(t testing.TB, channel, subdir, token string) []string {
	t.Helper()
	base := "/conda/" + channel + "/" + subdir + "/"
	index, err := repodata.DecodeShardIndex(s.status(t, http.StatusOK, base+"repodata_shards.msgpack.zst", token).body)
	if err != nil {
		t.Fatalf("shard index of %s/%s: %v", channel, subdir, err)
	}
	var out []string
	for i, name := range index.Names {
		path := base + strings.TrimPrefix(index.Info.ShardsBaseURL, "./") + repodata.ShardFileName(index.Hashes[i])
		shard, err := repodata.DecodeShard(s.status(t, http.StatusOK, path, token).body)
		if err != nil {
			t.Fatalf("shard of %s: %v", name, err)
		}
		for _, f := range shard.Files {
			out = append(out, f.FileName)
		}
	}
	slices.Sort(out)
	return out
}

// listed holds a channel's subdir to just these files, in repodata.json and in
// the shards.
func (s *server) listed(t testing.TB, channel, subdir, token string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(s.index(t, channel, subdir, token))); !slices.Equal(got, want) {
		t.Errorf("repodata.json of %s/%s lists %q, want %q", channel, subdir, got, want)
	}
	if got := s.shardFiles(t, channel, subdir, token); !slices.Equal(got, want) {
		t.Errorf("the shards of %s/%s list %q, want %q", channel, subdir, got, want)
	}
}

// bothFormats are the two kinds of archive.
func bothFormats() []conda.Format { return []conda.Format{conda.FormatConda, conda.FormatTarBz2} }
