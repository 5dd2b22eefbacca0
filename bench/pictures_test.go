package bench

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// Titles of tables that are read back.
const (
	goodputTitle = "Goodput in Mbit/s, in 30 s after connecting, with the buffers that sluice has by default, 2 MiB"
	linkTitle    = "100 Mbit/s, 50 ms, queue of 250 KB, by random loss: goodput in Mbit/s, in 30 s after connecting"
	latencyTitle = "There and back, 64 bytes, in microseconds: so many within"
	goalsTitle   = "Goals"
	rateUnit     = "MB/s"
	costUnit     = "CPU-s/GB"
)

// oneWay is the title of a table of messages one way.
func oneWay(where, unit string) string { return where + ", one way: " + unit }

// wheres are the nets of those tables, in their order.
var wheres = []string{"In memory", "Over loopback UDP", "The whole WebRTC path"}

// pictures are those that can be drawn from results, by file name.
func pictures(results string) map[string]string {
	all := make(map[string]string)
	add := func(file string, p picture) {
		for _, n := range p.panels {
			if len(n.lines) == 0 {
				return
			}
		}
		all[file] = p.svg()
	}
	add("throughput.svg", picture{"Throughput by size of messages: more is better", bySize(results, rateUnit)})
	add("cpu.svg", picture{"CPU time by size of messages, both ends: less is better", bySize(results, costUnit)})
	add("latency.svg", picture{"64 bytes there and back: so many are back within", byQuantile(results)})
	add("goodput.svg", picture{"Goodput by random loss: more is better", byLoss(results)})
	return all
}

// bySize are panels of messages one way.
func bySize(results, unit string) (panels []panel) {
	const sizes = 5 // columns; one for many streams may follow
	for _, where := range wheres {
		t, _ := findTable(results, oneWay(where, unit))
		n := panel{title: where, unit: unit}
		n.categories = t.columns[:min(sizes, len(t.columns))]
		for _, r := range t.rows {
			if !strings.Contains(r.name, "buffers") { // some of the same with others
				n.add(r.name, r.cells[:min(sizes, len(r.cells))])
			}
		}
		panels = append(panels, n)
	}
	return panels
}

// add adds a line, unless there is nothing of it. One figure in a row that is nothing but
// that is a limit, the same for all sizes.
func (n *panel) add(name string, cells []string) {
	values, some, last := make([]float64, len(cells)), 0, 0.0
	for i, c := range cells {
		if values[i] = leading(c); !math.IsNaN(values[i]) {
			some, last = some+1, values[i]
		}
	}
	if some == 1 {
		for i := range values {
			values[i] = last
		}
	}
	if some > 0 {
		n.lines = append(n.lines, curve{name, values})
	}
}

// byQuantile are panels of the distribution of latencies.
func byQuantile(results string) (panels []panel) {
	t, _ := findTable(results, latencyTitle)
	for _, p := range []struct{ title, suffix string }{
		{wheres[0], ", in memory"}, {wheres[1], ", UDP"}, {wheres[2], ", the whole path"},
	} {
		n := panel{title: p.title, unit: "us"}
		for _, c := range t.columns {
			n.categories = append(n.categories, strings.ReplaceAll(c, " ", "")) // else they run into each other
		}
		for _, r := range t.rows {
			if name, ok := strings.CutSuffix(r.name, p.suffix); ok {
				n.add(name, r.cells)
			}
		}
		panels = append(panels, n)
	}
	return panels
}

// byLoss is a panel of the goodput of each congestion control.
func byLoss(results string) []panel {
	n := panel{title: "100 Mbit/s, 50 ms, queue of 250 KB", unit: "Mbit/s", categories: []string{"no loss", "0.1 %", "1 %", "5 %"}}
	for _, title := range []string{goodputTitle, linkTitle} {
		t, _ := findTable(results, title)
		for _, r := range t.rows {
			n.add(r.name, r.cells[:min(len(n.categories), len(r.cells))])
		}
	}
	return []panel{n}
}

