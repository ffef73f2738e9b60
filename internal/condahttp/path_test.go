package condahttp

import (
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for _, c := range []struct {
		path string
		want address
	}{
		{"/acme/noarch/repodata.json", address{"acme", "main", "", "noarch", "repodata.json"}},
		{"/ACME/noarch/repodata.json", address{"acme", "main", "", "noarch", "repodata.json"}},
		{"/acme/dev/linux-64/x-1-0.conda", address{"acme", "dev", "", "linux-64", "x-1-0.conda"}},
		{"/acme/label/dev/linux-64/x-1-0.conda", address{"acme", "dev", "", "linux-64", "x-1-0.conda"}},
		{"/acme/release/2026/q1/noarch/repodata.json.zst", address{"acme", "release/2026/q1", "", "noarch", "repodata.json.zst"}},
		{"/acme/label/release/q1/noarch/shards/ab.msgpack.zst", address{"acme", "release/q1", "", "noarch", "shards/ab.msgpack.zst"}},
		{"/acme/my-dev/noarch/repodata.json", address{"acme", "my-dev", "", "noarch", "repodata.json"}},
		{"/acme/main/at/7/linux-64/repodata.json", address{"acme", "main", "7", "linux-64", "repodata.json"}},
		{"/acme/label/dev/at/2026-11-21/noarch/repodata.json", address{"acme", "dev", "2026-11-21", "noarch", "repodata.json"}},
		{"/acme/channeldata.json", address{"acme", "main", "", "", "channeldata.json"}},
		{"/acme/dev/channeldata.json", address{"acme", "dev", "", "", "channeldata.json"}},
		{"/acme/label/a/b/notices.json", address{"acme", "a/b", "", "", "notices.json"}},
		{"/acme/my-dev/channeldata.json", address{"acme", "my-dev", "", "", "channeldata.json"}},
		{"/acme/my-dev/at/7/channeldata.json", address{"acme", "my-dev", "7", "", "channeldata.json"}},
		{"/acme/label/my-dev/rss.xml", address{"acme", "my-dev", "", "", "rss.xml"}},
		{"/acme/linux-64/index.html", address{"acme", "main", "", "linux-64", "index.html"}},
		{"/acme/my-dev/noarch", address{"acme", "my-dev", "", "noarch", ""}},
		{"/acme/my-dev/noarch/", address{"acme", "my-dev", "", "noarch", ""}},
		{"/acme/label/my-dev/q1", address{"acme", "my-dev/q1", "", "", ""}},
		{"/acme/my-dev/at/7", address{"acme", "my-dev", "7", "", ""}},
		{"/acme/noarch/x-1-0.conda/", address{"acme", "main", "", "noarch", "x-1-0.conda/"}},
		{"/acme/noarch/shards/", address{"acme", "main", "", "noarch", "shards/"}},
		{"/acme/my-dev/", address{"acme", "my-dev", "", "", ""}},
		{"/acme", address{"acme", "main", "", "", ""}},
		{"/acme/", address{"acme", "main", "", "", ""}},
		{"/acme/dev", address{"acme", "dev", "", "", ""}},
		{"/acme/linux-64", address{"acme", "main", "", "linux-64", ""}},
		{"/acme/dev/noarch/", address{"acme", "dev", "", "noarch", ""}},
		{"/acme/linux-fake/repodata.json", address{"acme", "main", "", "linux-fake", "repodata.json"}},
	} {
		got, ok := parsePath(c.path)
		if !ok || got != c.want {
			t.Errorf("parsePath(%q) = %+v, %v; want %+v", c.path, got, ok, c.want)
		}
	}
	for _, path := range []string{"", "/", "//x"} {
		if got, ok := parsePath(path); ok {
			t.Errorf("parsePath(%q) = %+v, want nothing", path, got)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/acme/noarch/repodata.json", "/a/label/b/at/1/linux-64/shards/x", "/a//noarch//", "/a/at/1", "/a/label"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		a, ok := parsePath(path)
		if !ok {
			return
		}
		if a.owner == "" || strings.Contains(a.owner, "/") || a.channel == "" {
			t.Errorf("%q: %+v", path, a)
		}
		if a.file != "" && !strings.HasSuffix(path, a.file) {
			t.Errorf("%q: the file %q is not its end", path, a.file)
		}
	})
}
