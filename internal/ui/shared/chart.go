package shared

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DayCount is one bar of a chart.
type DayCount struct {
	Day   time.Time
	Count int64
}

// The sizes of the drawings in units of their own view boxes.
const (
	sparkWidth, sparkHeight = 84, 24
	chartWidth, chartHeight = 300, 116
	chartLeft, chartTop     = 30, 8
	chartBottom             = 100
)

// spark gives the paths of a sparkline: the area below, the line itself.
func spark(values []int64) (area, line string) {
	if len(values) == 0 {
		return "", ""
	}
	top := int64(1)
	for _, v := range values {
		top = max(top, v)
	}
	step := float64(sparkWidth)
	if len(values) > 1 {
		step /= float64(len(values) - 1)
	}
	var b strings.Builder
	for i, v := range values {
		command := "L"
		if i == 0 {
			command = "M"
		}
		// One unit above and below keeps the stroke inside the box.
		y := float64(sparkHeight-2) * (1 - float64(v)/float64(top))
		fmt.Fprintf(&b, "%s%.1f %.1f", command, float64(i)*step, y+1)
	}
	if len(values) == 1 {
		fmt.Fprintf(&b, "H%d", sparkWidth)
	}
	line = b.String()
	return fmt.Sprintf("%sV%dH0Z", line, sparkHeight), line
}

// sparkSentence says in words what a sparkline shows.
func sparkSentence(values []int64) string {
	if len(values) == 0 {
		return "No downloads counted yet"
	}
	var sum, top int64
	for _, v := range values {
		sum += v
		top = max(top, v)
	}
	return fmt.Sprintf("%s in %s, at most %s a day", Of(sum, "download"), Of(len(values), "day"), Count(top))
}

// barChart is the geometry of a chart of bars, ready to draw.
type barChart struct {
	Path     string   // all bars
	Lines    []string // y of the lines, with Labels beside them
	Labels   []string
	From, To string // the first and last day
	Sentence string
}

func newBarChart(days []DayCount) barChart {
	top, sum := int64(1), int64(0)
	for _, d := range days {
		top = max(top, d.Count)
		sum += d.Count
	}
	top = roundUp(top)
	width := float64(chartWidth-chartLeft) / float64(max(1, len(days)))
	var b strings.Builder
	for i, d := range days {
		height := float64(chartBottom-chartTop) * float64(d.Count) / float64(top)
		if d.Count == 0 {
			continue
		}
		fmt.Fprintf(&b, "M%.1f %dh%.1fV%.1fh-%.1fz",
			chartLeft+float64(i)*width+0.5, chartBottom, width-1, float64(chartBottom)-max(1, height), width-1)
	}
	c := barChart{Path: b.String()}
	for _, part := range []int64{0, 1, 2} {
		if top == 1 && part == 1 {
			continue
		}
		y := chartBottom - (chartBottom-chartTop)*int(part)/2
		c.Lines = append(c.Lines, strconv.Itoa(y))
		c.Labels = append(c.Labels, Short(top*part/2))
	}
	c.Sentence = "No downloads counted yet"
	if len(days) > 0 {
		first, last := days[0].Day, days[len(days)-1].Day
		c.From, c.To = first.UTC().Format("2 Jan"), last.UTC().Format("2 Jan")
		c.Sentence = fmt.Sprintf("%s from %s to %s", Of(sum, "download"), c.From, c.To)
	}
	return c
}

// roundUp gives the smallest even number of the form 1, 2, 4, 6 or 8 times a
// power of ten that is not below n, and 1 for 1.
func roundUp(n int64) int64 {
	if n <= 1 {
		return 1
	}
	for power := int64(1); ; power *= 10 {
		for _, step := range []int64{2, 4, 6, 8, 10} {
			if step*power >= n {
				return step * power
			}
		}
	}
}

// Use is how much of a limit is taken.
type Use struct {
	Label string // "Storage"
	Words string // "1.24 of 3 GB"
	Part  int    // hundredths; above 100 is over the limit
	Note  string // what follows from it; may be empty
}

func (u Use) over() bool { return u.Part >= 100 }
