package app_test

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"testing"

	"terrarium/internal/app"
	"terrarium/internal/apptest"
	"terrarium/internal/condatest"
	"terrarium/internal/repodata"
	"terrarium/internal/web"
)

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// connection is the context of the requests of one connection, as http1 has it.
type connection struct {
	context.Context //nolint:containedctx // what it is around
	event           any
}

func (c *connection) Room() *any { return &c.event }

func (c *connection) Value(key any) any {
	if key == web.EventKey {
		return c.event
	}
	return c.Context.Value(key)
}

// BenchmarkShard measures what a request for a shard takes between the connection
// and the connection: who asks, what they may see, the answer, the log line.
func BenchmarkShard(b *testing.B) {
	a := apptest.New(b, apptest.Setting("log_format", "text"), apptest.Setting("log_level", "info"))
	a.Log = app.NewLog(io.Discard, a.Config)
	ana := a.User(b, "ana")
	ana.Upload(b, "ana", condatest.Spec{Name: "numpy", Version: "1.0", Subdir: "linux-64"}, "")
	const folder = "/conda/ana/main/linux-64/"
	index, err := repodata.DecodeShardIndex(a.Want(b, http.StatusOK, http.MethodGet, folder+"repodata_shards.msgpack.zst", apptest.Request{}).Body)
	if err != nil {
		b.Fatal(err)
	}
	hash := hex.EncodeToString(index.Hashes[0][:])
	path := folder + "shards/" + repodata.ShardFileName(index.Hashes[0])
	handler, err := a.Handler("test")
	if err != nil {
		b.Fatal(err)
	}
	for name, header := range map[string]http.Header{
		"whole":       {},
		"token":       {"Authorization": {"Bearer " + ana.Token}},
		"conditional": {"If-None-Match": {`"` + hash + `"`}},
	} {
		header.Set("User-Agent", "conda/26.7.1 requests/2.32.3 CPython/3.12.9 Linux/6.18 debian/13 glibc/2.41")
		r, err := http.NewRequestWithContext(&connection{Context: b.Context()}, http.MethodGet, path, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		r.RequestURI, r.RemoteAddr, r.Header = path, "127.0.0.1:4711", header
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			d := &discard{header: http.Header{}}
			for b.Loop() {
				clear(d.header)
				handler.ServeHTTP(d, r)
			}
			if d.status != http.StatusOK && d.status != http.StatusNotModified {
				b.Fatal(d.status)
			}
		})
	}
}
