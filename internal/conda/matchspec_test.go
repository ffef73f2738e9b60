package conda_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"terrarium/internal/conda"
	"terrarium/internal/errs"
)

func mustSpec(t testing.TB, s string) conda.MatchSpec {
	t.Helper()
	m, err := conda.ParseMatchSpec(s)
	if err != nil {
		t.Fatalf("ParseMatchSpec(%q): %v", s, err)
	}
	return m
}

func TestMatchSpecText(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{"  foo  ", "foo"},
		{"mkl@", "*[track_features=mkl]"},
		{"foo (optional)", "foo"},
		{"foo (1.5|1.7),<2 py*", "foo[version='(1.5|1.7),<2',build=py*]"},
		{"foo[]", "foo"},
		{"foo if __unix", "foo"},
		{"pkgs/main::foo", "defaults::foo"},
		{"https://repo.anaconda.com/pkgs/main::foo", "https://repo.anaconda.com/pkgs/main::foo"},
		{"https://user:secret@host:8080/t/tk-1/conda/o/label/dev/linux-64::foo", "https://host:8080/conda/o/label/dev/linux-64::foo"},
		{"conda-*::foo", "foo[channel=conda-*]"},
		{"foo[channel='^conda-.+$']", "foo[channel=^conda-.+$]"},
		{"foo[channel=conda-forge/noarch,subdir=linux-64]", "conda-forge/linux-64::foo"},
		{"foo[subdir=linux-64,channel=conda-forge/noarch]", "conda-forge/linux-64::foo"},
		{"conda-forge::foo[subdir=linux-fake]", "conda-forge::foo[subdir=linux-fake]"},
		{"conda-forge::foo[url='https://x/y']", "conda-forge::foo[url=https://x/y]"},
		{"foo *.7.*", "foo[version='*.7.*']"},
		{"foo==1.7|1.8", "foo[version='1.7|1.8']"},
		{"foo[build='^py[23]$']", "foo[build='^py[23]$']"},
		{`foo[license="it's"]`, `foo[license="it's"]`},
		{"foo[build_number=007]", "foo[build_number=7]"},
		{"foo[track_features='b a,c']", "foo[track_features='a b c']"},
		{"foo-1.0-py_0.tar.bz2", "foo==1.0=py_0[fn=foo-1.0-py_0.tar.bz2]"},
		{"https://host/files/foo-1.0-py_0.conda", "*[url=https://host/files/foo-1.0-py_0.conda]"},
		{"file:///srv/channel/noarch/foo-1.0-py_0.conda", "file:///srv/channel/noarch::foo==1.0=py_0"},
		{"foo[version=1.0.conda]", "foo==1.0.conda"},
		{"^fo[op]$[channel=conda-forge,license=mit]", "conda-forge::^fo[op]$[license=mit]"},
		{"foo[version=' =1.0']", "foo=1.0"},
		{"foo (==1.7*)", "foo=1.7"},
		{"foo[version='(==1.*),<3']", "foo[version='1,<3']"},
		{"foo[version='=1.0 ']", "foo=1.0"},
		{"foo[version='(=1.0.*)']", "foo=1.0"},
		{"foo[version='(=1.7*)',build=x]", "foo=1.7[build=x]"},
		{"foo[version=' ==1.0']", "foo==1.0"},
		{"__glibc >=2.17", "__glibc[version='>=2.17']"},
	} {
		m, err := conda.ParseMatchSpec(row.in)
		if err != nil {
			t.Errorf("ParseMatchSpec(%q): %v", row.in, err)
			continue
		}
		if got := m.String(); got != row.want {
			t.Errorf("%q prints %s, want %s", row.in, got, row.want)
		}
	}
}

func TestMatchSpecRefuses(t *testing.T) {
	for _, s := range []string{
		"", " ", "# only a comment", ">=1", "[version=1]", "foo>", "foo 1.0 py27 0", "foo 1.0 a-b", "foo bar/baz qux",
		"foo[version]", "foo[version=]", "foo[=1]", "foo[version=1", "foo[version='1]", "foo[version=1][build=2]", "foo[a b=c]",
		"foo[version=1,version=2]", "foo[version='1'x]", "foo[build='a b']", "foo[build_number=x]", "foo[build_number='~=1']",
		"foo[build_number=-1]", "foo[build='^(?!py)$']", "foo[version=>=1,<2]", "foo..bar", "fo/o", "fo\x00o", "foo\nbar", "é",
		"foo[extras=[a,b]]", "foo[extras=A]", "a b::foo", "dir/foo-1.0-0.conda", "foo.conda", "foo.conda=", "a#b@", "*.conda", "https:///x/foo-1.0-0.conda",
		"foo[channel='https://[::1']", strings.Repeat("a", 5000),
	} {
		if m, err := conda.ParseMatchSpec(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseMatchSpec(%.40q) = %s, %v; want errs.Invalid", s, m, err)
		}
	}
}

