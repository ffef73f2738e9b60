//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
	"terrarium/test/program"
)

// archiveSize is about what each uploaded package has in bytes.
const archiveSize = 100_000

// upload is a package that is ready to be sent.
type upload struct {
	name, fileName string
	body           []byte
}

// newUpload makes a further version of a name of the channel.
func newUpload(t testing.TB, l *line, number int) upload {
	t.Helper()
	spec := condatest.Spec{
		Name: l.name, Version: fmt.Sprintf("100.%d", number), Subdir: subdir,
		Depends: []string{"__glibc >=2.17,<3.0.a0", "libgcc >=13"}, License: "MIT", PadTo: archiveSize,
	}
	return upload{name: l.name, fileName: spec.FileName(), body: condatest.Make(t, spec)}
}

// answerLimit is how long one answer may take: the first channeldata.json of 700,000
// records takes a minute on a busy machine.
const answerLimit = 10 * time.Minute

// client speaks to one server over kept connections.
type client struct {
	server  *program.Server
	channel string // OWNER/CHANNEL
	token   string
	http    *http.Client
	kept    struct{ document, text []byte } // where visible reads and unpacks the large one
}

func newClient(server *program.Server, channel, token string) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	return &client{server: server, channel: channel, token: token, http: &http.Client{Transport: transport, Timeout: answerLimit}}
}

// publish sends a package and gives the time to the answer, which must be 201.
func (c *client) publish(u upload) (time.Duration, error) {
	req, err := http.NewRequest(http.MethodPost, c.server.URL+"/api/v1/upload/"+c.channel, bytes.NewReader(u.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("X-File-Name", u.fileName)
	begun := time.Now()
	status, body, err := c.do(req)
	took := time.Since(begun)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("upload of %s: %d %s", u.fileName, status, body)
	}
	return took, err
}

// call makes a call of the API that must be answered with a status below 300.
func (c *client) call(method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(method, c.server.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	status, answer, err := c.do(req)
	if err == nil && status >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %d %s", method, path, status, answer)
	}
	return answer, err
}

func (c *client) do(req *http.Request) (int, []byte, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// get reads a document of the subdir, or a range of it, and adds the time to
// the last byte.
func (c *client) get(path, byteRange string, took *time.Duration) ([]byte, error) {
	return c.getAt(subdir+"/"+path, byteRange, took)
}

// getAt is get for a path below the channel.
func (c *client) getAt(path, byteRange string, took *time.Duration) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, c.server.URL+"/conda/"+c.channel+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	want := http.StatusOK
	if byteRange != "" {
		req.Header.Set("Range", "bytes="+byteRange)
		want = http.StatusPartialContent
	}
	begun := time.Now()
	status, body, err := c.do(req)
	*took += time.Since(begun)
	if err == nil && status != want {
		err = fmt.Errorf("GET %s: %d, want %d", path, status, want)
	}
	return body, err
}

// download reads a large document into a buffer that is kept, and adds the time to the
// last byte. A client that asks for fresh memory as it reads waits more for the pages
// than for the server.
func (c *client) download(url string, into []byte, took *time.Duration) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 0 {
		return nil, fmt.Errorf("GET %s: %d with %d bytes, want 200 and their number", url, resp.StatusCode, resp.ContentLength)
	}
	into = slices.Grow(into[:0], int(resp.ContentLength))[:resp.ContentLength]
	_, err = io.ReadFull(resp.Body, into)
	*took += time.Since(begun)
	return into, err
}

// indexed reads the shard index and the shard in which a package must be seen: what
// rattler and conda ask for. It gives the time that the server took to answer the
// two; what the client needs to look into them is not counted.
func (c *client) indexed(u upload) (took time.Duration, err error) {
	b, err := c.get("repodata_shards.msgpack.zst", "", &took)
	if err != nil {
		return 0, err
	}
	index, err := repodata.DecodeShardIndex(b)
	if err != nil {
		return 0, err
	}
	err = c.listed(index, u, &took)
	return took, err
}

// listed fails unless the shard of a package in this index lists it.
func (c *client) listed(index repodata.ShardIndex, u upload, took *time.Duration) error {
	at, ok := slices.BinarySearch(index.Names, u.name)
	if !ok {
		return fmt.Errorf("the index does not have %s", u.name)
	}
	b, err := c.get("shards/"+repodata.ShardFileName(index.Hashes[at]), "", took)
	if err != nil {
		return err
	}
	shard, err := repodata.DecodeShard(b)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(shard.Files, func(f repodata.ShardFile) bool { return f.FileName == u.fileName }) {
		return fmt.Errorf("the shard of %s does not list %s", u.name, u.fileName)
	}
	return nil
}

// visible reads the other forms, too: the whole .zst and the bytes of repodata.json
// that hold the record. The text of what changed since somebody asked last is made
// within it.
func (c *client) visible(u upload) (took time.Duration, err error) {
	if took, err = c.indexed(u); err != nil {
		return 0, err
	}
	if c.kept.document, err = c.download(c.server.URL+"/conda/"+c.channel+"/"+subdir+"/repodata.json.zst", c.kept.document, &took); err != nil {
		return 0, err
	}
	if c.kept.text, err = unpack(c.kept.document, c.kept.text); err != nil {
		return 0, err
	}
	text := c.kept.text
	key := []byte(`"` + u.fileName + `":{`)
	at := bytes.Index(text, key)
	if at < 0 {
		return 0, fmt.Errorf("repodata.json.zst does not list %s", u.fileName)
	}
	end := at + bytes.IndexByte(text[at:], '}')
	b, err := c.get("repodata.json", fmt.Sprintf("%d-%d", at, end), &took)
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(b, text[at:end+1]) || !strings.Contains(string(b), `"name":"`+u.name+`"`) {
		return 0, fmt.Errorf("the record of %s is %q in repodata.json and %q in its zst", u.fileName, b, text[at:end+1])
	}
	return took, nil
}

// sendAll sends packages over many connections at once and gives the time of each.
func sendAll(uploads []upload, connections int, send func(upload) (time.Duration, error)) ([]time.Duration, error) {
	took := make([]time.Duration, len(uploads))
	failed := make(chan error, connections)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(uploads) {
					return
				}
				var err error
				if took[i], err = send(uploads[i]); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return took, <-failed // nil where there was none
}
