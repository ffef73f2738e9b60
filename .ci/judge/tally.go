package main

import (
	"bufio"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// excuse is the one reason for which a test may be skipped.
const excuse = "../shared/testdata is not here"

// event is one line of `go test -json`, as far as it matters here.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// tally adds up the events of one stage.
type tally struct {
	testdata                bool // the excuse does not hold: the data are there
	passed, failed, skipped int
	wrong                   []string          // sentences, one a fault
	output                  map[string]string // of tests that have not ended
}

func newTally(testdata bool) *tally {
	return &tally{testdata: testdata, output: make(map[string]string)}
}

// readFile adds the events of one file.
func (t *tally) readFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("opening the events: %w", err)
	}
	defer f.Close() // only read
	if err := t.read(f); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// read adds a stream of events, one JSON object a line.
func (t *tally) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20) // a failing test may print a whole document
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("no event: %q: %w", lines.Text(), err)
		}
		t.add(e)
	}
	return lines.Err()
}

// add counts one event.
func (t *tally) add(e event) {
	key := e.Package + " " + e.Test
	switch {
	case e.Action == "build-fail" || e.Action == "fail" && e.Test == "":
		t.wrong = append(t.wrong, strings.TrimSpace("failed: "+e.Package))
	case e.Test == "":
	case e.Action == "output":
		t.output[key] += e.Output
	case e.Action == "pass":
		t.passed++
		delete(t.output, key)
	case e.Action == "fail":
		t.failed++
		t.wrong = append(t.wrong, "failed: "+key)
		delete(t.output, key)
	case e.Action == "skip":
		t.skipped++
		t.excuse(key)
		delete(t.output, key)
	}
}

// excuse looks at why a test was skipped.
func (t *tally) excuse(key string) {
	reason := t.output[key]
	switch {
	case !strings.Contains(reason, excuse):
		t.wrong = append(t.wrong, fmt.Sprintf("skipped without an excuse: %s: %s", key, strings.Join(strings.Fields(reason), " ")))
	case t.testdata:
		t.wrong = append(t.wrong, "skipped although ../shared/testdata is here: "+key)
	}
}

// closing is the plain last line that readers of a CI log look for.
func (t *tally) closing(stage string) string {
	return fmt.Sprintf("%s: %d passed, %d failed, %d skipped", stage, t.passed, t.failed, t.skipped)
}

// verdict is nil if the stage holds and ran at least floor tests.
func (t *tally) verdict(stage string, floor int) error {
	faults := make([]error, 0, len(t.wrong)+1)
	for _, w := range t.wrong {
		faults = append(faults, errors.New(w))
	}
	if ran := t.passed + t.failed; ran < floor {
		faults = append(faults, fmt.Errorf("%s ran %d tests; .ci/floors asks for %d", stage, ran, floor))
	}
	return errors.Join(faults...)
}

// floorOf finds a stage's line in the text of .ci/floors: its name and the
// least number of tests, with # before remarks.
func floorOf(text, stage string) (int, error) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != stage {
			continue
		}
		if len(fields) != 2 {
			return 0, fmt.Errorf(".ci/floors: %q is not a stage and a number", strings.TrimSpace(line))
		}
		n, err := strconv.Atoi(fields[1])
		if err != nil || n < 1 {
			return 0, fmt.Errorf(".ci/floors: the floor of %s is %q; write a number above 0", stage, fields[1])
		}
		return n, nil
	}
	return 0, fmt.Errorf(".ci/floors has no line for %s", stage)
}
