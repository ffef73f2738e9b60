package ui_test

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// TestContrast recomputes the contrast of the colours from the style, by the
// formula of WCAG 2.2, for both themes.
func TestContrast(t *testing.T) {
	colours := map[string][2]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)`).FindAllStringSubmatch(fetch(t, newAssets(t), "app.css"), -1) {
		colours[m[1]] = [2]string{m[2], m[3]}
	}
	tests := []struct {
		front, ground string
		light, dark   float64 // 0: only the least counts
		least         float64
	}{
		{"text", "surface", 16.74, 14.15, 4.5},
		{"text", "sunken", 14.55, 12.82, 4.5},
		{"text", "page", 0, 0, 4.5},
		{"muted", "surface", 7.19, 8.51, 4.5},
		{"muted", "sunken", 6.25, 7.71, 4.5},
		{"muted", "page", 0, 0, 4.5},
		{"subtle", "surface", 5.72, 6.51, 4.5},
		{"subtle", "sunken", 4.97, 5.89, 4.5},
		{"subtle", "page", 0, 0, 4.5},
		{"accent", "surface", 6.59, 8.99, 4.5},
		{"accent", "accent-soft", 5.59, 6.99, 4.5},
		{"accent", "page", 0, 0, 4.5},
		{"accent", "sunken", 0, 0, 4.5},
		{"accent-hover", "surface", 9.18, 11.06, 4.5},
		{"on-accent", "accent", 6.59, 8.46, 4.5},
		{"on-accent", "accent-hover", 0, 0, 4.5},
		{"on-bad", "bad", 0, 0, 4.5},
		{"muted", "accent-soft", 0, 0, 4.5},
		{"text", "accent-soft", 0, 0, 4.5},
		{"ok", "ok-soft", 6.07, 7.93, 4.5},
		{"ok", "surface", 0, 0, 4.5},
		{"warn", "warn-soft", 6.81, 8.57, 4.5},
		{"bad", "bad-soft", 6.14, 7.62, 4.5},
		{"bad", "surface", 0, 0, 4.5},
		{"info", "info-soft", 6.51, 7.83, 4.5},
		{"info", "sunken", 0, 0, 4.5},
		{"warn", "sunken", 0, 0, 4.5},
		{"focus", "surface", 6.62, 8.70, 3},
		{"focus", "page", 0, 0, 3},
		{"control", "surface", 3.87, 4.21, 3},
		{"control", "sunken", 3.37, 3.81, 3},
		{"control", "page", 0, 0, 3},
	}
	for _, test := range tests {
		front, ground := colours[test.front], colours[test.ground]
		if front[0] == "" || ground[0] == "" {
			t.Errorf("%s on %s: a colour is not in the style", test.front, test.ground)
			continue
		}
		for i, theme := range []string{"light", "dark"} {
			got, want := contrast(t, front[i], ground[i]), []float64{test.light, test.dark}[i]
			if got < test.least {
				t.Errorf("%s: %s on %s has %.2f, less than %.1f", theme, test.front, test.ground, got, test.least)
			}
			if want != 0 && math.Abs(got-want) > 0.011 {
				t.Errorf("%s: %s on %s has %.2f, want %.2f", theme, test.front, test.ground, got, want)
			}
		}
	}
}

// contrast is the ratio of the relative luminances of two colours.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	high, low := luminance(t, a), luminance(t, b)
	if high < low {
		high, low = low, high
	}
	return (high + 0.05) / (low + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
