package bench

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// A picture is panels side by side, as SVG that needs no fonts and no scripts and can be
// read on light and dark pages alike.
type picture struct {
	title  string
	panels []panel
}

// A panel has lines over categories, which are equally far apart. The scale is logarithmic,
// and the same for all panels of a picture.
type panel struct {
	title, unit string
	categories  []string
	lines       []curve
}

// A curve is a named line; NaN is a gap.
type curve struct {
	name   string
	values []float64
}

// Sizes of a picture, in its own units.
const (
	titleLetter = 8 // wide, at most
	panelWidth  = 330
	plotWidth   = 270
	plotHeight  = 220
	marginLeft  = 46
	marginTop   = 62
	legendLine  = 16
	categoryLab = 20
)

// style is that of every picture. The colours of the lines are those of stacks: see lineClass.
const style = `<style>
text { font: 11px sans-serif; fill: #24292f }
.title { font-size: 14px; font-weight: bold }
.panel { font-size: 12px; font-weight: bold }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
.ours { stroke: #0969da; stroke-width: 3 }
.engine { stroke: #0969da; stroke-width: 2; stroke-dasharray: 7 3 }
.light { stroke: #54aeff }
.pion { stroke: #d1242f }
.usrsctp { stroke: #1a7f37 }
.uengine { stroke: #1a7f37; stroke-dasharray: 7 3 }
.dcsctp { stroke: #8250df; stroke-dasharray: 7 3 }
.proto { stroke: #bf8700; stroke-dasharray: 7 3 }
.limit { stroke: #8c959f; stroke-dasharray: 2 3 }
.second { stroke: #8c959f }
.third { stroke: #8c959f; stroke-dasharray: 9 3 2 3 }
.dot { stroke-width: 2; stroke-dasharray: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.grid { stroke: #373e47 }
.ours, .engine { stroke: #58a6ff }
.light { stroke: #a5d6ff }
.pion { stroke: #ff7b72 }
.usrsctp, .uengine { stroke: #3fb950 }
.dcsctp { stroke: #bc8cff }
.proto { stroke: #e3b341 }
}
</style>
`

// lineClass is the style of a line by the name of its stack.
func lineClass(name string) string {
	for _, c := range []struct{ has, class string }{
		{"sluice, engine", "engine"}, {"sluice, a packet", "light"}, {"dcSCTP", "dcsctp"}, {"sctp-proto", "proto"}, {"pion", "pion"},
		{"usrsctp, engine", "uengine"}, {"usrsctp", "usrsctp"}, {"threads", "second"}, {"GSO", "second"}, {"our sockets", "third"}, {"alone", "limit"},
		{"predicts", "limit"}, {"allows", "third"}, {"Reno", "light"}, {"CUBIC", "engine"},
	} {
		if strings.Contains(name, c.has) {
			return c.class
		}
	}
	return "ours"
}

// svg returns the picture.
func (p picture) svg() string {
	legend := 0
	for _, n := range p.panels {
		legend = max(legend, len(n.lines))
	}
	title := p.title + " (log)"
	width := max(panelWidth*len(p.panels)+10, titleLetter*len(title)+20)
	height := marginTop + plotHeight + categoryLab + legend*legendLine + 20
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n%s", html.EscapeString(p.title), style)
	text(&b, "title", 10, 20, "start", title)
	s := p.scale()
	for i, n := range p.panels {
		n.draw(&b, s, 10+i*panelWidth)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func text(b *strings.Builder, class string, x, y float64, anchor, s string) {
	fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(s))
}

// scale maps figures to heights.
type scale struct{ low, high float64 } // logarithms, base 10

func (s scale) y(x float64) float64 {
	return marginTop + plotHeight*(1-(math.Log10(x)-s.low)/(s.high-s.low))
}

// scale finds one with room for all that is drawn.
func (p picture) scale() scale {
	s := scale{math.Inf(1), math.Inf(-1)}
	for _, n := range p.panels {
		for _, l := range n.lines {
			for _, v := range l.values {
				if v > 0 { // not NaN
					s.low, s.high = min(s.low, math.Log10(v)), max(s.high, math.Log10(v))
				}
			}
		}
	}
	return scale{s.low - 0.05, max(s.high, s.low+0.3) + 0.05}
}

// ticks are where the scale has lines: 1, 2 and 5 of each decade, or 1 if that is many.
func (s scale) ticks() (ticks []float64) {
	mantissas := []float64{1, 2, 5}
	if s.high-s.low > 2.2 {
		mantissas = mantissas[:1]
	}
	for decade := math.Floor(s.low); decade <= s.high; decade++ {
		for _, m := range mantissas {
			if v := m * math.Pow(10, decade); math.Log10(v) >= s.low && math.Log10(v) <= s.high {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

func (n panel) draw(b *strings.Builder, s scale, left int) {
	x0 := float64(left + marginLeft)
	text(b, "panel", float64(left), 46, "start", n.title+", "+n.unit)
	for _, v := range s.ticks() {
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", x0, s.y(v), x0+plotWidth, s.y(v))
		text(b, "", x0-6, s.y(v)+4, "end", fmt.Sprintf("%g", v))
	}
	at := func(i int) float64 {
		return x0 + plotWidth*(float64(i)+0.5)/float64(len(n.categories))
	}
	for i, c := range n.categories {
		text(b, "", at(i), marginTop+plotHeight+14, "middle", c)
	}
	for k, l := range n.lines {
		class := lineClass(l.name)
		var points []string
		flush := func() {
			if len(points) > 0 {
				fmt.Fprintf(b, `<polyline class="line %s" points="%s"/>`+"\n", class, strings.Join(points, " "))
			}
			points = nil
		}
		for i, v := range l.values {
			if !(v > 0) {
				flush()
				continue
			}
			points = append(points, fmt.Sprintf("%.1f,%.1f", at(i), s.y(v)))
			fmt.Fprintf(b, `<circle class="line %s dot" cx="%.1f" cy="%.1f" r="1"/>`+"\n", class, at(i), s.y(v))
		}
		flush()
		y := float64(marginTop + plotHeight + categoryLab + legendLine*(k+1))
		fmt.Fprintf(b, `<line class="line %s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, x0, y-4, x0+28, y-4)
		text(b, "", x0+36, y, "start", l.name)
	}
}
