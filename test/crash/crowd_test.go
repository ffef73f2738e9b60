package crash

import (
	"bytes"
	"cmp"
	"encoding/json/v2"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
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
	"terrarium/test/program"
)

// What is done to many files at once is done to those of a channel of its own, by one
// client, so that it is known what the channel lists before and after each change.
const (
	crowdChannel = "crash/crowd"
	crowdName    = "crowd"     // of the package whose files get a label
	crowdFiles   = 1_100       // of it: more than a label is put on in one transaction
	sideNames    = 12          // further packages
	sideFiles    = 20          // of each
	straggler    = "straggler" // the package that comes by uploads, and is deleted as a whole
	crowdPast    = 40          // generations that are remembered
)

// The changes of a crowd.
const (
	hotfix   = "hotfix"   // of some hundred records
	putOn    = "put on"   // the label of the second channel on all files of crowdName
	takeOff  = "take off" // it
	come     = "come"     // one straggler
	leave    = "leave"    // all stragglers
	rollBack = "roll back"

	// What is more than is done in one transaction; not among the changes at random, whose
	// roll-backs are of many records where several hotfixes lie between.
	hotfixAll    = "hotfix of all"
	rollBackMany = "roll-back of many" // to the generation that differs most
)

// crowdState is what is listed of a crowd.
type crowdState struct {
	lists    map[string]string // by file: what a hotfix has made of its record, "" = nothing
	labelled bool              // the second channel lists all files of crowdName; else none
}

func (s crowdState) same(o crowdState) bool {
	return s.labelled == o.labelled && maps.Equal(s.lists, o.lists)
}

// crowd is a channel of many files, and what its client knows of it.
type crowd struct {
	w          *world
	now        crowdState
	generation int64                       // at the last check
	past       map[int64]map[string]string // what some generations list
	gone       map[string]bool             // stragglers that were deleted
	begun      int                         // generations that were acknowledged since the last check
	number     int                         // of hotfixes and stragglers

	doubt     *crowdState // where the change leads that was not answered; nil = each was
	doubtKind string

	did           map[string]int // acknowledged changes
	done, undone  int            // changes in doubt that were found done, or not
	refused       int            // while a large change that was killed might still live
	lastWasDone   bool
	stragglerGone map[string]bool // by the change in doubt
}

// newCrowd imports the files of a crowd.
func (w *world) newCrowd(t *testing.T) {
	t.Helper()
	w.crowd = &crowd{w: w, now: crowdState{lists: map[string]string{}}, past: map[int64]map[string]string{}, gone: map[string]bool{}, did: map[string]int{}}
	var b bytes.Buffer
	b.WriteString(`{"info":{"subdir":"noarch"},"packages":{},"packages.conda":{`)
	add := func(name string, number int) {
		if len(w.crowd.now.lists) > 0 {
			b.WriteByte(',')
		}
		id := len(w.crowd.now.lists) + 1<<32
		file := fmt.Sprintf("%s-1.%d-0.conda", name, number)
		fmt.Fprintf(&b, `"%s":{"name":%q,"version":"1.%d","build":"0","build_number":0,"subdir":"noarch","depends":["python >=3.9"],"sha256":"%064x","md5":"%032x","size":%d}`,
			file, name, number, id, id, 1000+number)
		w.crowd.now.lists[file] = ""
	}
	for i := range crowdFiles {
		add(crowdName, i)
	}
	for i := range sideNames * sideFiles {
		add(fmt.Sprint("side", i%sideNames), i/sideNames)
	}
	b.WriteString(`}}`)
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "noarch"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "noarch", "repodata.json"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	w.store.Do(t, "channel", "import", crowdChannel, folder, "--subdir", "noarch", "--metadata-only", "--base-url", "https://example.invalid/crowd")
}

func (c *crowd) copy(w *world) *crowd {
	one := *c
	one.w, one.past, one.gone, one.did = w, maps.Clone(c.past), maps.Clone(c.gone), maps.Clone(c.did)
	return &one
}

