package bench

import (
	"math"
	"strconv"
	"strings"
)

// A markdownTable is a table of RESULTS.md, read back: pictures are drawn from what is
// written there, and so can be drawn anew at any time.
type markdownTable struct {
	columns []string
	rows    []tableRow
}

type tableRow struct {
	name  string
	cells []string
}

// findTable returns the table under a title.
func findTable(results, title string) (t markdownTable, ok bool) {
	_, after, ok := strings.Cut(results, "\n### "+title+"\n")
	if !ok {
		return t, false
	}
	for line := range strings.Lines(strings.TrimLeft(after, "\n")) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case strings.HasPrefix(line, "|---"):
		case t.columns == nil:
			t.columns = cells[1:]
		default:
			t.rows = append(t.rows, tableRow{cells[0], cells[1:]})
		}
	}
	return t, len(t.rows) > 0
}

// leading returns the number that a cell begins with, NaN if there is none.
func leading(cell string) float64 {
	word, _, _ := strings.Cut(cell, " ")
	x, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return math.NaN()
	}
	return x
}
