package condahttp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"terrarium/internal/conda"
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
		{"/acme/my-dev/v1.0", address{"acme", "my-dev/v1.0", "", "", ""}},
		{"/acme/my-dev/at/2026-11-21T10:00:00.5Z", address{"acme", "my-dev", "2026-11-21T10:00:00.5Z", "", ""}},
		{"/acme/linux-fake/repodata.json.bz2", address{"acme", "main", "", "linux-fake", "repodata.json.bz2"}},
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

// channelNames draws names that come close to what addresses mean otherwise.
func channelNames() *rapid.Generator[string] {
	part := rapid.OneOf(
		rapid.StringMatching(`[a-z][a-z0-9_.-]{0,8}`),
		rapid.StringMatching(`[a-z]{1,4}-[a-z0-9]{1,4}(\.[a-z0-9]{1,4})?`),
		rapid.StringMatching(`[a-z]{1,4}\.(json|json\.zst|tar\.bz2|conda|xml|html|jlap|v1)`),
		rapid.SampledFrom([]string{
			"label", "at", "t", "nolabel", "noarch", "linux-64", "linux-fake", "shards", "main", "lock", "copy", "upload", "conda", "repo",
			"channeldata.json", "rss.xml", "notices.json", "terms.json", "index.html", "repodata.json", "repodata_shards.msgpack.zst",
		}),
	)
	return rapid.Map(rapid.SliceOfN(part, 1, 4), func(parts []string) string { return strings.Join(parts, "/") })
}

// TestEveryNameReadsBack: whatever may be a channel's name or a label has an
// address at each of its documents, forms and times.
func TestEveryNameReadsBack(t *testing.T) {
	subdirs := append(conda.KnownSubdirs(), "linux-fake", "my-dev")
	inSubdir := []string{
		"", "/", "/repodata.json", "/repodata.json.zst", "/repodata.json.bz2", "/repodata.jlap", "/current_repodata.json", "/current_repodata.json.zst",
		"/run_exports.json", "/run_exports.json.zst", "/repodata_shards.msgpack.zst", "/shards/00ff.msgpack.zst", "/a-1-0.conda", "/a-1-0.tar.bz2", "/index.html",
	}
	inChannel := []string{"", "/", "/channeldata.json", "/notices.json", "/terms.json", "/rss.xml", "/index.html"}
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		name := channelNames().Draw(t, "name")
		if err := conda.CheckChannelName(name); err != nil {
			if conda.CheckLabel(name) == nil {
				t.Fatalf("%s is a label and no channel", name)
			}
			return
		}
		accepted++
		when := rapid.SampledFrom([]string{"", "7", "2026-11-21", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00.25+02:00"}).Draw(t, "at")
		for _, prefix := range []string{"/acme/", "/acme/label/"} {
			base := prefix + name
			if when != "" {
				base += "/at/" + when
			}
			check := func(path string, want address) {
				want.owner, want.channel, want.at = "acme", name, when
				if got, ok := parsePath(path); !ok || got != want {
					t.Errorf("parsePath(%q) = %+v, %v; want %+v", path, got, ok, want)
				}
			}
			for _, file := range inChannel {
				check(base+file, address{file: strings.TrimPrefix(file, "/")})
			}
			for _, subdir := range subdirs {
				for _, file := range inSubdir {
					// A folder or page of a subdir that clients do not know is no address.
					if conda.KnownSubdir(subdir) || len(file) > 1 && file != "/index.html" {
						check(base+"/"+subdir+file, address{subdir: subdir, file: strings.TrimPrefix(file, "/")})
					}
				}
			}
		}
	})
	if accepted == 0 {
		t.Error("no name was accepted")
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
