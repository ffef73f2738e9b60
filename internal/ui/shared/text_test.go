package shared_test

import (
	"testing"
	"time"

	"terrarium/internal/ui/shared"
)

func TestNumbers(t *testing.T) {
	tests := []struct{ got, want string }{
		{shared.Count(0), "0"},
		{shared.Count(999), "999"},
		{shared.Count(1000), "1,000"},
		{shared.Count(-1234567), "-1,234,567"},
		{shared.Short(9999), "9,999"},
		{shared.Short(184211), "184k"},
		{shared.Short(999_499), "999k"},
		{shared.Short(999_500), "1M"},
		{shared.Short(1_240_000), "1.2M"},
		{shared.Of(1, "file"), "1 file"},
		{shared.Of(0, "file"), "0 files"},
		{shared.Of(1200, "person", "people"), "1,200 people"},
		{shared.Size(1), "1 byte"},
		{shared.Size(999), "999 bytes"},
		{shared.Size(1000), "1.0 kB"},
		{shared.Size(7_900_000), "7.9 MB"},
		{shared.Size(145_000_000), "145 MB"},
		{shared.Size(999_499_999), "999 MB"},
		{shared.Size(999_999_999), "1.0 GB"},
		{shared.Size(5_000_000_000_000_000_000), "5000 PB"},
		{shared.Joined(nil), ""},
		{shared.Joined([]string{"a"}), "a"},
		{shared.Joined([]string{"a", "b", "c"}), "a, b and c"},
		{shared.Took(14 * time.Millisecond), "14 ms"},
		{shared.Took(0), "1 ms"},
		{shared.Initial("ana"), "a"},
		{shared.Initial("österreich"), "ö"},
		{shared.Initial(""), "?"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		before time.Duration
		want   string
	}{
		{0, "just now"},
		{90 * time.Second, "1 minute ago"},
		{5 * time.Hour, "5 hours ago"},
		{30 * time.Hour, "yesterday"},
		{72 * time.Hour, "3 days ago"},
		{20 * 24 * time.Hour, "2 weeks ago"},
		{70 * 24 * time.Hour, "2 months ago"},
		{800 * 24 * time.Hour, "2 years ago"},
		{-30 * time.Minute, "in 30 minutes"},
		{-5 * time.Hour, "in 5 hours"},
		{-6 * 24 * time.Hour, "in 6 days"},
	}
	for _, test := range tests {
		if got := shared.Ago(now, now.Add(-test.before)); got != test.want {
			t.Errorf("%v before: got %q, want %q", test.before, got, test.want)
		}
	}
	for before, want := range map[time.Duration]string{
		0: "just now", time.Minute: "1 min", 12 * time.Minute: "12 min", time.Hour: "1 h", 5 * time.Hour: "5 h", 30 * time.Hour: "yesterday", 72 * time.Hour: "3 days",
	} {
		if got := shared.Age(now, now.Add(-before)); got != want {
			t.Errorf("%v before, in few signs: got %q, want %q", before, got, want)
		}
	}
	if got := shared.Day(now, now.AddDate(0, 0, -3)); got != "18 Nov" {
		t.Errorf("this year: %q", got)
	}
	if got := shared.Day(now, now.AddDate(-2, 0, 0)); got != "21 Nov 2024" {
		t.Errorf("another year: %q", got)
	}
}

func TestWeb(t *testing.T) {
	tests := []struct{ in, want string }{
		{"https://e.example/a", "https://e.example/a"},
		{" http://e.example ", "http://e.example"},
		{"mailto:a@e.example", "mailto:a@e.example"},
		{"/acme", "/acme"},
		{"javascript:alert(1)", ""},
		{"JAVASCRIPT:alert(1)", ""},
		{"data:text/html,x", ""},
		{"//e.example", ""},
		{"acme", ""},
		{"https:///a", ""},
		{"", ""},
		{"ht tp://x", ""},
		{"java\nscript:x", ""},
	}
	for _, test := range tests {
		if got := shared.Web(test.in); got != test.want {
			t.Errorf("Web(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestURLs(t *testing.T) {
	tests := []struct{ got, want string }{
		{shared.PackageURL("acme", "rasterio"), "/acme/rasterio"},
		{shared.ReleaseURL("acme", "rasterio", "1!1.0+a"), "/acme/rasterio/releases/1%211.0+a"},
		{shared.FileURL("acme", "a b", "noarch", "x/y.conda"), "/acme/a%20b/files/noarch/x%2Fy.conda"},
		{shared.ChannelURL("acme", "prod/eu"), "/acme/-/channels/prod/eu"},
		{shared.SearchURL("a&b"), "/search?q=a%26b"},
		{shared.SettingsURL(shared.Owner{Name: "acme", Organization: true}), "/organization/acme/settings/profile"},
		{shared.SettingsURL(shared.Owner{Name: "ana"}), "/settings/profile"},
		{shared.Bare("https://www.e.example/a/"), "e.example/a"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestMark(t *testing.T) {
	for _, test := range []struct {
		text  string
		words []string
		want  string
	}{
		{"Rasterio reads raster", []string{"raster"}, "[Raster]io reads [raster]"},
		{"raster", []string{"ras", "raster"}, "[raster]"},
		{"größe", []string{"ö"}, "gr[ö]ße"},
		{"nothing", nil, "nothing"},
		{"nothing", []string{""}, "nothing"},
		{"", []string{"a"}, ""},
	} {
		got := ""
		for _, span := range shared.Mark(test.text, test.words...) {
			if span.Match {
				got += "[" + span.Text + "]"
			} else {
				got += span.Text
			}
		}
		if got != test.want {
			t.Errorf("Mark(%q, %q) = %s, want %s", test.text, test.words, got, test.want)
		}
	}
}
