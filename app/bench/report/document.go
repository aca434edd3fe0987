package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
)

// page is what stands around the figures; it has none of its own.
//
//go:embed performance.md.tmpl
var page string

// Document writes the page about what was measured. Its numbers come from the
// result alone.
func (r *Result) Document() ([]byte, error) {
	t, err := template.New("performance.md").Funcs(template.FuncMap{
		"cells":  Row.cells,
		"table":  Group.table,
		"sides":  Group.sides,
		"figure": r.figure,
		"left":   r.left,
		"day":    func(t time.Time) string { return t.Format(time.DateOnly) },
	}).Parse(page)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, r); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// figure gives the figure of a row.
func (r *Result) figure(name string) string {
	if v, measured := r.value(name); measured {
		return number(v)
	}
	return "(not measured)"
}

// left gives what part of its time a shop that just reaches a goal has left
// beside what a row is the limit of.
func (r *Result) left(goal float64, name string) string {
	v, measured := r.value(name)
	switch {
	case !measured:
		return "an unknown part"
	case v <= goal:
		return "nothing"
	}
	return fmt.Sprintf("%.0f %%", 100*(1-goal/v))
}

func (r *Result) value(name string) (v float64, measured bool) {
	for _, g := range r.Groups {
		for _, row := range g.Rows {
			if row.Name == name && row.Skipped == "" {
				return row.Value, true
			}
		}
	}
	return 0, false
}

// table writes the rows as a table in Markdown.
func (g Group) table() string {
	var text strings.Builder
	text.WriteString("| what | goal | measured | of the rounds | met? |\n|---|---|---|---|---|\n")
	for _, r := range g.Rows {
		text.WriteString("| " + r.What + " | " + strings.Join(r.cells(), " | ") + " |\n")
	}
	return text.String()
}

// sides writes what the figures are made from, a median each.
func (g Group) sides() string {
	var text strings.Builder
	seen := map[string]bool{}
	for _, r := range g.Rows {
		for _, s := range r.Series {
			line := fmt.Sprintf("| %s | %s %s | %s – %s |\n", s.Name, number(Median(s.Values)), s.Unit, number(slices.Min(s.Values)), number(slices.Max(s.Values)))
			if len(s.Values) > 0 && !seen[r.Name+line] {
				seen[r.Name+line] = true
				text.WriteString("| " + r.What + " " + line)
			}
		}
	}
	if text.Len() == 0 {
		return ""
	}
	return "| figure | side | median | of the rounds |\n|---|---|---|---|\n" + text.String()
}

// Publish writes the page, its plots and what they are made from below a
// directory: performance.md and performance/. It gives the files it wrote.
func (r *Result) Publish(dir string) ([]string, error) {
	below := filepath.Join(dir, "performance")
	if err := os.MkdirAll(below, 0o755); err != nil {
		return nil, err
	}
	files, err := r.Plots()
	if err != nil {
		return nil, err
	}
	document, err := r.Document()
	if err != nil {
		return nil, err
	}
	written := []string{filepath.Join(below, "results.json")}
	if err := r.Save(written[0]); err != nil {
		return nil, err
	}
	for name, text := range files {
		written = append(written, filepath.Join(below, name))
		if err := os.WriteFile(written[len(written)-1], text, 0o644); err != nil {
			return nil, err
		}
	}
	written = append(written, filepath.Join(dir, "performance.md"))
	slices.Sort(written)
	return written, os.WriteFile(filepath.Join(dir, "performance.md"), document, 0o644)
}
