//go:build bench

package bench

import (
	"encoding/json/v2"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// besideOwner is somebody whose uploads have nothing to do with a large change.
const besideOwner = "beside"

// TestBenchMass measures changes of many files at once, and what an upload waits
// for them: a label on a seventieth of all files, and off them again, a hotfix
// of a fourteenth (10,000 and 50,000 of 700,000) and the roll-back of it, the deletion of the packages with
// the most files, and that of the owner with all the others: row 20.
func TestBenchMass(t *testing.T) {
	limited(t)
	for _, n := range sizes(t) {
		t.Run(fmt.Sprint(n), func(t *testing.T) { mass(t, n) })
	}
}

func mass(t *testing.T, n int) {
	store, from := channels.copyOf(t, n)
	all, some := from.channel, newSynthetic(n/70)
	store.Do(t, "user", "create", besideOwner, "--email", "beside@example.com", "--operator")
	token := store.Do(t, "token", "create", "--user", besideOwner, "--name", "bench")
	source := t.TempDir()
	some.write(t, source)
	store.Do(t, "channel", "import", ownerName+"/some", source, "--metadata-only", "--base-url", emptyAddress)
	server := store.Serve(t)
	same, other := newClient(server, channelName, from.Token), newClient(server, besideOwner+"/main", token)
	m := &massBench{same: same, other: other, line: all.names[0], records: n}
	var before int64 // the generation before the hotfix
	send := func(method, path, body, says string) func() error {
		return func() error {
			answer, err := same.call(method, path, []byte(body))
			if err == nil && !strings.Contains(string(answer), says) {
				err = fmt.Errorf("%s %s: %s", method, path, answer)
			}
			return err
		}
	}
	largest, files := all.largest(n/140, all.names[0])
	remove := func() error {
		for _, l := range largest {
			if _, err := same.call(http.MethodDelete, "/api/v1/packages/"+ownerName+"/"+l.name, nil); err != nil {
				return err
			}
		}
		return nil
	}
	hotfix := func() error {
		answer, err := same.call(http.MethodPost, "/api/v1/patches/"+channelName+"?subdir="+subdir, []byte(all.hotfix(n/14)))
		var done struct {
			Generation int64 `json:"generation"`
		}
		if err == nil {
			err = json.Unmarshal(answer, &done)
		}
		before = done.Generation - 1
		if err == nil && !strings.Contains(string(answer), fmt.Sprintf(`"changed":%d,`, n/14)) {
			err = fmt.Errorf("the hotfix: %s", answer)
		}
		return err
	}
	rollBack := func() error {
		return send(http.MethodPost, "/api/v1/generations/"+channelName, fmt.Sprintf(`{"to":"%d"}`, before), fmt.Sprintf(`"added":%d,`, n/14))()
	}
	removeOwner := func() error {
		_, err := other.call(http.MethodDelete, "/api/v1/users/"+ownerName+"?confirm="+ownerName, nil)
		return err
	}
	idle := m.during(t, nil)
	at := fmt.Sprintf("%d records", n)
	for _, change := range []struct {
		name string
		do   func() error
		last bool // nobody can upload into the channel then
	}{
		{fmt.Sprintf("label on %d files", n/70), send(http.MethodPost, "/api/channels/"+ownerName+"/some/copy/new", "{}", ""), false},
		{fmt.Sprintf("label off %d files", n/70), send(http.MethodDelete, "/api/channels/"+ownerName+"/new", "{}", ""), false},
		{fmt.Sprintf("hotfix of %d records", n/14), hotfix, false},
		{fmt.Sprintf("roll-back of a hotfix of %d", n/14), rollBack, false},
		{fmt.Sprintf("deletion of %d packages with %d files", len(largest), files), remove, false},
		{fmt.Sprintf("deletion of an owner with %d files", n+n/70-files), removeOwner, true},
	} {
		if change.last {
			m.same = nil
		}
		now := m.during(t, change.do)
		figures.add(t, figure{row: 20, name: change.name, at: at, ours: short(now.took)})
		for _, where := range []struct {
			name       string
			idle, list []time.Duration
		}{{"the same channel", idle.same, now.same}, {"another owner's", idle.other, now.other}} {
			if len(where.list) == 0 {
				continue
			}
			ours, alone := quantile(where.list, 0.99), quantile(where.idle, 0.99)
			figures.atMost(t, figure{
				row: 20, name: fmt.Sprintf("p99 of %d uploads to %s meanwhile, %s", len(where.list), where.name, change.name), at: at, ours: short(ours), peer: short(alone),
				besides: "nothing else", ratio: ours.Seconds() / alone.Seconds(),
			}, 8, 60)
		}
	}
	server.Stop()
}

// largest gives names with the most records, another one left out, until these are
// so many together.
func (s *synthetic) largest(atLeast int, but *line) (names []*line, records int) {
	sorted := slices.SortedFunc(slices.Values(s.names), func(a, b *line) int { return len(b.records) - len(a.records) })
	for _, l := range sorted {
		if records >= atLeast {
			break
		}
		if l != but {
			names, records = append(names, l), records+len(l.records)
		}
	}
	return names, records
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
	same, other *client // same is nil when its channel is gone
	line        *line
	records     int // of the channel
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
			if to.client == nil {
				continue
			}
			m.number++
			took, err := to.client.publish(newUpload(t, m.line, m.number))
			if err != nil {
				t.Fatal(err)
			}
			*to.times = append(*to.times, took)
		}
		if change == nil && len(times.other) == few(m.records, idleUploads) {
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