func TestMatchSpecFields(t *testing.T) {
	m := mustSpec(t, "conda-forge/linux-64::NumPy[version='>=1.7,<2',build=py*,build_number='>=3',license=MIT,md5=AB,features=x,fn=a.conda]")
	if name, ok := m.PackageName(); name != "numpy" || !ok {
		t.Errorf("PackageName is %q, %t", name, ok)
	}
	got := []string{
		m.Name.String(), m.Version.String(), m.Build.String(), m.BuildNumber.String(), m.Channel.String(),
		m.Subdir.String(), m.License.String(), m.MD5, m.FileName.String(),
	}
	want := []string{"numpy", ">=1.7,<2", "py*", ">=3", "conda-forge", "linux-64", "mit", "AB", "a.conda"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if _, ok := mustSpec(t, "num*").PackageName(); ok {
		t.Error("a glob has one package name")
	}
}

func TestMatchSpecMatches(t *testing.T) {
	target := conda.MatchTarget{
		Name: "numpy", Version: mustVersion(t, "1.7.1"), Build: "py27_0", BuildNumber: 3,
		Channel: "https://repo.anaconda.com/pkgs/main/linux-64", Subdir: "linux-64", FileName: "numpy-1.7.1-py27_0.conda",
		URL: "https://repo.anaconda.com/pkgs/main/linux-64/numpy-1.7.1-py27_0.conda",
		MD5: "ab", SHA256: "CD", License: "BSD-3-Clause", TrackFeatures: "b, a", Flags: []string{"cuda", "blas:mkl"},
	}
	for s, want := range map[string]bool{
		"defaults::numpy": true,
		"https://repo.anaconda.com/pkgs/main::numpy":                              true,
		"https://repo.anaconda.com/pkgs/r::numpy":                                 false,
		"https://repo.anaconda.com/pkgs/main/linux-64/numpy-1.7.1-py27_0.conda":   true,
		"https://repo.anaconda.com/pkgs/main/linux-64/numpy-1.7.1-py27_0.tar.bz2": false,
		"https://repo.anaconda.com/*::numpy":                                      false, // conda compares the canonical name
		"def*::numpy":                                                             true,
		"numpy[build_number='<3']":                                                false,
		"numpy[build_number='!=3']":                                               false,
		"numpy[build_number='<=3']":                                               true,
		"numpy[build_number='==3']":                                               true,
		"numpy[build_number=*]":                                                   true,
		"numpy[md5=AB]":                                                           true,
		"numpy[sha256=cd]":                                                        true,
		"numpy[track_features='a b']":                                             true,
		"numpy[track_features=a]":                                                 false,
		"numpy[features=a]":                                                       false,
		"numpy[subdir=linux-*]":                                                   true,
		"numpy[flags=cuda]":                                                       true,
		"numpy[flags='blas:*']":                                                   true,
		"numpy[flags=rocm]":                                                       false,
		"numpy[license='^bsd.+$']":                                                true,
		"numpy[license_family=bsd]":                                               false,
		"numpy[extras=docs]":                                                      true,
		"numpy[when=python]":                                                      true,
		"^NUM.y$":                                                                 true,
		"^um.y$":                                                                  false,
		"*p*[build=p*2*_0]":                                                       true,
	} {
		if got := mustSpec(t, s).Match(target); got != want {
			t.Errorf("%s matches: %t, want %t", s, got, want)
		}
	}
	// A target whose version cannot be read is taken only by specs without one.
	target.Version = conda.Version{}
	if !mustSpec(t, "numpy").Match(target) || mustSpec(t, "numpy!=1").Match(target) {
		t.Error("a target without a readable version is matched wrongly")
	}
}

func TestDependency(t *testing.T) {
	m, err := conda.ParseDependency(`foo[version='>=1',extras=[a, "b"],flags=[cuda,"blas:*"],when="python[version='>=3,<4'] and (__unix or __win>=10)"] # comment`)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Extras, []string{"a", "b"}) || !slices.Equal(m.Flags, []string{"cuda", "blas:*"}) {
		t.Errorf("extras are %q, flags %q", m.Extras, m.Flags)
	}
	again, err := conda.ParseDependency(m.String())
	if err != nil || again.String() != m.String() {
		t.Errorf("%s reads as %s, %v", m, again, err)
	}
	for _, s := range []string{
		"foo[extras=[a,,b]]", "foo[extras=[]]", "foo[extras=[a]", "foo[license=[a]]", "foo[extras=[É]]",
		"foo[when='']", "foo[when='and']", "foo[when='python and']", "foo[when='(python']", "foo[when='python)']",
		"foo[when='python or']", `foo[when="a[when=b]"]`, "foo[when='a b c d']", "foo[when='" + strings.Repeat("(", 40) + "a" + strings.Repeat(")", 40) + "']",
	} {
		if m, err := conda.ParseDependency(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseDependency(%q) = %s, %v; want errs.Invalid", s, m, err)
		}
	}
}

