// Command judge decides whether a stage of .ci/run proved what it should. It
// reads the events that `go test -json` wrote, and fails the stage if a test
// or a package failed, if a test was skipped for another reason than that
// ../shared/testdata is absent, or if fewer tests ran than .ci/floors says.
//
//	go run ./.ci/judge STAGE EVENTS.json...
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: judge STAGE EVENTS.json...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

// run prints the count of one stage and returns what is wrong with it.
func run(stage string, files []string) error {
	floors, err := os.ReadFile(".ci/floors")
	if err != nil {
		return fmt.Errorf("reading the floors: %w", err)
	}
	floor, err := floorOf(string(floors), stage)
	if err != nil {
		return err
	}
	t := newTally(testdataPresent())
	for _, name := range files {
		if err := t.readFile(name); err != nil {
			return err
		}
	}
	fmt.Println(t.closing(stage))
	return t.verdict(stage, floor)
}

// testdataPresent says whether the packages that other projects made lie
// beside the checkout; only where they do not may a test be skipped.
func testdataPresent() bool {
	dir := os.Getenv("TERRARIUM_TESTDATA")
	if dir == "" {
		dir = "../shared/testdata"
	}
	_, err := os.Stat(dir)
	return err == nil
}
