//go:build bench

package bench

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"terrarium/test/program"
)

// besideOwner is somebody whose uploads have nothing to do with a large change.
const besideOwner = "beside"

// TestBenchMass measures changes of many files at once, and what an upload waits
// for them: a label on a seventieth of all files, and off them again, and a hotfix
// of a fourteenth (10,000 and 50,000 of 700,000).
func TestBenchMass(t *testing.T) {
	binary := program.Build(t)
	for _, n := range sizes(t) {
		t.Run(fmt.Sprint(n), func(t *testing.T) { mass(t, binary, n) })
	}
}

func mass(t *testing.T, binary string, n int) {
	all, some := newSynthetic(n), newSynthetic(n/70)
	store := &program.Store{Binary: binary, Data: filepath.Join(t.TempDir(), "data"), Env: []string{"TERRARIUM_LOG_LEVEL=warn"}}
	tokens := map[string]string{}
	for _, owner := range []string{ownerName, besideOwner} {
		store.Do(t, "user", "create", owner, "--email", owner+"@example.com")
		tokens[owner] = store.Do(t, "token", "create", "--user", owner, "--name", "bench")
	}
	for _, in := range []struct {
		channel string
		records *synthetic
	}{{ownerName + "/some", some}, {channelName, all}} {
		source := t.TempDir()
		in.records.write(t, source)
		store.Do(t, "channel", "import", in.channel, source, "--metadata-only", "--base-url", emptyAddress)
	}
	server := store.Serve(t)
	same, other := newClient(server, channelName, tokens[ownerName]), newClient(server, besideOwner+"/main", tokens[besideOwner])
	m := &massBench{same: same, other: other, line: all.names[0]}
	send := func(method, path, body, says string) func() error {
		return func() error {
			req, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", "Bearer "+same.token)
			status, answer, err := same.do(req)
			if err == nil && (status >= http.StatusMultipleChoices || !strings.Contains(string(answer), says)) {
				err = fmt.Errorf("%s %s: %d %s", method, path, status, answer)
			}
			return err
		}
	}
	idle := m.during(t, nil)
	at := fmt.Sprintf("%d records", n)
	for _, change := range []struct {
		name string
		do   func() error
	}{
		{fmt.Sprintf("label on %d files", n/70), send(http.MethodPost, "/api/channels/"+ownerName+"/some/copy/new", "{}", "")},
		{fmt.Sprintf("label off %d files", n/70), send(http.MethodDelete, "/api/channels/"+ownerName+"/new", "{}", "")},
		{fmt.Sprintf("hotfix of %d records", n/14), send(http.MethodPost, "/api/v1/patches/"+channelName+"?subdir="+subdir, all.hotfix(n/14), fmt.Sprintf(`"changed":%d,`, n/14))},
	} {
		now := m.during(t, change.do)
		figures.add(t, figure{row: 20, name: change.name, at: at, ours: short(now.took)})
		for _, where := range []struct {
			name       string
			idle, list []time.Duration
		}{{"the same channel", idle.same, now.same}, {"another owner's", idle.other, now.other}} {
			ours, alone := quantile(where.list, 0.99), quantile(where.idle, 0.99)
			figures.atMost(t, figure{
				row: 20, name: fmt.Sprintf("p99 of %d uploads to %s meanwhile, %s", len(where.list), where.name, change.name), at: at, ours: short(ours), peer: short(alone),
				besides: "nothing else", ratio: ours.Seconds() / alone.Seconds(),
			}, 8, 60)
		}
	}
	server.Stop()
}

// hotfix are patch instructions for the first n records of the channel.
func (s *synthetic) hotfix(n int) string {
	steps := map[string][]string{}
	for _, l := range s.names {
		for _, r := range l.records {
			if n--; n < 0 {
				break
			}
			under := "packages.conda"
			if strings.HasSuffix(r.fileName, ".tar.bz2") {
				under = "packages"
			}
			steps[under] = append(steps[under], fmt.Sprintf(`"%s":{"license_family":"patched"}`, r.fileName))
		}
	}
	return fmt.Sprintf(`{"patch_instructions_version":1,"packages":{%s},"packages.conda":{%s}}`,
		strings.Join(steps["packages"], ","), strings.Join(steps["packages.conda"], ","))
}

// massBench uploads to two channels while something else goes on.
type massBench struct {
	same, other *client
	line        *line
	number      int
}

// massTimes are how long a change took and the uploads meanwhile.
type massTimes struct {
	took        time.Duration
	same, other []time.Duration
}

// idleUploads is how many uploads to each channel are measured with nothing else
// going on.
const idleUploads = 150

// during runs a change while one client uploads to the two channels in turn, at
// least once to each; without a change it uploads idleUploads times.
func (m *massBench) during(t *testing.T, change func() error) (times massTimes) {
	t.Helper()
	done := make(chan error, 1)
	begun := time.Now()
	if change != nil {
		go func() {
			err := change()
			times.took = time.Since(begun)
			done <- err
		}()
	}
	for {
		for _, to := range []struct {
			client *client
			times  *[]time.Duration
		}{{m.same, &times.same}, {m.other, &times.other}} {
			m.number++
			took, err := to.client.publish(newUpload(t, m.line, m.number))
			if err != nil {
				t.Fatal(err)
			}
			*to.times = append(*to.times, took)
		}
		if change == nil && len(times.same) == idleUploads {
			return times
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return times
		default:
		}
	}
}
