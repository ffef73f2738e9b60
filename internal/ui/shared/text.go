package shared

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// Count writes a number with commas: 11,482.
func Count[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return sign + b.String()
}

// Short writes a number in few signs: 184k, 1.2M.
func Short(n int64) string {
	switch {
	case n < 10_000:
		return Count(n)
	case n < 999_500:
		return strconv.FormatInt((n+500)/1000, 10) + "k"
	default:
		return strings.TrimSuffix(strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64), ".0") + "M"
	}
}

// Of writes a number with its noun: "1 file", "3 files". The plural takes an
// s unless it is given.
func Of[N int | int64](n N, noun string, plural ...string) string {
	word := noun + "s"
	if len(plural) > 0 {
		word = plural[0]
	}
	if n == 1 {
		word = noun
	}
	return Count(n) + " " + word
}

// Size writes a number of bytes in decimal units: 7.9 MB.
func Size(bytes int64) string {
	if bytes < 1000 {
		return Of(bytes, "byte")
	}
	value, units := float64(bytes)/1000, "kMGTP"
	for value >= 999.5 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	digits := 1
	if value >= 99.95 {
		digits = 0
	}
	return strconv.FormatFloat(value, 'f', digits, 64) + " " + units[:1] + "B"
}

// Ago says how long before now a time lies, in one unit.
func Ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case d < -time.Minute:
		return In(now, t)
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return Of(int(d/time.Minute), "minute") + " ago"
	case d < 24*time.Hour:
		return Of(int(d/time.Hour), "hour") + " ago"
	case d < 48*time.Hour:
		return "yesterday"
	}
	return span(d) + " ago"
}

// Age is Ago in few signs, for narrow columns: "5 h", "yesterday", "3 weeks".
func Age(now, t time.Time) string {
	text, _ := strings.CutSuffix(Ago(now, t), " ago")
	for _, word := range [][2]string{{" minute", " min"}, {" hour", " h"}} {
		if n, ok := strings.CutSuffix(strings.TrimSuffix(text, "s"), word[0]); ok {
			return n + word[1]
		}
	}
	return text
}

// In says how long after now a time lies: "in 6 days".
func In(now, t time.Time) string {
	d := t.Sub(now)
	switch {
	case d < 0:
		return Ago(now, t)
	case d < time.Hour:
		return "in " + Of(max(1, int(d/time.Minute)), "minute")
	case d < 48*time.Hour:
		return "in " + Of(int(d/time.Hour), "hour")
	}
	return "in " + span(d)
}

// span writes two days or more in days, weeks, months or years.
func span(d time.Duration) string {
	days := int(d / (24 * time.Hour))
	switch {
	case days < 14:
		return Of(days, "day")
	case days < 60:
		return Of(days/7, "week")
	case days < 365:
		return Of(days/30, "month")
	default:
		return Of(days/365, "year")
	}
}

// Day writes a date, without the year where it is this one: "18 Nov".
func Day(now, t time.Time) string {
	t = t.UTC()
	if t.Year() == now.UTC().Year() {
		return t.Format("2 Jan")
	}
	return t.Format("2 Jan 2006")
}

// Exact writes a moment so that nothing is left open.
func Exact(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

// Took writes how long an answer took.
func Took(d time.Duration) string { return fmt.Sprintf("%d ms", max(1, d.Milliseconds())) }

// Initial gives the first letter of a name, for an avatar without a picture.
func Initial(name string) string {
	for _, r := range name {
		return string(r)
	}
	return "?"
}

// Joined writes a list the way people do: "a, b and c".
func Joined(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// tint picks one of six avatar colours by name, always the same for a name.
func tint(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return "c" + strconv.Itoa(int(h.Sum32()>>8%6))
}
