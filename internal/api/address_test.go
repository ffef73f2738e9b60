package api_test

import (
	"strings"
	"testing"

	"terrarium/internal/api"
)

func TestParseLabel(t *testing.T) {
	for _, c := range []struct {
		rest, label string
		lock        bool
		to          string
	}{
		{"main", "main", false, ""},
		{"release/x", "release/x", false, ""},
		{"main/lock", "main", true, ""},
		{"release/x/lock", "release/x", true, ""},
		{"lock", "lock", false, ""},
		{"a/copy/b", "a", false, "b"},
		{"a/b/copy/c/d", "a/b", false, "c/d"},
		{"copy/copy/copy", "copy", false, "copy"},
	} {
		label, lock, to := api.ParseLabel(c.rest)
		if label != c.label || lock != c.lock || to != c.to {
			t.Errorf("%q: label %q, lock %v, to %q; want %q, %v, %q", c.rest, label, lock, to, c.label, c.lock, c.to)
		}
	}
}

func TestSplitPut(t *testing.T) {
	for _, c := range []struct {
		rest, channel, subdir, name string
		ok                          bool
	}{
		{"noarch/a-1-0.conda", "", "noarch", "a-1-0.conda", true},
		{"dev/noarch/a-1-0.conda", "dev", "noarch", "a-1-0.conda", true},
		{"a/b/linux-64/a-1-0.conda", "a/b", "linux-64", "a-1-0.conda", true},
		{"label/dev/noarch/a-1-0.conda", "dev", "noarch", "a-1-0.conda", true},
		{"a-1-0.conda", "", "", "a-1-0.conda", false},
		{"noarch/", "", "", "", false},
		{"/noarch/a.conda", "", "", "", false},
		{"dev//noarch/a.conda", "", "", "", false},
	} {
		channel, subdir, name, ok := api.SplitPut(c.rest)
		if ok != c.ok || ok && (channel != c.channel || subdir != c.subdir || name != c.name) {
			t.Errorf("%q: %q, %q, %q, %v; want %q, %q, %q, %v", c.rest, channel, subdir, name, ok, c.channel, c.subdir, c.name, c.ok)
		}
	}
}

// FuzzAddress: what the parts are put together again to is the address.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"main", "release/x/lock", "a/b/copy/c/d", "dev/noarch/a-1-0.conda", "label/dev/noarch/a.conda", "//", "copy/copy/lock"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		label, lock, to := api.ParseLabel(rest)
		again := label
		switch {
		case lock:
			again += "/lock"
		case to != "":
			again += "/copy/" + to
		}
		if again != rest {
			t.Errorf("label %q is read as %q", rest, again)
		}
		channel, subdir, name, ok := api.SplitPut(rest)
		if !ok {
			return
		}
		again = strings.TrimPrefix(channel+"/"+subdir+"/"+name, "/")
		if again != rest && again != strings.TrimPrefix(rest, "label/") {
			t.Errorf("address %q is read as %q", rest, again)
		}
		if strings.Contains(name, "/") || strings.Contains(subdir, "/") || name == "" || subdir == "" {
			t.Errorf("address %q: subdir %q, name %q", rest, subdir, name)
		}
	})
}
