package report

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of lines and bars: told apart by those who see few colours as well
// (Okabe and Ito 2008), and each line has a mark of its own.
var colors = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {0, 0, 0, 255}, {230, 159, 0, 255}, {86, 180, 233, 255},
}

var marks = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.CrossGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{},
}

// newPlot makes an empty plot. It has a white ground of its own, so that it can
// be read on a dark page as on a light one.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = title
	p.Title.Padding, p.Legend.Padding = vg.Points(8), vg.Points(4)
	for _, s := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 12}
	}
	p.Title.TextStyle.Font.Size = 15
	return p
}

// svg draws a plot.
func svg(p *plot.Plot, width, height vg.Length) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	paint(p, draw.New(canvas))
	var out bytes.Buffer
	_, err := canvas.WriteTo(&out)
	// The face that is asked for is rarely there; any without serifs will do.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")), err
}

// paint draws a plot with some room around it on the same ground.
func paint(p *plot.Plot, on draw.Canvas) {
	on.SetColor(p.BackgroundColor)
	on.Fill(on.Rectangle.Path())
	p.Draw(draw.Crop(on, 8, -16, 8, -8))
}

// SVG draws the chart, both axes logarithmic: what grows like the size is a
// straight line that climbs as the grid does, what does not grow lies flat.
func (c Chart) SVG() ([]byte, error) {
	p, err := c.plot()
	if err != nil {
		return nil, err
	}
	return svg(p, 22*vg.Centimeter, 14*vg.Centimeter)
}

func (c Chart) plot() (*plot.Plot, error) {
	p := newPlot(c.Title)
	p.X.Label.Text, p.Y.Label.Text = c.X, c.Y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = powers{}
	p.Add(plotter.NewGrid())
	p.Legend.Top, p.Legend.Left = true, true
	low, high := 0.0, 0.0
	var sizes plot.ConstantTicks
	for i, l := range c.Lines {
		points := make(plotter.XYs, len(l.X))
		for j := range l.X {
			points[j] = plotter.XY{X: l.X[j], Y: l.Y[j]}
			if i == 0 {
				sizes = append(sizes, plot.Tick{Value: l.X[j], Label: number(l.X[j])})
			}
			if low == 0 || l.Y[j] < low {
				low = l.Y[j]
			}
			high = max(high, l.Y[j])
		}
		line, mark, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.Name, err)
		}
		line.Width = vg.Points(2)
		line.Color, mark.Color = colors[i%len(colors)], colors[i%len(colors)]
		mark.Shape, mark.Radius = marks[i%len(marks)], vg.Points(4)
		p.Add(line, mark)
		if len(c.Lines) > 1 {
			p.Legend.Add(l.Name, line, mark)
		}
	}
	p.X.Tick.Marker = sizes
	p.Y.Min, p.Y.Max = power(low, false), power(high, true)
	return p, nil
}

// power is the power of ten at or below v, or above.
func power(v float64, above bool) float64 {
	if v <= 0 {
		return 1
	}
	ten := 1.0
	for ten > v {
		ten /= 10
	}
	for ten*10 <= v {
		ten *= 10
	}
	if above {
		ten *= 10
	}
	return ten
}

// powers marks the powers of ten with their numbers, and what lies between
// without.
type powers struct{}

func (powers) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for ten := power(low, false); ten <= high*1.001; ten *= 10 {
		for n := 1.0; n < 10; n++ {
			if v := n * ten; v >= low*0.999 && v <= high*1.001 {
				label := ""
				if n == 1 {
					label = number(v)
				}
				ticks = append(ticks, plot.Tick{Value: v, Label: label})
			}
		}
	}
	return ticks
}

// shares are the rows whose figure is a share of a limit, with their short names.
var shares = []struct{ row, name string }{
	{"products.by_id", "product\nby id"}, {"products.list", "list\nof 20"}, {"products.search", "search"},
	{"orders.placed", "orders,\nSQLite"}, {"postgres.placed", "orders,\nPostgreSQL"},
}

// Shares draws what the shop reaches of its limits, with how far rounds lie
// apart and what the goals are; nil where there are none.
func (r *Result) Shares() ([]byte, error) {
	p, err := r.shares()
	if p == nil {
		return nil, err
	}
	return svg(p, 22*vg.Centimeter, 12*vg.Centimeter)
}

func (r *Result) shares() (*plot.Plot, error) {
	p := newPlot("What the shop reaches of the least that could be done")
	p.Y.Label.Text = "share of the limit (1 = as fast as the limit)"
	p.Y.Min = 0
	var names []string
	var bars plotter.Values
	var spread struct {
		plotter.XYs
		plotter.YErrors
	}
	var goals plotter.XYs
	for _, s := range shares {
		row, ok := r.Row(s.row)
		if !ok || row.Skipped != "" {
			continue
		}
		x := float64(len(names))
		names = append(names, s.name)
		bars = append(bars, row.Value)
		spread.XYs = append(spread.XYs, plotter.XY{X: x, Y: row.Value})
		spread.YErrors = append(spread.YErrors, struct{ Low, High float64 }{row.Value - row.Low, row.High - row.Value})
		if row.Goal != nil && row.Goal.AtLeast != nil {
			goals = append(goals, plotter.XY{X: x, Y: *row.Goal.AtLeast})
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	chart, err := plotter.NewBarChart(bars, vg.Points(50))
	if err != nil {
		return nil, err
	}
	chart.Color, chart.LineStyle.Width = colors[6], 0
	whiskers, err := plotter.NewYErrorBars(spread)
	if err != nil {
		return nil, err
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	p.Add(grid, chart, whiskers)
	p.Legend.Add("median of the rounds", chart)
	if len(goals) > 0 {
		marked, err := plotter.NewScatter(goals)
		if err != nil {
			return nil, err
		}
		marked.Shape, marked.Radius, marked.Color = dash{}, vg.Points(30), colors[1]
		p.Add(marked)
		p.Legend.Add("goal", legendLine{marked.Color})
	}
	p.Legend.Top = true
	p.NominalX(names...)
	p.Y.Max = max(p.Y.Max, 0.1) * 1.15
	return p, nil
}

// dash is a short line across.
type dash struct{}

func (dash) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, at vg.Point) {
	c.SetLineStyle(draw.LineStyle{Color: s.Color, Width: vg.Points(3)})
	var path vg.Path
	path.Move(vg.Point{X: at.X - s.Radius, Y: at.Y})
	path.Line(vg.Point{X: at.X + s.Radius, Y: at.Y})
	c.Stroke(path)
}

// legendLine shows a line in the legend.
type legendLine struct{ color color.Color }

func (l legendLine) Thumbnail(c *draw.Canvas) {
	middle := c.Center().Y
	c.StrokeLine2(draw.LineStyle{Color: l.color, Width: vg.Points(3)}, c.Min.X, middle, c.Max.X, middle)
}

// Plots draws everything: SVG by file name.
func (r *Result) Plots() (map[string][]byte, error) {
	plots := map[string][]byte{}
	drawn, err := r.Shares()
	if err != nil {
		return nil, err
	}
	if drawn != nil {
		plots["shares.svg"] = drawn
	}
	for _, g := range r.Groups {
		for _, c := range g.Charts {
			drawn, err := c.SVG()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			plots[strings.ToLower(c.Name)+".svg"] = drawn
		}
	}
	return plots, nil
}