// readmeRows are the goals in README.md.
var readmeRows = []string{
	"engine to engine in memory, 16 KiB, CPU-s/GB",
	"in memory with goroutines, 16 KiB, CPU-s/GB",
	"over loopback UDP, 16 KiB, CPU-s/GB",
	"over loopback UDP, 16 KiB, MB/s",
	"over loopback UDP, 64 B there and back within a process, relative to UDP alone",
	"the same between two processes, relative to UDP alone",
	"idle association of an Endpoint, KB",
	"the whole WebRTC path, 16 KiB, CPU-s/GB",
	"the whole WebRTC path, 16 KiB, MB/s",
	"the whole WebRTC path, 64 B there and back, microseconds",
	"the whole WebRTC path, allocations per 1 KiB message",
	"the whole WebRTC path, idle, KB",
	"the whole WebRTC path, idle, goroutines",
	"100 Mbit/s, 50 ms, 1 % loss: goodput with BBR, MB/s",
}

// readmeTable is the short table of README.md: some of the goals, with what the peers do.
func readmeTable(results string) string {
	t, ok := findTable(results, goalsTitle)
	if !ok {
		return ""
	}
	var b strings.Builder
	columns := []int{slices.Index(t.columns, "sluice")}
	head := "| both ends, on one machine of two cores | sluice |"
	for _, peer := range []string{"pion", "usrsctp", "dcSCTP", "sctp-proto"} {
		if i := slices.Index(t.columns, peer); i >= 0 {
			columns, head = append(columns, i), head+" "+peer+" |"
		}
	}
	b.WriteString(head + "\n|---" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, r := range t.rows {
		if slices.Contains(readmeRows, r.name) && len(r.cells) == len(t.columns) {
			fmt.Fprintf(&b, "| %s |", r.name)
			for _, i := range columns {
				fmt.Fprintf(&b, " %s |", r.cells[i])
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// What stands between these lines in README.md is the table.
const (
	readmePath  = "../README.md"
	readmeBegin = "<!-- from bench/RESULTS.md, by make bench-peers -->\n"
	readmeEnd   = "<!-- end -->\n"
)

// inReadme returns README.md with the table in its place.
func inReadme(readme, table string) (string, error) {
	before, rest, ok := strings.Cut(readme, readmeBegin)
	_, after, ok2 := strings.Cut(rest, readmeEnd)
	if !ok || !ok2 {
		return "", errors.New("README.md has no place for the table")
	}
	return before + readmeBegin + table + readmeEnd + after, nil
}

// illustrate draws what follows from results: the pictures and the table of README.md.
func illustrate(results string) error {
	for file, svg := range pictures(results) {
		if err := os.WriteFile(file, []byte(svg), 0o644); err != nil {
			return err
		}
	}
	table := readmeTable(results)
	if table == "" {
		return nil
	}
	readme, err := os.ReadFile(readmePath)
	if err != nil {
		return err
	}
	changed, err := inReadme(string(readme), table)
	if err != nil {
		return err
	}
	return os.WriteFile(readmePath, []byte(changed), 0o644)
}

// TestPictures: pictures and README.md say what RESULTS.md says. With -write
// they are drawn anew.
func TestPictures(t *testing.T) {
	results, err := os.ReadFile("RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	if *write {
		return // TestMain draws them
	}
	for file, svg := range pictures(string(results)) {
		if drawn, err := os.ReadFile(file); err != nil || string(drawn) != svg {
			t.Errorf("%s is not drawn from RESULTS.md (go test -run TestPictures -write): %v", file, err)
		}
	}
	readme, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	if table := readmeTable(string(results)); table != "" && !strings.Contains(string(readme), readmeBegin+table+readmeEnd) {
		t.Error("the table in README.md is not that of RESULTS.md (go test -run TestPictures -write)")
	}
}
