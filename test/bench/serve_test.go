//go:build bench

package bench

import (
	"bytes"
	"cmp"
	"encoding/json/v2"
	"fmt"
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
	"terrarium/test/program"
)

const (
	serveRounds = 5
	serveShards = 2000     // at most so many are asked for in turn
	largeFile   = 64 << 20 // bytes of the package that is downloaded whole
	tokens      = 100_000  // that are there, with a channel of as many records or more
	fewReaders  = 2        // of whole documents at once
	manyReaders = 32

	plainJudged                = 48.0 // the text is unpacked for each reader, and nginx has it in a file
	steadyWanted, steadyJudged = 1.2, 3.0
)

// beside measures one kind of request at both servers in turn and gives the
// medians of CPU a request.
type beside struct {
	ours, theirs []loaded
}

// median gives the CPU of one request in the median round.
func median(rounds []loaded) time.Duration {
	if len(rounds) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(rounds), func(a, b loaded) int { return cmp.Compare(a.CPU, b.CPU) })
	r := sorted[len(sorted)/2]
	return time.Duration(r.CPU / r.Requests)
}

func each(d time.Duration) string {
	return fmt.Sprintf("%.1f µs CPU", float64(d)/float64(time.Microsecond))
}

func (b beside) line(row int, name, at, peer string) figure {
	l := figure{row: row, name: name, at: at, ours: each(median(b.ours)), peer: unmeasured, besides: peer}
	if theirs := median(b.theirs); theirs > 0 {
		l.peer, l.ratio = each(theirs), float64(median(b.ours))/float64(theirs)
	}
	return l
}

