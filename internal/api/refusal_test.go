package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"terrarium/internal/conda"
	"terrarium/internal/condatest"
)

// bad is an archive with a name, a version and an info/index.json of their own.
func bad(t testing.TB, version, indexJSON string) pack {
	return newPack(t, "alice", condatest.Spec{
		Name: "bad", Version: version, Build: "1", Subdir: "linux-64", Format: conda.FormatTarBz2,
		Info: map[string]string{"index.json": indexJSON},
	})
}

// TestRefusalHasEveryReason: one answer tells all that is wrong with an archive,
// in the sentence that conda and anaconda print and one by one.
func TestRefusalHasEveryReason(t *testing.T) {
	cases := []struct {
		name    string
		archive func(t testing.TB) pack
		want    []string // what each reason holds
		classic string   // what the classic upload says besides, since it names a subdir
	}{
		{"values, names and subdir", func(t testing.TB) pack {
			return bad(t, "2.0", `{"name":"bad","version":"1.0","build":"0","build_number":-1,"subdir":"osx-64","depends":["foo >=>=1","a b c d e"],"constrains":["!!"]}`)
		}, []string{
			"says version 1.0, the file name says 2.0", "says build 0, the file name says 1", "build number -1",
			"In depends", "a b c d e", "In constrains",
		}, "It belongs to osx-64, as its info/index.json says, and was sent to linux-64."},
		{"types beside values", func(t testing.TB) pack {
			return bad(t, "2.0", `{"name":"bad","version":"2.0","build":"1","build_number":-1,"subdir":"linux-64","depends":["foo >=>=1"],"license":3,"timestamp":"x"}`)
		}, []string{`"license" in info/index.json must be text`, `"timestamp" in info/index.json must be`, "build number -1", "In depends"}, ""},
		{"of a key that cannot be read, no more", func(t testing.TB) pack {
			return bad(t, "2.0", `{"name":"bad","version":2.0,"subdir":"linux-64","build_number":0,"noarch":"java","depends":[]}`)
		}, []string{`"version" in info/index.json must be text`, `"noarch" in info/index.json`, `"build" is missing`}, ""},
	}
	each(t, func(w *world) {
		alice := w.user("alice")
		for _, c := range cases {
			p := c.archive(w)
			file := p.base[strings.IndexByte(p.base, '/')+1:]
			o := w.want(http.StatusUnprocessableEntity, w.upload(alice, "/api/v1/upload/alice", file, p.bytes)).object(w)
			sentence, reasons := o["detail"].(string), o["errors"].([]any)
			if o["message"] != sentence {
				w.Errorf("%s: detail %q, message %q", c.name, sentence, o["message"])
			}
			for i, part := range c.want {
				if !slices.ContainsFunc(reasons, func(r any) bool { return strings.Contains(r.(string), part) }) {
					w.Errorf("%s: reason %d, %q, is not in %q", c.name, i, part, reasons)
				}
			}
			for _, r := range reasons {
				if !strings.Contains(sentence, r.(string)) {
					w.Errorf("%s: the sentence lacks %q: %s", c.name, r, sentence)
				}
			}

			// The classic client prints the answer of its last call, the commit.
			w.send(alice, "POST", "/api/package/alice/bad", `{"public": true, "publish": false, "public_attrs": {"package_types": ["conda"]}}`)
			w.send(alice, "POST", "/api/release/alice/bad/"+p.version, `{}`)
			s := decode[staged](w, w.want(http.StatusOK, w.send(alice, "POST", p.path("stage"), p.stageBody(`["main"]`))))
			w.want(http.StatusCreated, w.post(s, p, sum(p.bytes), p.base))
			refused := w.want(http.StatusBadRequest, w.send(alice, "POST", p.path("commit"), `{"dist_id": "`+s.DistID+`"}`)).object(w)["error"].(string)
			for i, part := range append(c.want, c.classic) {
				if !strings.Contains(refused, part) {
					w.Errorf("%s, classic: reason %d, %q, is not in %s", c.name, i, part, refused)
				}
			}
			for _, sentence := range []string{sentence, refused} {
				if !strings.HasPrefix(sentence, file) || !strings.HasSuffix(sentence, "Nothing was stored.") {
					w.Errorf("%s: the sentence is %s", c.name, sentence)
				}
			}
		}
	})
}

// TestRefusalIsBounded: an archive may have thousands of wrong dependencies.
func TestRefusalIsBounded(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		p := bad(w, "1", `{"name":"bad","version":"1","build":"1","build_number":0,"subdir":"linux-64","depends":[`+strings.Repeat(`"a b c d e",`, 5000)+`"x"]}`)
		o := w.want(http.StatusUnprocessableEntity, w.upload(alice, "/api/v1/upload/alice", "bad-1-1.tar.bz2", p.bytes)).object(w)
		list, detail := o["errors"].([]any), o["detail"].(string)
		if len(list) != 101 || list[100] != "And 4900 more." {
			w.Errorf("%d reasons, the last %v; want 100 and how many more", len(list), list[len(list)-1])
		}
		if len(detail) > 2000 || !strings.Contains(detail, " more. Nothing was stored.") {
			w.Errorf("the sentence has %d bytes: %s", len(detail), detail)
		}
	})
}

// TestRefusalOfWhatIsNoJSON begins with the file's name and says what is wrong.
func TestRefusalOfWhatIsNoJSON(t *testing.T) {
	each(t, func(w *world) {
		alice := w.user("alice")
		for index, want := range map[string]string{
			`{"name":"bad","version":"1","build":"1","build_number":Infinity}`:       "bad-1-1.tar.bz2: info/index.json is not valid JSON: at byte 55, invalid character 'I'",
			`{"name":"bad","name":"bad","version":"1","build":"1","build_number":0}`: "bad-1-1.tar.bz2: info/index.json has a key twice: at byte ",
			`["bad"]`:                       "bad-1-1.tar.bz2: info/index.json is not a JSON object.",
			`{"name":"bad","version":"1","`: "bad-1-1.tar.bz2: info/index.json is not valid JSON: ",
		} {
			p := bad(w, "1", index)
			got := w.want(http.StatusUnprocessableEntity, w.upload(alice, "/api/v1/upload/alice", "bad-1-1.tar.bz2", p.bytes)).object(w)["detail"].(string)
			if !strings.HasPrefix(got, want) {
				w.Errorf("%s: %s; want %s…", index, got, want)
			}
		}
	})
}