// can are the changes that make a difference now.
func (c *crowd) can() []string {
	list := []string{hotfix, hotfix, come, putOn}
	if c.now.labelled {
		list[3] = takeOff
	}
	for file := range c.now.lists {
		if strings.HasPrefix(file, straggler+"-") {
			list = append(list, leave)
			break
		}
	}
	if len(c.targets()) > 0 {
		list = append(list, rollBack, rollBack)
	}
	return list
}

// targets are the generations that a roll-back would change something by going to.
func (c *crowd) targets() (list []int64) {
	for number := range c.past {
		if !maps.Equal(c.after(number), c.now.lists) {
			list = append(list, number)
		}
	}
	slices.Sort(list)
	return list
}

// after is what a roll-back to a generation makes the channel list.
func (c *crowd) after(number int64) map[string]string {
	lists := maps.Clone(c.past[number])
	maps.DeleteFunc(lists, func(file, _ string) bool { return c.gone[file] })
	return lists
}

// change makes one change. A server that goes away meanwhile is no error: whether the
// change was made is found out by check.
func (c *crowd) change(client *http.Client, server, kind string, r *rand.Rand) error {
	next := crowdState{maps.Clone(c.now.lists), c.now.labelled}
	c.number++
	c.stragglerGone = nil
	var method, path string
	var body []byte
	var err error
	method = http.MethodPost
	switch kind {
	case hotfix, hotfixAll:
		path = "/api/v1/patches/" + crowdChannel + "?subdir=noarch"
		body, err = c.hotfix(next.lists, kind == hotfixAll, r)
	case putOn, takeOff:
		if next.labelled = kind == putOn; !next.labelled {
			method = http.MethodDelete
		}
		path, body = "/api/channels/"+extra, fmt.Appendf(nil, `{"package":%q}`, crowdName)
	case come:
		s := spec(straggler, 2*c.number+1)
		s.Subdir = "noarch"
		var b bytes.Buffer
		err = archive.Write(&b, conda.FormatConda, s.Package())
		path, body, next.lists[s.FileName()] = "/api/v1/upload/"+crowdChannel, b.Bytes(), ""
	case leave:
		method, path = http.MethodDelete, "/api/package/"+owner+"/"+straggler
		c.stragglerGone = map[string]bool{}
		for _, lists := range append(slices.Collect(maps.Values(c.past)), c.now.lists) {
			for file := range lists {
				if strings.HasPrefix(file, straggler+"-") {
					c.stragglerGone[file] = true
					delete(next.lists, file)
				}
			}
		}
	case rollBack, rollBackMany:
		to := c.targets()
		number := to[r.IntN(len(to))]
		if kind == rollBackMany {
			number = slices.MaxFunc(to, func(a, b int64) int { return cmp.Compare(c.differs(a), c.differs(b)) })
			if n := c.differs(number); n <= crowdFiles {
				return fmt.Errorf("a roll-back to %d is of %d records, more than %d are wanted", number, n, crowdFiles)
			}
		}
		path, body, next.lists = "/api/v1/generations/"+crowdChannel, fmt.Appendf(nil, `{"to":"%d"}`, number), c.after(number)
	}
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, server+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if kind == putOn || kind == takeOff || kind == rollBack || kind == rollBackMany {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	return c.ask(client, req, kind, next)
}

// differs is how many files a roll-back to a generation changes.
func (c *crowd) differs(number int64) (n int) {
	after := c.after(number)
	for file, is := range c.now.lists {
		if was, ok := after[file]; !ok || was != is {
			n++
		}
	}
	for file := range after {
		if _, ok := c.now.lists[file]; !ok {
			n++
		}
	}
	return n
}

// hotfix marks some hundred records, or all, and takes up to two out of the index.
func (c *crowd) hotfix(lists map[string]string, all bool, r *rand.Rand) ([]byte, error) {
	mark := fmt.Sprint("mark-", c.number)
	doc := struct {
		Version int                       `json:"patch_instructions_version"`
		Conda   map[string]map[string]any `json:"packages.conda"`
		Remove  []string                  `json:"remove"`
	}{1, map[string]map[string]any{}, []string{}}
	files := slices.Sorted(maps.Keys(lists))
	r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	removed := r.IntN(3)
	if !all {
		files = files[:200+r.IntN(200)]
	}
	for i, file := range files {
		if i < removed {
			doc.Remove = append(doc.Remove, file)
			delete(lists, file)
			continue
		}
		doc.Conda[file] = map[string]any{"depends": []string{mark}}
		lists[file] = mark
	}
	return json.Marshal(doc)
}

// ask sends the request of a change and notes what the server said.
func (c *crowd) ask(client *http.Client, req *http.Request, kind string, next crowdState) error {
	c.doubt, c.doubtKind = &next, kind
	req.Header.Set("Authorization", "Bearer "+c.w.token)
	if kind == come {
		req.Header.Set("X-File-Name", fmt.Sprintf("%s-1.%d-0.conda", straggler, 2*c.number+1))
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil // the server was killed
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode < 300:
		c.made(kind, next)
		var told struct {
			Generation int64 `json:"generation"`
		}
		if (kind == hotfix || kind == hotfixAll || kind == rollBack || kind == rollBackMany) && err == nil {
			if err := json.Unmarshal(answer, &told); err != nil || told.Generation == 0 {
				return fmt.Errorf("%s: %s: %w", kind, answer, err)
			}
			c.remember(told.Generation)
		}
		c.did[kind]++
		return nil
	case err != nil:
		return nil // killed in the middle of another answer
	case resp.StatusCode == http.StatusConflict || resp.StatusCode == http.StatusServiceUnavailable:
		if text := string(answer); strings.Contains(text, "under way") || strings.Contains(text, "was silent for more than") {
			c.doubt = nil
			c.refused++
			return nil
		}
	}
	return fmt.Errorf("%s: %s %s", kind, resp.Status, answer)
}

// made takes a change as made.
func (c *crowd) made(kind string, next crowdState) {
	if !maps.Equal(next.lists, c.now.lists) {
		c.begun++
	}
	c.now, c.doubt = next, nil
	if kind == leave {
		maps.Copy(c.gone, c.stragglerGone)
	}
}

// remember notes what a generation lists, and forgets an old one.
func (c *crowd) remember(number int64) {
	c.past[number] = maps.Clone(c.now.lists)
	if len(c.past) > crowdPast {
		delete(c.past, slices.Min(slices.Collect(maps.Keys(c.past))))
	}
}

// work changes the crowd until the server is gone. It closes acknowledged with the
// first change that is, and at the latest when it ends.
func (c *crowd) work(server *program.Server, r *rand.Rand, acknowledged chan<- struct{}) error {
	client := newClient()
	defer client.CloseIdleConnections()
	tell := sync.OnceFunc(func() { close(acknowledged) })
	defer tell()
	for c.doubt == nil {
		select {
		case <-server.Ended():
			return nil
		default:
		}
		can, refused := c.can(), c.refused
		if err := c.change(client, server.URL, can[r.IntN(len(can))], r); err != nil {
			return err
		}
		if c.doubt == nil && c.refused == refused {
			tell()
		}
	}
	return nil
}

// each makes every change, waiting as long as one that was killed is in its way.
func (c *crowd) each(t *testing.T, server *program.Server) {
	t.Helper()
	for _, kind := range []string{hotfix, come, putOn, takeOff, rollBack, come, leave, putOn} {
		if kind == putOn && c.now.labelled {
			c.must(t, server, takeOff)
		}
		c.must(t, server, kind)
	}
}

// must makes a change that is acknowledged in the end: where a lease must run out before,
// it is asked for again and again.
func (c *crowd) must(t *testing.T, server *program.Server, kind string) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(c.number), 0)) //nolint:gosec // a count
	before := c.did[kind]
	for begun := time.Now(); c.did[kind] == before; {
		if err := c.change(newClient(), server.URL, kind, r); err != nil || c.doubt != nil || time.Since(begun) > deadWithin {
			t.Fatalf("%s after %s: %v\n%s", kind, time.Since(begun), err, server.Output())
		}
	}
}
