// Package report keeps what benchmarks measured, in one JSON file, and shows it:
// as a table on a terminal, and as a page with plots.
//
// Only app/bench imports it. It measures nothing.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Result is all that was measured on one machine.
type Result struct {
	Machine Machine `json:"machine"`
	Groups  []Group `json:"groups"`
}

// Machine is what it was measured on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"` // 0 where the system does not tell
	OS     string `json:"os"`
	Go     string `json:"go"`
}

// Group is what was measured in one go, of one commit.
type Group struct {
	Name   string        `json:"name"`
	Title  string        `json:"title"`
	Commit string        `json:"commit"`
	Date   time.Time     `json:"date"`
	Took   time.Duration `json:"took_ns"`
	Rounds int           `json:"rounds"`
	Round  time.Duration `json:"round_ns"`               // how long each was
	Busy   float64       `json:"load_average,omitempty"` // of the machine before; more than nothing disturbed this
	Rows   []Row         `json:"rows"`
	Charts []Chart       `json:"charts,omitempty"`
}

// Row is one figure: the median of its rounds.
type Row struct {
	Name    string   `json:"name"` // such as "products.by_id"
	What    string   `json:"what"`
	Unit    string   `json:"unit"` // "÷" for a ratio
	Value   float64  `json:"value"`
	Low     float64  `json:"low"` // of the rounds
	High    float64  `json:"high"`
	Goal    *Goal    `json:"goal,omitempty"`
	Skipped string   `json:"skipped,omitempty"` // why there is no figure
	Note    string   `json:"note,omitempty"`
	Series  []Series `json:"series,omitempty"` // what the figure is made from
}

// Goal is what a figure should be.
type Goal struct {
	AtLeast *float64 `json:"at_least,omitempty"`
	AtMost  *float64 `json:"at_most,omitempty"`
}

// AtLeast is a goal that more is better than.
func AtLeast(v float64) *Goal { return &Goal{AtLeast: &v} }

// AtMost is a goal that less is better than.
func AtMost(v float64) *Goal { return &Goal{AtMost: &v} }

// Met tells whether a figure reaches the goal.
func (g *Goal) Met(v float64) bool {
	return (g.AtLeast == nil || v >= *g.AtLeast) && (g.AtMost == nil || v <= *g.AtMost)
}

// Series are the figures of one side, a round each.
type Series struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"`
}

// Chart is a plot of figures over a size.
type Chart struct {
	Name  string `json:"name"` // of its file
	Title string `json:"title"`
	X     string `json:"x"` // what the axes show, with units
	Y     string `json:"y"`
	Lines []Line `json:"lines"`
}

// Line is one line of a chart.
type Line struct {
	Name string    `json:"name"`
	X    []float64 `json:"x"`
	Y    []float64 `json:"y"`
}

// Median is the middle of some figures, 0 where there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Ratios divides two sides round by round, so that what disturbed both in a
// round cancels out.
func Ratios(over, under []float64) []float64 {
	ratios := make([]float64, 0, len(over))
	for i := range min(len(over), len(under)) {
		ratios = append(ratios, over[i]/under[i])
	}
	return ratios
}

// Of makes a row of the figures of its rounds.
func Of(name, what, unit string, goal *Goal, rounds []float64, series ...Series) Row {
	r := Row{Name: name, What: what, Unit: unit, Goal: goal, Value: Median(rounds), Series: series}
	if len(rounds) > 0 {
		r.Low, r.High = slices.Min(rounds), slices.Max(rounds)
	}
	return r
}

// Ratio makes a row of how many times one side is of another.
func Ratio(name, what string, goal *Goal, over, under Series) Row {
	return Of(name, what, "÷", goal, Ratios(over.Values, under.Values), over, under)
}

// Skip makes a row that says why it has no figure.
func Skip(name, what, unit string, goal *Goal, why string) Row {
	return Row{Name: name, What: what, Unit: unit, Goal: goal, Skipped: why}
}

// Put adds a group, or takes the place of what an earlier run measured of it.
func (r *Result) Put(g Group) {
	for i := range r.Groups {
		if r.Groups[i].Name == g.Name {
			r.Groups[i] = g
			return
		}
	}
	r.Groups = append(r.Groups, g)
}

// Row finds a row by name.
func (r *Result) Row(name string) (Row, bool) {
	for _, g := range r.Groups {
		for _, row := range g.Rows {
			if row.Name == name {
				return row, true
			}
		}
	}
	return Row{}, false
}

// Missed counts the goals that a figure did not reach.
func (r *Result) Missed() int {
	n := 0
	for _, g := range r.Groups {
		for _, row := range g.Rows {
			if row.Goal != nil && row.Skipped == "" && !row.Goal.Met(row.Value) {
				n++
			}
		}
	}
	return n
}

// Load reads a file; one that is not there is an empty result.
func Load(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Result{}, nil
	}
	if err != nil {
		return nil, err
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

// Save writes a file.
func (r *Result) Save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
