package conda_test

import (
	"slices"
	"strings"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

// checkRule holds a rule to texts that it must accept and texts that it must
// refuse as errs.Invalid with a sentence.
func checkRule(t *testing.T, check func(string) error, good, bad []string) {
	t.Helper()
	for _, s := range good {
		if err := check(s); err != nil {
			t.Errorf("%q is refused: %v", s, err)
		}
	}
	for _, s := range bad {
		err := check(s)
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v, want errs.Invalid", s, err)
		} else if m := errs.Message(err); !strings.HasSuffix(m, ".") {
			t.Errorf("%q is refused without a sentence: %s", s, m)
		}
	}
}

func TestCheckPackageName(t *testing.T) {
	checkRule(t, conda.CheckPackageName,
		[]string{"numpy", "7zip", "_libgcc_mutex", "r-base", "a", "foo.bar-baz_q", strings.Repeat("a", 64)},
		[]string{"", "NumPy", "__glibc", "foo-", "foo.", "foo..bar", "foo-_bar", "-foo", ".foo", "_", "_-a", "foo bar", "foo/bar", "fó", "foo\x00", strings.Repeat("a", 65)})
}

func TestCheckVersionText(t *testing.T) {
	checkRule(t, conda.CheckVersionText,
		[]string{"1", "1.7.1", "1!2.0+local.1", "2024a", "1.0.1_", "v1", strings.Repeat("1", 64)},
		[]string{"", "1.0-1", "1.0RC1", "1..2", ".1", "1 0", "1*", "1.0é", strings.Repeat("1", 65)})
}

func TestCheckBuild(t *testing.T) {
	checkRule(t, conda.CheckBuild,
		[]string{"0", "py27_0", "H123abc_0", "a.b+c", strings.Repeat("h", 64)},
		[]string{"", "py-27", "a b", "*", "é", "a/b", strings.Repeat("h", 65)})
}

func TestCheckChannelName(t *testing.T) {
	for _, check := range []func(string) error{conda.CheckChannelName, conda.CheckLabel} {
		checkRule(t, check,
			[]string{"main", "dev", "rc/v2024.1", "a-b_c.d", "my-dev/v1.0", "label-x", "ate", "conda", "json/v1", "x/nolabel", strings.Repeat("a", 128)},
			[]string{"", "Main", "1dev", "a//b", "/a", "a/", "a/1", "label", "label/x", "x/label", "at", "at/x", "x/at", "x/at/dev", "t", "x/t", "rss.xml", "x/channeldata.json", "a.conda/b", "v1.tar.bz2", "nolabel", "noarch", "linux-64", "dev/linux-64", "dev/lock", "dev/copy", "dev/upload/x", "a b", "é", strings.Repeat("a", 129)})
	}
	if err := conda.CheckLabel("lock"); err != nil {
		t.Errorf("lock is refused in front: %v", err)
	}
}

func TestCheckSubdir(t *testing.T) {
	checkRule(t, conda.CheckSubdir,
		append(conda.KnownSubdirs(), "linux-fake", "zos-z", "a-1"),
		[]string{"", "linux", "linux-", "-64", "linux-64-x", "Linux-64", "linux_64", "linux-64/", "..", strings.Repeat("a", 31) + "-b"})
}

func TestKnownSubdirs(t *testing.T) {
	list := conda.KnownSubdirs()
	if !slices.IsSorted(list) || len(list) != 20 {
		t.Errorf("the list is not 20 sorted subdirs: %v", list)
	}
	for _, s := range list {
		if !conda.KnownSubdir(s) {
			t.Errorf("%s is in the list and not known", s)
		}
	}
	if conda.KnownSubdir("linux-fake") || conda.KnownSubdir("conda-forge") {
		t.Error("more is known than is in the list")
	}
	list[0] = "changed"
	if slices.Contains(conda.KnownSubdirs(), "changed") {
		t.Error("the list is shared between callers")
	}
}

func TestNormalizeName(t *testing.T) {
	if got := conda.NormalizeName(" NumPy_X "); got != "numpy_x" {
		t.Errorf("got %q", got)
	}
}
