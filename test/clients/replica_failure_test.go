//go:build clients && postgres

package clients

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// acknowledged sends uploads to a server from several people at once until it is
// gone, which it is made once some were answered; it gives those that were.
func acknowledged(t *testing.T, s *server, by person, prefix string) []string {
	t.Helper()
	const writers, enough = 4, 10
	var mu sync.Mutex
	var done []string
	some := make(chan struct{})
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := 0; ; i++ {
				p := pack(t, spec(fmt.Sprintf("%s%d", prefix, w), fmt.Sprintf("1.%d", i)))
				base := filepath.Base(p.path)
				got, err := s.try(t.Context(), http.MethodPost, "/api/v1/upload/ada", by.token, bytes.NewReader(p.bytes), "X-File-Name: "+base)
				if err != nil {
					return // it is gone
				}
				if got.status != http.StatusCreated {
					t.Errorf("upload %s: %d: %s", base, got.status, got.body)
					return
				}
				mu.Lock()
				if done = append(done, base); len(done) == enough {
					close(some)
				}
				mu.Unlock()
			}
		})
	}
	all := make(chan struct{})
	go func() { group.Wait(); close(all) }()
	select {
	case <-some:
	case <-all:
	}
	s.kill(t)
	<-all
	return done
}

// TestReplicaKilled: a replica that is killed amid uploads takes nothing with it
// that it had answered, the other one goes on at once, and after a restart both
// give the same bytes, whatever each has seen of the changes.
func TestReplicaKilled(t *testing.T) {
	p, a, b := replicas(t)
	ada := a.person(t, "ada")
	b.status(t, http.StatusOK, "/conda/ada/noarch/repodata.json", "")
	var want []string
	for round := range 2 {
		want = append(want, acknowledged(t, a, ada, fmt.Sprintf("killed%d-", round))...)
		got, err := b.listings(t.Context(), "ada", "")
		if err != nil {
			t.Fatal(err)
		}
		for form, names := range got {
			for _, name := range want {
				if !slices.Contains(names, name) {
					t.Errorf("%s lacks %s, which the killed replica had answered", form, name)
				}
			}
		}
		after := pack(t, spec("after", fmt.Sprintf("1.%d", round)))
		b.upload(t, ada, "ada", after)
		want = append(want, filepath.Base(after.path))
		for name := range b.index(t, "ada", "noarch", "") {
			b.status(t, http.StatusOK, "/conda/ada/noarch/"+name, "")
		}
		a = serve(t, p)
		same(t, a, b, "ada")
		a, b = b, a // the other one is killed next
	}
	p.must(t, "", "fsck", "--digests") // bytes of what was under way may be left, for gc
}

// TestReplicaPaused: a replica that is stopped and goes on, again and again,
// never answers with a state older than when it was asked, and what it answers
// has the ETag under which the other one gave the same bytes.
func TestReplicaPaused(t *testing.T) {
	_, a, b := replicas(t)
	ada := a.person(t, "ada")
	forms := []string{"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst"}

	// states holds what a gave after each change: one writer, so nothing is between.
	type state struct {
		etag string
		body []byte
	}
	var mu sync.RWMutex
	states := map[string][]state{}
	note := func() {
		var now []answer
		for _, form := range forms {
			now = append(now, a.status(t, http.StatusOK, "/conda/ada/noarch/"+form, ""))
		}
		mu.Lock()
		defer mu.Unlock()
		for i, form := range forms {
			states[form] = append(states[form], state{now[i].header.Get("ETag"), now[i].body})
		}
	}
	a.upload(t, ada, "ada", pack(t, spec("steady", "1.0")))
	note()

	type seen struct {
		form   string
		least  int // the state that was answered before the request began
		answer answer
	}
	var answers []seen
	var readers sync.WaitGroup
	over := make(chan struct{})
	for r := range 3 {
		readers.Go(func() {
			for i := r; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				form := forms[i%len(forms)]
				mu.RLock()
				least := len(states[form]) - 1
				mu.RUnlock()
				got, err := b.try(t.Context(), http.MethodGet, "/conda/ada/noarch/"+form, "", nil)
				if err != nil || got.status != http.StatusOK {
					t.Errorf("%s: %d, %v", form, got.status, err)
					return
				}
				if form == forms[2] { // what an index names can be had
					_, err := namesInShards(got.body, func(name string) ([]byte, error) {
						shard, err := b.try(t.Context(), http.MethodGet, "/conda/ada/noarch/"+name, "", nil)
						if err == nil && shard.status != http.StatusOK {
							err = fmt.Errorf("%s: %d", name, shard.status)
						}
						return shard.body, err
					})
					if err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				answers = append(answers, seen{form, least, got})
				mu.Unlock()
			}
		})
	}
	signal := func(s syscall.Signal) {
		if err := b.cmd.Process.Signal(s); err != nil {
			t.Error(err)
		}
	}
	const rounds = 6
	for i := range rounds {
		signal(syscall.SIGSTOP)
		tool := pack(t, spec("tool", fmt.Sprintf("1.%d", i)))
		a.upload(t, ada, "ada", tool)
		note()
		if i%2 == 1 {
			a.delete(t, ada, "ada", tool)
			note()
		}
		signal(syscall.SIGCONT)
		for j, form := range forms { // the next answer is the current one
			last := states[form][len(states[form])-1]
			if got := b.status(t, http.StatusOK, "/conda/ada/noarch/"+forms[j], ""); got.header.Get("ETag") != last.etag || !bytes.Equal(got.body, last.body) {
				t.Errorf("after a pause %s has the ETag %s, the other replica says %s", form, got.header.Get("ETag"), last.etag)
			}
		}
	}
	close(over)
	readers.Wait()
	for _, s := range answers {
		etag := s.answer.header.Get("ETag")
		at := slices.IndexFunc(states[s.form], func(known state) bool { return known.etag == etag })
		switch {
		case at < 0:
			t.Errorf("%s: nobody else knows the ETag %s", s.form, etag)
		case !bytes.Equal(states[s.form][at].body, s.answer.body):
			t.Errorf("%s: under the ETag %s the other replica has other bytes", s.form, etag)
		case at < s.least:
			t.Errorf("%s: an answer of state %d, but %d had been answered before it was asked", s.form, at, s.least)
		}
	}
	if len(answers) < rounds {
		t.Errorf("only %d answers were looked at", len(answers))
	}
}