// matchText draws what is often a match spec.
func matchText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		s := pick("channel", "", "", "conda-forge::", "c*/noarch::", "https://h:80/a/label/b::", "defaults/linux-64::", "a:b:")
		s += pick("name", "foo", "Foo-bar", "_x", "__v", "f*", "*", "^f.$")
		s += pick("join", "", " ", "=", "==", ">=", " =", "!=", "~=", " (", " (=", "[version=' =")
		s += rapid.OneOf(specText(), versionText(), rapid.Just("")).Draw(t, "version")
		s += pick("build", "", "", " py27_0", "=py*", " ^p.*$", " *")
		if rapid.Bool().Draw(t, "brackets") {
			s += "[" + pick("key", "version", "build", "build_number", "license", "fn", "url", "md5", "track_features", "when", "channel") +
				"=" + pick("quote", "'", `"`) + rapid.OneOf(specText(), rapid.StringMatching(`[a-zA-Z0-9 .*/,=]{1,12}`)).Draw(t, "value")
			s += pick("close", "'", `"`) + pick("end", "]", ",subdir=noarch]")
		}
		return s
	})
}

// What is printed reads back as a spec of the same text that gives the same
// answers.
func TestMatchSpecReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := matchText().Draw(t, "spec")
		m, err := conda.ParseMatchSpec(s)
		if err != nil {
			t.Skip("not a spec")
		}
		again, err := conda.ParseMatchSpec(m.String())
		if err != nil {
			t.Fatalf("%q prints %q: %v", s, m, err)
		}
		if again.String() != m.String() {
			t.Fatalf("%q prints %q, and that prints %q", s, m, again)
		}
		target := conda.MatchTarget{
			Name: "foo", Version: version().Draw(t, "version"), Build: "py27_0", Channel: "conda-forge", Subdir: "noarch", License: "MIT",
		}
		if got, want := again.Match(target), m.Match(target); got != want {
			t.Fatalf("%q matches %s: %t, but %q %t", s, target.Version, want, m, got)
		}
	})
}

func FuzzParseMatchSpec(f *testing.F) {
	for _, s := range []string{
		"numpy>=1.7,<2 py27_0", "conda-forge/linux-64::foo[version='>=1.0',build=py*,license='*GPL*']", "foo=1.7=py3*_2", "mkl@",
		"https://conda.anaconda.org/conda-forge/linux-64/python-3.11.10-h123456_0.conda", "*/noarch::^f.*$[build_number='>=3']",
		`foo[when="python>=3 and (__unix or __win)",extras=[a,b],flags=["blas:*"]]`, "foo # comment",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (conda.MatchSpec, error){conda.ParseMatchSpec, conda.ParseDependency} {
			m, err := parse(s)
			if err != nil {
				if !errs.Is(err, errs.Invalid) {
					t.Fatalf("%q: %v is not errs.Invalid", s, err)
				}
				continue
			}
			again, err := parse(m.String())
			if err != nil || again.String() != m.String() {
				t.Fatalf("%q prints %q and reads as %q, %v", s, m, again, err)
			}
			m.Match(conda.MatchTarget{Name: "foo", Channel: s})
		}
	})
}

func BenchmarkParseMatchSpec(b *testing.B) {
	for _, s := range []string{"python", "python >=3.11,<3.12.0a0", "conda-forge/linux-64::foo[version='>=1.0',build=py*]"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conda.ParseMatchSpec(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	m := mustSpec(b, "python >=3.11,<3.12.0a0 *_cpython")
	target := conda.MatchTarget{Name: "python", Version: mustVersion(b, "3.11.9"), Build: "h123_0_cpython", Channel: "conda-forge"}
	b.ReportAllocs()
	for b.Loop() {
		if !m.Match(target) {
			b.Fatal("no match")
		}
	}
}
