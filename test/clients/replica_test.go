//go:build clients && postgres

package clients

import (
	"bytes"
	"context"
	"encoding/json/v2"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"terrarium/internal/repodata"
)

// replicas serves one PostgreSQL and one bucket by two processes.
func replicas(t *testing.T) (p *place, a, b *server) {
	t.Helper()
	t.Parallel()
	p = emptyPlace(t)
	return p, serve(t, p), serve(t, p)
}

// allForms are the documents of a subdir.
var allForms = []string{
	"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "current_repodata.json", "current_repodata.json.zst",
	"run_exports.json", "run_exports.json.zst",
}

// listings gives the files that each form of a channel's noarch names, for those
// forms that name all of them.
func (s *server) listings(ctx context.Context, channel, token string) (map[string][]string, error) {
	base := "/conda/" + channel + "/noarch/"
	get := func(name string) ([]byte, error) {
		a, err := s.try(ctx, http.MethodGet, base+name, token, nil)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("GET %s%s: %d: %.300s", base, name, a.status, a.body)
		}
		return a.body, err
	}
	out := map[string][]string{}
	for _, form := range allForms[:3] {
		b, err := get(form)
		if err == nil {
			switch form {
			case "repodata.json":
				out[form], err = namesIn(b)
			case "repodata.json.zst":
				out[form], err = namesInZstd(b)
			default:
				out[form], err = namesInShards(b, get)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", form, err)
		}
	}
	return out, nil
}

func namesIn(document []byte) ([]string, error) {
	var doc struct {
		Packages map[string]any `json:"packages"`
		Conda    map[string]any `json:"packages.conda"`
	}
	err := json.Unmarshal(document, &doc)
	maps.Copy(doc.Conda, doc.Packages)
	return slices.Sorted(maps.Keys(doc.Conda)), err
}

func namesInZstd(frame []byte) ([]string, error) {
	d, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	document, err := d.DecodeAll(frame, nil)
	if err != nil {
		return nil, err
	}
	return namesIn(document)
}

func namesInShards(index []byte, get func(string) ([]byte, error)) ([]string, error) {
	shards, err := repodata.DecodeShardIndex(index)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range shards.Names {
		b, err := get(strings.TrimPrefix(shards.Info.ShardsBaseURL, "./") + repodata.ShardFileName(shards.Hashes[i]))
		if err != nil {
			return nil, err
		}
		shard, err := repodata.DecodeShard(b)
		if err != nil {
			return nil, err
		}
		for _, f := range shard.Files {
			names = append(names, f.FileName)
		}
	}
	slices.Sort(names)
	return names, nil
}

// has holds every form of a channel to whether it names a file.
func (s *server) has(t *testing.T, channel, file string, want bool) {
	t.Helper()
	got, err := s.listings(t.Context(), channel, "")
	if err != nil {
		t.Error(err)
	}
	for form, names := range got {
		if slices.Contains(names, file) != want {
			t.Errorf("%s of %s at the other replica lists %s: %t, want %t", form, channel, file, !want, want)
		}
	}
}

// same holds two servers to equal bytes and ETags in every form.
func same(t *testing.T, a, b *server, channel string) {
	t.Helper()
	for _, form := range allForms {
		path := "/conda/" + channel + "/noarch/" + form
		one, other := a.status(t, http.StatusOK, path, ""), b.status(t, http.StatusOK, path, "")
		if one.header.Get("ETag") != other.header.Get("ETag") || !bytes.Equal(one.body, other.body) {
			t.Errorf("%s of %s: ETags %s and %s, or other bytes", form, channel, one.header.Get("ETag"), other.header.Get("ETag"))
		}
	}
}

// TestReplicasUnderLoad: while several people write to both replicas, each change
// that one answered is in the next answer of the other, in every form.
func TestReplicasUnderLoad(t *testing.T) {
	p, a, b := replicas(t)
	ada := a.person(t, "ada")
	const writers, rounds = 4, 8
	var group sync.WaitGroup
	for w := range writers {
		name, label := fmt.Sprintf("tool%d", w), fmt.Sprintf("ada/rc%d", w)
		group.Go(func() {
			for i := range rounds {
				from, to := a, b
				if (w+i)%2 == 1 {
					from, to = b, a
				}
				file := pack(t, spec(name, fmt.Sprintf("1.%d", i)))
				base := filepath.Base(file.path)
				from.upload(t, ada, "ada", file)
				to.has(t, "ada", base, true)
				current := to.status(t, http.StatusOK, "/conda/ada/noarch/current_repodata.json", "").body
				if !bytes.Contains(current, []byte(`"`+base+`"`)) {
					t.Errorf("current_repodata.json at the other replica lacks %s, the newest", base)
				}
				if got := to.status(t, http.StatusOK, "/conda/ada/noarch/"+base, "").body; !bytes.Equal(got, file.bytes) {
					t.Errorf("%s has other bytes at the other replica", base)
				}
				switch i % 4 {
				case 1:
					to.delete(t, ada, "ada", file)
					from.has(t, "ada", base, false)
				case 2:
					body := map[string]any{"package": name, "version": file.Version}
					to.post(t, "/api/channels/"+label, ada.token, body)
					from.has(t, label, base, true)
					if got := from.ask(t, http.MethodDelete, "/api/channels/"+label, ada.token, jsonBody(t, body), "Content-Type: application/json"); got.status/100 != 2 {
						t.Errorf("take the label off: %d: %s", got.status, got.body)
					}
					to.has(t, label, base, false)
				}
			}
		})
	}
	group.Wait()
	same(t, a, b, "ada")
	if got := len(a.index(t, "ada", "noarch", "")); got != writers*rounds*3/4 {
		t.Errorf("the index lists %d files, want %d", got, writers*rounds*3/4)
	}
	said(t, p.must(t, "", "fsck"), "0 orphaned")
}

// TestReplicasRevoke: a token that is revoked at one replica opens nothing at the
// other one from the next request on.
func TestReplicasRevoke(t *testing.T) {
	_, a, b := replicas(t)
	ada := a.person(t, "ada")
	a.post(t, "/api/package/ada/hidden", ada.token, map[string]any{"public": false, "public_attrs": map[string]any{"summary": "", "package_types": []string{"conda"}}})
	a.upload(t, ada, "ada", pack(t, spec("hidden", "1.0")))
	for i := range 6 {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		made := from.post(t, "/api/v1/tokens", ada.token, map[string]any{"name": fmt.Sprintf("t%d", i)})
		token, id := made["token"].(string), made["id"].(string)
		if got := to.index(t, "ada", "noarch", token); len(got) != 1 {
			t.Errorf("the other replica lists %v for a new token", got)
		}
		if got := from.ask(t, http.MethodDelete, "/api/v1/tokens/"+id, ada.token, nil); got.status != http.StatusNoContent {
			t.Fatalf("revoke: %d: %s", got.status, got.body)
		}
		for _, path := range []string{"/api/user", "/conda/ada/noarch/repodata.json", "/conda/ada/noarch/repodata_shards.msgpack.zst", "/conda/ada/noarch/hidden-1.0-0.conda"} {
			to.status(t, http.StatusUnauthorized, path, token)
		}
	}
}
