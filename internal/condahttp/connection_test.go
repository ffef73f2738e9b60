package condahttp_test

import (
	"bufio"
	"encoding/json/v2"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestOneConnection asks as several people on one connection: who asked before, and
// for what, shows neither in an answer nor in the log.
func TestOneConnection(t *testing.T) {
	w := newWorld(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(w.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	type line struct {
		ID, Path, Actor, Channel, File, Error string
		Status                                int
	}
	var want []line
	const shut, open = "/conda/acme/secret/noarch/", "/conda/acme/noarch/"
	for range 3 {
		for _, ask := range []struct {
			path, token string
			line
		}{
			{shut + "repodata.json", w.alice.Token, line{Actor: "alice", Channel: "acme/secret", Status: 200}},
			{shut + "repodata.json", "", line{Channel: "acme/secret", Status: 401, Error: "This channel is private or does not exist."}},
			{shut + "in-secret-1.0-0.conda", w.alice.Token, line{Actor: "alice", Channel: "acme/secret", File: "noarch/in-secret-1.0-0.conda", Status: 200}},
			{shut + "in-secret-1.0-0.conda", w.carol.Token, line{Actor: "carol", Channel: "acme/secret", Status: 404, Error: "no channel"}},
			{shut + "in-secret-1.0-0.conda", "", line{Channel: "acme/secret", Status: 401, Error: "This channel is private or does not exist."}},
			{open + "repodata.json", "", line{Channel: "acme/main", Status: 200}},
			{"/conda/t/" + w.bob.Token + "/acme/inner/noarch/repodata.json", "", line{Path: "/conda/t/***/acme/inner/noarch/repodata.json", Actor: "bob", Channel: "acme/inner", Status: 200}},
			{"/conda/acme/inner/noarch/repodata.json", "", line{Channel: "acme/inner", Status: 401, Error: "This channel is private or does not exist."}},
			{open + "demo-1.0-0.conda", "", line{Channel: "acme/main", File: "noarch/demo-1.0-0.conda", Status: 200}},
			{"/conda/nobody/noarch/none.json", "", line{Channel: "nobody/main", Status: 404, Error: "no user or organisation nobody"}},
		} {
			authorization := ""
			if ask.token != "" {
				authorization = "Authorization: Bearer " + ask.token + "\r\n"
			}
			if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", ask.path, authorization); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != ask.Status {
				t.Errorf("%s: %s, want %d", ask.path, res.Status, ask.Status)
			}
			if ask.Path == "" {
				ask.Path = ask.path
			}
			ask.ID = res.Header.Get("X-Request-Id")
			want = append(want, ask.line)
		}
	}
	seen := map[string]line{}
	for text := range strings.Lines(w.Logged()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		seen[l.ID] = l
	}
	for _, want := range want {
		got, ok := seen[want.ID]
		if want.Error != "" && strings.Contains(got.Error, want.Error) {
			want.Error = got.Error
		}
		if !ok || got != want {
			t.Errorf("the line of a request is %+v, want %+v", got, want)
		}
		delete(seen, want.ID) // a second request with the number has no line
	}
}
