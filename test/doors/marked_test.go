package doors_test

import (
	"context"
	"encoding/json/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"terrarium/internal/account"
	"terrarium/internal/apptest"
	"terrarium/internal/trace/tracetest"
)

// lookFor fails the test where one of the secrets is written down: in the log, at
// /metrics, in what went to the collector of traces, in a mail, in a row of the
// audit log or anywhere else in the database. A one-time code may be in one mail.
// What changes only the case of letters does not hide a secret.
func lookFor(t *testing.T, w *world, collector *tracetest.Collector, secrets map[string]string) {
	t.Helper()
	w.must(w.Traces.Flush(t.Context()))
	mails := w.Mails(t, 1)
	for i, mail := range mails {
		mails[i] = strings.ReplaceAll(mail, "=\r\n", "")
	}
	dump := w.Dump(t)
	places := map[string][]string{
		"the log":      {w.Logged()},
		"/metrics":     {string(w.Want(t, http.StatusOK, "GET", "/metrics", apptest.Request{}).Body)},
		"the traces":   {collector.Raw()},
		"the database": values(t, dump),
		"a mail":       mails,
	}
	for place, sign := range map[string]string{
		"the log": `"stack"`, "/metrics": "terrarium_request_seconds", "the traces": "http.route", "the database": "audit", "a mail": "Subject:",
	} {
		if !slices.ContainsFunc(places[place], func(text string) bool { return strings.Contains(text, sign) }) {
			t.Errorf("%s lacks %q, so it was not looked at", place, sign)
		}
	}
	if n := len(w.Rows(t).Of(t, "audit")); n < 10 {
		t.Errorf("only %d rows of the audit log were looked at", n)
	}
	for place, texts := range places {
		for i, text := range texts {
			texts[i] = strings.ToLower(text)
		}
		for secret, what := range secrets {
			secret = strings.ToLower(secret)
			holders := 0
			for _, text := range texts {
				if strings.Contains(text, secret) {
					holders++
					if place != "a mail" {
						t.Errorf("%s holds %s: %s", place, what, around(text, secret))
					}
				}
			}
			if most := strings.Count(what, "one-time"); place == "a mail" && holders > most {
				t.Errorf("%d mails hold %s, at most %d may", holders, what, most)
			}
		}
	}
}

// marked is one request that shows a marked token, and the answer that it must get.
type marked struct {
	where  string // the token is
	want   int
	panics bool // a statement panics under it, with the token in the value
	away   bool // a table is not there
	method string
	path   string // TOKEN is the token
	form   string
	header map[string]string
	via    apptest.Via // unless TOKEN is in path or form
}