// TestReplicaWithoutDatabase: a replica that has lost the database, while the
// others have it, serves the last state that it knew and says so, refuses what
// it cannot do, and goes on by itself when the database is back.
func TestReplicaWithoutDatabase(t *testing.T) {
	t.Parallel()
	p := emptyPlace(t)
	a := serve(t, p)
	wire := newWire(t, p.database)
	far := *p
	far.database = wire.url
	b := serve(t, &far, "--index-max-age", "1h")
	ada := a.person(t, "ada")
	first := pack(t, spec("tool", "1.0"))
	a.upload(t, ada, "ada", first)
	before := map[string]answer{}
	for _, form := range allForms {
		before[form] = b.status(t, http.StatusOK, "/conda/ada/noarch/"+form, "")
		if got := before[form].header.Get("Cache-Control"); !strings.Contains(got, "max-age=3600") {
			t.Errorf("%s has Cache-Control %q", form, got)
		}
	}
	shards := b.shardFiles(t, "ada", "noarch", "")
	for _, cut := range []func(){wire.cut, wire.hang} {
		// Of the last generation, only the shards are read before: the other documents
		// are made of what is known, or refused, but nobody waits for the database.
		a.upload(t, ada, "ada", pack(t, spec("unread", fmt.Sprintf("1.%d", len(shards)))))
		shards = b.shardFiles(t, "ada", "noarch", "")
		for _, form := range allForms {
			before[form] = a.status(t, http.StatusOK, "/conda/ada/noarch/"+form, "")
		}
		cut()
		for _, form := range allForms {
			if got := b.ask(t, http.MethodGet, "/conda/ada/noarch/"+form, "", nil); got.status == http.StatusServiceUnavailable && !strings.HasPrefix(form, "repodata") {
				delete(before, form)
			} else if got.status != http.StatusOK {
				t.Errorf("%s: %d %s", form, got.status, got.body)
			}
		}
		if got := b.ask(t, http.MethodGet, "/conda/ada/notices.json", "", nil); got.status != http.StatusServiceUnavailable && got.status != http.StatusOK {
			t.Errorf("notices: %d %s", got.status, got.body)
		}
		second := pack(t, spec("tool", fmt.Sprintf("2.%d", len(shards))))
		a.upload(t, ada, "ada", second)
		for form := range before {
			got := b.status(t, http.StatusOK, "/conda/ada/noarch/"+form, "")
			if got.header.Get("ETag") != before[form].header.Get("ETag") || !bytes.Equal(got.body, before[form].body) {
				t.Errorf("%s is not what was known: ETag %s, before %s", form, got.header.Get("ETag"), before[form].header.Get("ETag"))
			}
			if got.header.Get("X-Terrarium-Stale") == "" || got.header.Get("Cache-Control") != "max-age=0, must-revalidate" {
				t.Errorf("%s does not say that it is stale, or may be kept: %v", form, got.header)
			}
		}
		if got := b.shardFiles(t, "ada", "noarch", ""); !slices.Equal(got, shards) {
			t.Errorf("the shards list %q, want %q", got, shards)
		}
		if got := b.status(t, http.StatusServiceUnavailable, "/conda/ada/noarch/"+filepath.Base(first.path), ""); got.header.Get("Retry-After") == "" {
			t.Errorf("a package: %v: %s", got.header, got.body)
		}
		third := pack(t, spec("third", "1.0"))
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
			b.status(t, want, path, "")
		}
		got := b.ask(t, http.MethodPost, "/api/v1/upload/ada", ada.token, bytes.NewReader(third.bytes), "X-File-Name: "+filepath.Base(third.path))
		if detail, _ := object(t, got.body)["detail"].(string); got.status != http.StatusServiceUnavailable || !strings.HasSuffix(detail, ".") || got.header.Get("Retry-After") == "" {
			t.Errorf("an upload: %d: %s", got.status, got.body)
		}
		wire.mend()
		b.ready(t)
		same(t, a, b, "ada")
		b.has(t, "ada", filepath.Base(second.path), true)
		for _, form := range allForms {
			before[form] = b.status(t, http.StatusOK, "/conda/ada/noarch/"+form, "")
			if before[form].header.Get("X-Terrarium-Stale") != "" {
				t.Errorf("%s is still called stale", form)
			}
		}
		shards = b.shardFiles(t, "ada", "noarch", "")
	}
	b.upload(t, ada, "ada", pack(t, spec("last", "1.0")))
	same(t, a, b, "ada")
}
