package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteTable writes the rows of some groups as a table: goal, measured, met?
func WriteTable(to io.Writer, groups ...Group) error {
	table := [][]string{{"", "goal", "measured", "of the rounds", "met?"}}
	for _, g := range groups {
		table = append(table, []string{g.Title})
		for _, r := range g.Rows {
			table = append(table, append([]string{"  " + r.What}, r.cells()...))
		}
	}
	var widths [5]int
	for _, line := range table {
		for i, cell := range line {
			if len(line) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	var text strings.Builder
	for _, line := range table {
		for i, cell := range line {
			text.WriteString(cell)
			if i < len(line)-1 {
				text.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		text.WriteByte('\n')
	}
	_, err := io.WriteString(to, text.String())
	return err
}

// cells shows a row: goal, measured, spread, met.
func (r Row) cells() []string {
	switch {
	case r.Skipped != "":
		return []string{r.goal(), "–", "", "skipped: " + r.Skipped}
	case r.Goal == nil:
		return []string{"", r.show(r.Value), r.spread(), ""}
	case r.Goal.Met(r.Value):
		return []string{r.goal(), r.show(r.Value), r.spread(), "yes"}
	}
	return []string{r.goal(), r.show(r.Value), r.spread(), "no"}
}

func (r Row) goal() string {
	switch {
	case r.Goal == nil:
		return ""
	case r.Goal.AtLeast != nil:
		return "≥ " + r.show(*r.Goal.AtLeast)
	}
	return "≤ " + r.show(*r.Goal.AtMost)
}

func (r Row) spread() string {
	if r.Low == r.High {
		return ""
	}
	return number(r.Low) + " – " + number(r.High)
}

func (r Row) show(v float64) string {
	if r.Unit == "÷" {
		return number(v)
	}
	return number(v) + " " + r.Unit
}

// number writes three figures that count, and whole thousands with a comma.
func number(v float64) string {
	switch size := math.Abs(v); {
	case size >= 1000:
		digits := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
		for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
			digits = digits[:i] + "," + digits[i:]
		}
		return digits
	case size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return trimZeros(fmt.Sprintf("%.1f", v))
	case size >= 1 || v == 0:
		return trimZeros(fmt.Sprintf("%.2f", v))
	}
	return trimZeros(fmt.Sprintf("%.3f", v))
}

func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