// TestBenchServe asks for shards, the index, documents and packages beside nginx
// with the same files under the same paths: rows 10 to 13.
func TestBenchServe(t *testing.T) {
	limited(t)
	n := slices.Max(sizes(t))
	many := 20_000
	if n <= 10_000 {
		many = 5_000
	}
	g := newGenerator(t)
	store, m := channels.copyOf(t, n)
	store.Env, store.Under, store.Log = nil, g.server, filepath.Join(t.TempDir(), "log")
	held := min(tokens, n)
	moreTokens(t, store, held)
	c := newClient(store.Serve(t), channelName, m.Token)
	root := t.TempDir()
	w := newMirror(t, c, root)
	n1, installed := startNginx(t, g, root, "")
	at := fmt.Sprintf("%d records", n)

	both := func(paths []string, requests int, args ...string) (b beside) {
		args = append([]string{"-n", strconv.Itoa(requests)}, args...)
		for range serveRounds {
			b.ours = append(b.ours, g.ask(t, c.server.URL, c.server.PID, paths, args...))
			if installed {
				b.theirs = append(b.theirs, g.ask(t, n1.url, n1.worker, paths, args...))
			}
		}
		return b
	}
	shards := both(w.shards, many)
	figures.atMost(t, shards.line(10, "serve-shard", at, "nginx"), 1.7, 6)
	figures.atMost(t, both(w.shards, many, "-conditional").line(10, "serve-304, shard", at, "nginx"), 2.2, 7)
	figures.atMost(t, both([]string{w.index}, many, "-conditional").line(10, "serve-304, index", at, "nginx"), 2.2, 9)
	figures.atMost(t, both([]string{w.index}, many/10).line(10, "serve-index", at, "nginx"), 1.7, 9)
	figures.atMost(t, both([]string{w.zst}, max(4, many/200), "-c", "8").line(13, "serve-repodata, .zst of pieces", at, "nginx"), 2.2, 8)
	figures.told(t, both([]string{w.json}, max(8, many/2000), "-c", "4").line(13, "serve-repodata, repodata.json", at, "nginx"), plainJudged)
	figures.atMost(t, both(w.packages, many/5).line(13, "serve-file, 100 kB", at, "nginx"), 1.7, 6)
	figures.atMost(t, both([]string{w.large}, 40, "-c", "4").line(13, "serve-file, 64 MB", at, "nginx"), 1.2, 2)

	var token beside // ours beside ours
	header := "Authorization: Bearer " + c.token
	const longer = "20000" // the two differ by little, and a collection of garbage costs as much as a thousand requests
	for range serveRounds {
		token.ours = append(token.ours, g.ask(t, c.server.URL, c.server.PID, w.shards, "-n", longer, "-header", header))
		token.theirs = append(token.theirs, g.ask(t, c.server.URL, c.server.PID, w.shards, "-n", longer))
	}
	figures.atMost(t, token.line(12, fmt.Sprintf("serve-auth, cached token of %d", held), at, "without a token"), 1.15, 1.5)
	revoked(t, c)
	resumed(t, c, w.zst)

	c.server.Stop()
	steady(t, g, store, w, at)
	secure := store.Serve(t, "--tls-dev")
	keys := t.TempDir()
	for from, to := range map[string]string{"cert.pem": "cert.pem", "cert.key": "key.pem"} {
		b, err := os.ReadFile(filepath.Join(store.Data, "tls", from))
		if err == nil {
			err = os.WriteFile(filepath.Join(keys, to), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	n2, installed := startNginx(t, g, root, keys)
	var h2 beside
	for range serveRounds {
		args := []string{"-n", strconv.Itoa(many), "-c", "8", "-streams", "50"}
		h2.ours = append(h2.ours, g.ask(t, secure.URL, secure.PID, w.shards, args...))
		if installed {
			h2.theirs = append(h2.theirs, g.ask(t, n2.secure, n2.worker, w.shards, args...))
		}
	}
	figures.atMost(t, h2.line(11, "serve-shard-h2-tls, 8 × 50 streams", at, "nginx"), 4, 10)
	secure.Stop()
}

// mirror are paths of the channel, all of which lie in a folder as well.
type mirror struct {
	shards, packages        []string
	index, zst, json, large string
}

// newMirror uploads packages, then writes what the server answers into files.
func newMirror(t testing.TB, c *client, root string) mirror {
	t.Helper()
	base := "/conda/" + c.channel + "/" + subdir + "/"
	w := mirror{index: base + "repodata_shards.msgpack.zst", zst: base + "repodata.json.zst", json: base + "repodata.json"}
	for i := range 20 {
		u := newUpload(t, &line{name: fmt.Sprint("served", i)}, i)
		if _, err := c.publish(u); err != nil {
			t.Fatal(err)
		}
		w.packages = append(w.packages, base+u.fileName)
	}
	spec := condatest.Spec{Name: "large", Version: "1.0", Subdir: subdir, PadTo: largeFile}
	if _, err := c.publish(upload{"large", spec.FileName(), condatest.Make(t, spec)}); err != nil {
		t.Fatal(err)
	}
	w.large = base + spec.FileName()
	var took time.Duration
	b, err := c.get("repodata_shards.msgpack.zst", "", &took)
	if err != nil {
		t.Fatal(err)
	}
	index, err := repodata.DecodeShardIndex(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range index.Hashes[:min(len(index.Hashes), serveShards)] {
		w.shards = append(w.shards, base+"shards/"+repodata.ShardFileName(hash))
	}
	for _, path := range slices.Concat(w.shards, w.packages, []string{w.index, w.zst, w.json, w.large}) {
		b, err := c.get(strings.TrimPrefix(path, base), "", &took)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(root, path), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// moreTokens gives the owner so many tokens in all, of which nobody knows the secrets of
// the others.
func moreTokens(t testing.TB, store *program.Store, n int) {
	t.Helper()
	db := opened(t, store)
	defer db.Close()
	made, err := db.Exec(t.Context(), `
		INSERT INTO tokens (id, user_id, organization_id, name, hash, last4, scopes, resources, created_at, expires_at)
		WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < $1)
		SELECT id || '-' || i, user_id, organization_id, name || '-' || i, randomblob(32), last4, scopes, resources, created_at, expires_at FROM tokens, numbers`, n-1)
	if err != nil || made != int64(n-1) {
		t.Fatalf("%d further tokens: %v", made, err)
	}
}

// steady reads whole documents with few and with many clients at once from a server that
// has done nothing else, which is to need no more memory for many.
func steady(t *testing.T, g *generator, store *program.Store, w mirror, at string) {
	t.Helper()
	server := store.Serve(t)
	peak := func(clients int) int64 {
		g.ask(t, server.URL, server.PID, []string{w.zst, w.json}, "-n", strconv.Itoa(clients), "-c", strconv.Itoa(clients))
		return server.Usage().PeakRSS
	}
	few, many := peak(fewReaders), peak(manyReaders)
	figures.atMost(t, figure{
		row: 13, name: fmt.Sprintf("serve-repodata, memory with %d clients", manyReaders), at: at, ours: megabytes(many), peer: megabytes(few), besides: fmt.Sprintf("with %d clients", fewReaders),
		ratio: float64(many) / float64(few),
	}, steadyWanted, steadyJudged)
	server.Stop()
}

// revoked looks that a token that is revoked is refused on the next request.
func revoked(t testing.TB, c *client) {
	t.Helper()
	call := func(method, path, token, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, c.server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		status, answer, err := c.do(req)
		if err != nil {
			t.Fatal(err)
		}
		return status, string(answer)
	}
	if status, answer := call(http.MethodPost, "/api/v1/channels", c.token, `{"owner":"`+ownerName+`","name":"closed","visibility":"private"}`); status != http.StatusCreated {
		t.Fatalf("making a private channel: %d %s", status, answer)
	}
	const index = "/conda/" + ownerName + "/closed/noarch/repodata.json"
	for i := range 20 {
		name := fmt.Sprint("short", i)
		status, answer := call(http.MethodPost, "/api/v1/tokens", c.token, `{"name":"`+name+`"}`)
		var made struct{ Token string }
		if err := json.Unmarshal([]byte(answer), &made, json.MatchCaseInsensitiveNames(true)); err != nil || made.Token == "" {
			t.Fatalf("making a token: %d %s", status, answer)
		}
		if status, answer := call(http.MethodGet, index, made.Token, ""); status != http.StatusOK {
			t.Fatalf("with a good token: %d %s", status, answer)
		}
		if status, answer := call(http.MethodDelete, "/api/v1/tokens/"+name, c.token, ""); status != http.StatusNoContent {
			t.Fatalf("revoking: %d %s", status, answer)
		}
		if status, _ := call(http.MethodGet, index, made.Token, ""); status != http.StatusUnauthorized {
			t.Fatalf("the request after the revocation: %d, want 401", status)
		}
	}
	figures.add(t, figure{row: 12, name: "serve-auth, revoked token", at: "20 tokens", ours: "refused on the next request", better: "≤ 1 s"})
}

// resumed looks that a document that was cut off goes on where it stopped.
func resumed(t testing.TB, c *client, path string) {
	t.Helper()
	var took time.Duration
	file := filepath.Base(path)
	whole, err := c.get(file, "", &took)
	if err != nil {
		t.Fatal(err)
	}
	half := len(whole) / 2
	rest, err := c.get(file, fmt.Sprintf("%d-", half), &took)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(rest, whole[half:]) {
		t.Errorf("the second half of %s is not that of the whole", file)
	}
}
