package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/app/bench/report"
)

func TestTheMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	values := []float64{5, 1, 4}
	require.InDelta(t, 4, report.Median(values), 0)
	require.Equal(t, []float64{5, 1, 4}, values, "what is looked at stays as it was")
	require.InDelta(t, 2.5, report.Median([]float64{4, 1, 2, 3}), 0)
	require.Zero(t, report.Median(nil))
}

// A round in which the machine did something else slows both sides; their ratio
// says the same.
func TestARatioIsThatOfRoundsAndNotOfMedians(t *testing.T) {
	t.Parallel()
	over := report.Series{Values: []float64{50, 5, 60}}
	under := report.Series{Values: []float64{100, 10, 100}}
	row := report.Ratio("r", "what", report.AtLeast(0.5), over, under)
	require.InDelta(t, 0.5, row.Value, 1e-9)
	require.InDelta(t, 0.5, row.Low, 1e-9)
	require.InDelta(t, 0.6, row.High, 1e-9)
}

func TestGoalsAreMetAtTheirEdge(t *testing.T) {
	t.Parallel()
	require.True(t, report.AtLeast(0.6).Met(0.6))
	require.False(t, report.AtLeast(0.6).Met(0.599))
	require.True(t, report.AtMost(6).Met(6))
	require.False(t, report.AtMost(6).Met(6.01))
}

// some is a result with one of everything.
func some() *report.Result {
	rounds := report.Series{Name: "stoa", Unit: "1/s", Values: []float64{60, 65, 70}}
	limit := report.Series{Name: "bare handler", Unit: "1/s", Values: []float64{100, 100, 100}}
	return &report.Result{
		Machine: report.Machine{CPU: "A processor", Cores: 2, OS: "linux/amd64", Go: "go1.26"},
		Groups: []report.Group{{
			Name: "products", Title: "Reading products", Commit: "abc", Rounds: 3, Round: time.Second,
			Date: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
			Rows: []report.Row{
				report.Ratio("products.by_id", "product by id", report.AtLeast(0.6), rounds, limit),
				report.Of("products.p50", "p50 | of it", "ms", report.AtMost(0.5), []float64{0.75}),
				report.Skip("products.other", "what cannot be", "÷", report.AtMost(2), "this binary has none"),
			},
			Charts: []report.Chart{{
				Name: "cost_over_products", Title: "Cost by size", X: "products", Y: "time, ms",
				Lines: []report.Line{{Name: "by id", X: []float64{1000, 20000}, Y: []float64{0.02, 0.03}}, {Name: "list", X: []float64{1000, 20000}, Y: []float64{0.2, 0.2}}},
			}},
		}},
	}
}

func TestTheTableSaysWhatIsMetAndWhatIsNot(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	require.NoError(t, report.WriteTable(&text, some().Groups...))
	require.Equal(t, strings.Join([]string{
		"                  goal      measured  of the rounds  met?",
		"Reading products",
		"  product by id   ≥ 0.6     0.65      0.6 – 0.7      yes",
		"  p50 | of it     ≤ 0.5 ms  0.75 ms                  no",
		"  what cannot be  ≤ 2       –                        skipped: this binary has none",
		"",
	}, "\n"), text.String())
	require.Equal(t, 1, some().Missed())
}

func TestAPartMeasuredAgainTakesThePlaceOfTheEarlier(t *testing.T) {
	t.Parallel()
	r := some()
	r.Put(report.Group{Name: "orders"})
	r.Put(report.Group{Name: "products", Commit: "def"})
	require.Len(t, r.Groups, 2)
	require.Equal(t, "def", r.Groups[0].Commit)
	file := filepath.Join(t.TempDir(), "results.json")
	require.NoError(t, r.Save(file))
	again, err := report.Load(file)
	require.NoError(t, err)
	require.Equal(t, r, again)
	none, err := report.Load(filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err)
	require.Empty(t, none.Groups)
}

func TestThePageAndItsPlotsAreMadeFromTheResult(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	written, err := some().Publish(dir)
	require.NoError(t, err)
	require.Len(t, written, 4)
	page, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "| product by id | ≥ 0.6 | 0.65 | 0.6 – 0.7 | yes |")
	require.Contains(t, string(page), "A processor")
	require.NotContains(t, string(page), "<no value>")
	for name, labels := range map[string][]string{
		"shares.svg":             {"product", "by id", "share of the limit (1 = as fast as the limit)", "goal"},
		"cost_over_products.svg": {"Cost by size", "products", "time, ms", "list", "1,000", "20,000", "0.1"},
	} {
		require.Contains(t, string(page), "(performance/"+name+")")
		text, err := os.ReadFile(filepath.Join(dir, "performance", name))
		require.NoError(t, err)
		shown := texts(t, string(text))
		for _, label := range labels {
			require.Contains(t, shown, label, name)
		}
	}
}

// texts gives the texts that an SVG shows.
func texts(t *testing.T, svg string) []string {
	t.Helper()
	var found []string
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			found = append(found, string(text))
		}
	}
}

func TestThePageSaysWhatALimitLeaves(t *testing.T) {
	t.Parallel()
	r := report.Result{Groups: []report.Group{{Rows: []report.Row{
		report.Of("orders.rows", "rows", "÷", nil, []float64{0.125}), report.Skip("postgres.steps", "steps", "÷", nil, "there is no server"),
	}}}}
	page, err := r.Document()
	require.NoError(t, err)
	require.Contains(t, string(page), "come to 0.125 of raw orders")
	require.Contains(t, string(page), "would have 20 % of its time left")
	require.Contains(t, string(page), "come to (not measured) of pgbench's orders")
	require.Contains(t, string(page), "would have an unknown part of its time left")
}
