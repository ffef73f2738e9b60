package conda_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

func TestParseChannelURL(t *testing.T) {
	for _, row := range []struct {
		in   string
		want conda.ChannelURL
		base string
	}{
		{
			"https://conda.anaconda.org/conda-forge",
			conda.ChannelURL{Scheme: "https", Host: "conda.anaconda.org", Path: "conda-forge"},
			"https://conda.anaconda.org/conda-forge",
		},
		{
			"https://conda.anaconda.org/conda-forge/linux-64/python-3.11.10-h1_0.conda",
			conda.ChannelURL{Scheme: "https", Host: "conda.anaconda.org", Path: "conda-forge", Subdir: "linux-64", File: "python-3.11.10-h1_0.conda"},
			"https://conda.anaconda.org/conda-forge",
		},
		{
			"HTTPS://me:pw@Host.Example:8443/conda/t/tk-123/owner/label/rc/1/noarch/repodata.json.zst",
			conda.ChannelURL{Scheme: "https", Auth: "me:pw", Host: "host.example:8443", Token: "tk-123", Path: "conda/owner", Label: "rc/1", Subdir: "noarch", File: "repodata.json.zst"},
			"https://host.example:8443/conda/owner/label/rc/1",
		},
		{
			"https://h/t/tk_1/repo/main/",
			conda.ChannelURL{Scheme: "https", Host: "h", Token: "tk_1", Path: "repo/main"},
			"https://h/repo/main",
		},
		{
			"https://h/conda/o/dev/linux-64/noarch/shards/ab.msgpack.zst",
			conda.ChannelURL{Scheme: "https", Host: "h", Path: "conda/o/dev/linux-64", Subdir: "noarch", File: "shards/ab.msgpack.zst"},
			"https://h/conda/o/dev/linux-64",
		},
		{
			"https://h/conda/o/linux-fake/x-1%212.0%2Bl-0.conda",
			conda.ChannelURL{Scheme: "https", Host: "h", Path: "conda/o", Subdir: "linux-fake", File: "x-1!2.0+l-0.conda"},
			"https://h/conda/o",
		},
		{
			"https://h/conda/conda-forge/channeldata.json",
			conda.ChannelURL{Scheme: "https", Host: "h", Path: "conda/conda-forge", File: "channeldata.json"},
			"https://h/conda/conda-forge",
		},
		{
			"https://h/label/main/noarch",
			conda.ChannelURL{Scheme: "https", Host: "h", Path: "label/main", Subdir: "noarch"},
			"https://h/label/main",
		},
		{
			"file:///srv/ch/noarch",
			conda.ChannelURL{Scheme: "file", Path: "srv/ch", Subdir: "noarch"},
			"file:///srv/ch",
		},
		{"https://h", conda.ChannelURL{Scheme: "https", Host: "h"}, "https://h"},
		{"https://h/t//x", conda.ChannelURL{Scheme: "https", Host: "h", Token: "x"}, "https://h"},
	} {
		got, err := conda.ParseChannelURL(row.in)
		if err != nil {
			t.Errorf("ParseChannelURL(%q): %v", row.in, err)
			continue
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.in, diff)
		}
		if got.Base() != row.base {
			t.Errorf("%s has the base %s, want %s", row.in, got.Base(), row.base)
		}
		again, err := conda.ParseChannelURL(got.String())
		got.Auth, got.Token = "", ""
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Errorf("%s read again (-want +got): %v\n%s", got, err, diff)
		}
	}
}

func TestParseChannelURLRefuses(t *testing.T) {
	for _, s := range []string{
		"", "conda-forge", "/conda/x", "https://", "https:x", "://h/x", "https://h/%zz", "https://h/a%2Fb/noarch", "https://h/a/../b",
		"https://h/%2e%2e/b", "https://h/a%00", "https://h/" + strings.Repeat("a", 3000),
	} {
		if u, err := conda.ParseChannelURL(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseChannelURL(%.30q) = %v, %v; want errs.Invalid", s, u, err)
		}
	}
}

// A refusal must not repeat what may be a secret.
func TestChannelURLErrorsHoldNoSecrets(t *testing.T) {
	_, err := conda.ParseChannelURL("https://me:hunter2@h/t/tk-hunter2/%zz")
	if err == nil || strings.Contains(errs.Message(err), "hunter2") {
		t.Errorf("the message is %q", errs.Message(err))
	}
}

func TestTrimToken(t *testing.T) {
	for _, row := range []struct{ path, token, rest string }{
		{"/t/tk-1/conda/o/noarch/repodata.json", "tk-1", "/conda/o/noarch/repodata.json"},
		{"/conda/t/tk-1/o/noarch/repodata.json", "tk-1", "/conda/o/noarch/repodata.json"},
		{"/repo/t/tk-1/main/noarch", "tk-1", "/repo/main/noarch"},
		{"/t/tk-1/conda/t/tk-2/o", "tk-1", "/conda/o"},
		{"/t/tk-1/t/tk-2/conda/o", "tk-1", "/conda/o"},
		{"/conda/t/tk-1", "tk-1", "/conda/"},
		{"/t/tk-1", "tk-1", "/"},
		{"/t/bad_token!/conda/o", "bad_token!", "/conda/o"},
		{"/conda/o/t/tk-1/noarch", "", "/conda/o/t/tk-1/noarch"},
		{"/condat/t/x/y", "", "/condat/t/x/y"},
		{"/t//conda/o", "", "/t//conda/o"},
		{"/tt/x", "", "/tt/x"},
		{"/t", "", "/t"},
		{"/", "", "/"},
		{"", "", ""},
	} {
		token, rest := conda.TrimToken(row.path)
		if token != row.token || rest != row.rest {
			t.Errorf("TrimToken(%q) = %q, %q; want %q, %q", row.path, token, rest, row.token, row.rest)
		}
	}
}
