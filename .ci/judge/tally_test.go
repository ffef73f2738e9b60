package main

import (
	"strings"
	"testing"
)

func TestVerdict(t *testing.T) {
	const (
		passed  = `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n"
		excused = `{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: ../shared/testdata is not here\n"}` + "\n" +
			`{"Action":"skip","Package":"p","Test":"TestB"}` + "\n"
		idle = `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:7: no network\n"}` + "\n" +
			`{"Action":"skip","Package":"p","Test":"TestC"}` + "\n"
		noTests = `{"Action":"skip","Package":"q"}` + "\n"
	)
	tests := []struct {
		name     string
		events   string
		testdata bool
		floor    int
		closing  string
		want     string // part of the fault; empty if the stage holds
	}{
		{"passes", passed + noTests, true, 1, "test: 1 passed, 0 failed, 0 skipped", ""},
		{"skip with the excuse", passed + excused, false, 1, "test: 1 passed, 0 failed, 1 skipped", ""},
		{"the excuse does not hold", passed + excused, true, 1, "test: 1 passed, 0 failed, 1 skipped", "although ../shared/testdata is here: p TestB"},
		{"skip for another reason", passed + idle, false, 1, "test: 1 passed, 0 failed, 1 skipped", "p TestC: c_test.go:7: no network"},
		{"too few", passed, false, 2, "test: 1 passed, 0 failed, 0 skipped", "test ran 1 tests; .ci/floors asks for 2"},
		{"nothing ran", noTests, false, 1, "test: 0 passed, 0 failed, 0 skipped", "test ran 0 tests"},
		{"a test fails", passed + `{"Action":"fail","Package":"p","Test":"TestD"}`, false, 1, "test: 1 passed, 1 failed, 0 skipped", "failed: p TestD"},
		{"a package fails", passed + `{"Action":"fail","Package":"p"}`, false, 1, "test: 1 passed, 0 failed, 0 skipped", "failed: p"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tally := newTally(tt.testdata)
			if err := tally.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if got := tally.closing("test"); got != tt.closing {
				t.Errorf("closing line = %q, want %q", got, tt.closing)
			}
			err := tally.verdict("test", tt.floor)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("verdict = %v, want none", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("verdict = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestFloorOf(t *testing.T) {
	const text = "# stage, least number of tests\ntest 200\ntest-race 30 # remark\nbad x\n"
	tests := []struct {
		stage string
		want  int // 0 for a fault
	}{{"test", 200}, {"test-race", 30}, {"bad", 0}, {"absent", 0}}
	for _, tt := range tests {
		got, err := floorOf(text, tt.stage)
		if got != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("floorOf(%q) = %d, %v, want %d", tt.stage, got, err, tt.want)
		}
	}
}