// TestMarkedToken shows a token in every place where one may be given, so that
// each of these is answered well, by a redirect, by a refusal, by an error of the
// server and by a panic, and looks for the token wherever something is written
// down. Each request has a token of its own.
func TestMarkedToken(t *testing.T) {
	collector := tracetest.New(t)
	var breaks atomic.Value
	breaks.Store("")
	w := newWorld(t, apptest.Setting("traces", collector.URL), apptest.Statements(func(string) {
		if what := breaks.Load().(string); what != "" {
			panic(what)
		}
	}))
	const shut = "/conda/acme/cellar/noarch/"
	etag := w.Want(t, http.StatusOK, "GET", shut+"repodata.json", apptest.Request{Token: w.olga.Token}).Header.Get("ETag")
	var list []marked
	for where, via := range map[string]apptest.Via{"header": apptest.Token, "bearer": apptest.Bearer, "basic": apptest.Basic, "path": apptest.Path} {
		list = append(list, []marked{
			{where: where, via: via, want: 200, path: shut + "repodata.json"},
			{where: where, via: via, want: 304, path: shut + "repodata.json", header: map[string]string{"If-None-Match": etag}},
			{where: where, via: via, want: 404, path: shut + "nothing-1.0-0.conda"},
			{where: where, via: via, want: 503, path: shut + buriedFile},
			{where: where, via: via, want: 500, path: shut + "repodata.json", panics: true},
		}...)
	}
	list = append(list, []marked{
		{where: "query", want: 200, path: "/search?q=TOKEN&token=TOKEN"},
		{where: "query", want: 303, path: "/dashboard?token=TOKEN"},
		{where: "query", want: 404, path: "/acme/nothing?token=TOKEN"},
		{where: "query", want: 503, path: "/conda/acme/noarch/" + openFile + "?token=TOKEN"},
		{where: "query", want: 500, path: "/search?q=TOKEN", panics: true},
		{where: "form", want: 200, method: "POST", path: "/forgot/username", form: form("email", w.olga.Email, "token", "TOKEN")},
		{where: "form", want: 303, method: "POST", path: "/login", form: form("username", "olga", "password", apptest.Password, "next", "/t/TOKEN", "token", "TOKEN")},
		{where: "form", want: 422, method: "POST", path: "/login", form: form("username", "olga", "password", "TOKEN")},
		{where: "form", want: 422, method: "POST", path: "/login", form: form("username", "TOKEN", "password", "TOKEN")},
		{where: "form", want: 500, method: "POST", path: "/login", form: form("username", "olga", "password", apptest.Password, "next", "/t/TOKEN"), away: true},
		{where: "form", want: 500, method: "POST", path: "/login", form: form("username", "olga", "password", "TOKEN"), panics: true},
	}...)
	secrets := map[string]string{}
	got := map[string]map[string]bool{} // the kinds of answers, by where the token was
	for _, m := range list {
		token := w.olga.NewToken(t, account.NewToken{Name: w.name("marked")})
		fill := strings.NewReplacer("TOKEN", token).Replace
		r := apptest.Request{Body: []byte(fill(m.form)), Header: m.header}
		if m.form != "" {
			r.Type = formKind
		}
		if m.where != "query" && m.where != "form" {
			r.Token, r.Via = token, m.via
		}
		method := m.method
		if method == "" {
			method = "GET"
		}
		kind := string('0'+byte(m.want/100)) + "xx"
		if m.panics {
			kind = "panic"
			breaks.Store("panic while " + token + " was asking")
		}
		if m.want == 503 {
			w.must(os.Rename(w.BlobFolder(), w.BlobFolder()+"-away")) // as a disk that is not mounted
		}
		if m.away {
			w.exec(`ALTER TABLE sessions RENAME TO away`)
		}
		a := w.Do(t, method, fill(m.path), r)
		if m.want == 503 {
			w.must(os.Rename(w.BlobFolder()+"-away", w.BlobFolder()))
		}
		if m.away {
			w.exec(`ALTER TABLE away RENAME TO sessions`)
		}
		breaks.Store("")
		if a.Status != m.want {
			t.Errorf("the token in the %s: %s; want %d", m.where, a, m.want)
		}
		if m.panics && strings.Contains(string(a.Body), "panic while") {
			t.Errorf("the token in the %s: %s; this shows what panicked", m.where, a)
		}
		secrets[token] = "the token of the " + m.where + " that ended with " + kind
		if got[m.where] == nil {
			got[m.where] = map[string]bool{}
		}
		got[m.where][kind] = true
		id := a.Header.Get("X-Request-Id")
		line, span := w.recorded(t, collector, id)
		if line.Trace != span.Trace || line.Status != m.want || (line.Stack != "") != m.panics || (len(span.Events) > 0) != m.panics {
			t.Errorf("the token in the %s, %s: the log says status %d, trace %s; the span is %+v", m.where, kind, line.Status, line.Trace, span)
		}
	}
	for _, where := range []string{"header", "bearer", "basic", "path", "query", "form"} {
		for _, kind := range []string{"2xx", "3xx", "4xx", "5xx", "panic"} {
			if !got[where][kind] {
				t.Errorf("no request with the token in the %s ended with %s", where, kind)
			}
		}
	}
	lookFor(t, w, collector, secrets)
}

func (w *world) exec(statement string) {
	w.Helper()
	_, err := w.DB.Exec(w.Context(), statement)
	w.must(err)
}

// logLine is what the tests read of the line of a request.
type logLine struct {
	ID     string `json:"id"`
	Trace  string `json:"trace"`
	Status int    `json:"status"`
	Stack  string `json:"stack"`
}

// recorded gives the line of the log of the request with that number, and its
// span. Both are written when the answer is on its way already.
func (w *world) recorded(t *testing.T, collector *tracetest.Collector, id string) (line logLine, span tracetest.Span) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		for text := range strings.Lines(w.Logged()) {
			if strings.Contains(text, id) {
				w.must(json.Unmarshal([]byte(text), &line))
			}
		}
		w.must(w.Traces.Flush(t.Context()))
		for _, s := range collector.Spans() {
			if s.Attributes["request.id"] == id {
				span = s
			}
		}
		if line.ID == id && span.Name != "" {
			return line, span
		}
		select {
		case <-ctx.Done():
			t.Fatalf("of the request %s came the line %+v and the span %+v", id, line, span)
		case <-tick.C:
		}
	}
}
