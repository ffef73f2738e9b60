// Package docs_test holds the documents to what they speak of.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"terrarium/internal/app"
)

// documents lists every Markdown file of the project.
func documents(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"../*.md", "*.md", "decisions/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) < 10 {
		t.Fatalf("found %d documents", len(names))
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, name := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}

// TestEverySettingIsDescribed compares the operators' table with the program's.
func TestEverySettingIsDescribed(t *testing.T) {
	text := read(t, "operators.md")
	known := map[string]bool{"TERRARIUM_CONFIG": true}
	for _, s := range app.Settings() {
		known[s.Env()] = true
		for _, want := range []string{"`--" + s.Flag() + "`", "`" + s.Env() + "`"} {
			if !strings.Contains(text, want) {
				t.Errorf("operators.md does not describe %s", want)
			}
		}
	}
	for _, name := range regexp.MustCompile(`TERRARIUM_[A-Z_]+`).FindAllString(text, -1) {
		if !known[name] {
			t.Errorf("operators.md speaks of %s, which the program does not read", name)
		}
	}
}

// TestFencesAreClosed keeps the blocks whole that a test takes from the README and runs.
func TestFencesAreClosed(t *testing.T) {
	for _, name := range documents(t) {
		if n := strings.Count("\n"+read(t, name), "\n```"); n%2 != 0 {
			t.Errorf("%s has %d fences; one is not closed", name, n)
		}
	}
}
