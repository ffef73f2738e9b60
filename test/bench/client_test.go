//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
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

// client speaks to one server over kept connections.
type client struct {
	server  *program.Server
	channel string // OWNER/CHANNEL
	token   string
	http    *http.Client
}

func newClient(server *program.Server, channel, token string) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	return &client{server, channel, token, &http.Client{Transport: transport, Timeout: time.Minute}}
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
	req, err := http.NewRequest(http.MethodGet, c.server.URL+"/conda/"+c.channel+"/"+subdir+"/"+path, nil)
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

// visible reads every form of the index in which a package must be seen: the
// shard index, the name's shard, the whole .zst and the bytes of repodata.json
// that hold the record. It gives the time that the server took; what the client
// needs to look into them is not counted.
func (c *client) visible(u upload) (took time.Duration, err error) {
	b, err := c.get("repodata_shards.msgpack.zst", "", &took)
	if err != nil {
		return 0, err
	}
	index, err := repodata.DecodeShardIndex(b)
	if err != nil {
		return 0, err
	}
	address := ""
	for i, name := range index.Names {
		if name == u.name {
			address = "shards/" + repodata.ShardFileName(index.Hashes[i])
		}
	}
	if b, err = c.get(address, "", &took); err != nil {
		return 0, err
	}
	shard, err := repodata.DecodeShard(b)
	if err != nil {
		return 0, err
	}
	listed := false
	for _, f := range shard.Files {
		listed = listed || f.FileName == u.fileName
	}
	if !listed {
		return 0, fmt.Errorf("the shard of %s does not list %s", u.name, u.fileName)
	}
	if b, err = c.get("repodata.json.zst", "", &took); err != nil {
		return 0, err
	}
	text, err := unpack(b)
	if err != nil {
		return 0, err
	}
	key := []byte(`"` + u.fileName + `":{`)
	at := bytes.Index(text, key)
	if at < 0 {
		return 0, fmt.Errorf("repodata.json.zst does not list %s", u.fileName)
	}
	end := at + bytes.IndexByte(text[at:], '}')
	if b, err = c.get("repodata.json", fmt.Sprintf("%d-%d", at, end), &took); err != nil {
		return 0, err
	}
	if !bytes.Equal(b, text[at:end+1]) || !strings.Contains(string(b), `"name":"`+u.name+`"`) {
		return 0, fmt.Errorf("the record of %s is %q in repodata.json and %q in its zst", u.fileName, b, text[at:end+1])
	}
	return took, nil
}

// publishAll sends packages over many connections at once and gives the time of
// each.
func (c *client) publishAll(uploads []upload, connections int) ([]time.Duration, error) {
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
				if took[i], err = c.publish(uploads[i]); err != nil {
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
