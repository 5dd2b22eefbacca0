package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// A goal is a line of what we want to reach, with what others do beside it.
type goal struct {
	work    string
	ours    float64
	atLeast bool // else at most
	goal    float64
	peers   peers
	limit   float64
	note    string // beside ours
}

// peers are the figures of pion, usrsctp, dcSCTP and sctp-proto.
type peers [4]float64

var peerNames = []string{"pion", "usrsctp", "dcSCTP", "sctp-proto"}

// line is a figure of each contestant.
type line func(c contestant) float64

// over is the ratio of two lines.
func (x line) over(y line) line {
	return func(c contestant) float64 { return x(c) / y(c) }
}

func kilobytes(s sample) float64  { return s["memory"] / 1e3 }
func goroutines(s sample) float64 { return s["goroutines"] }
func halfWithin(s sample) float64 { return s["q50"] }
func millions(s sample) float64   { return s.perSecond() / 1e6 }
func tenths(s sample) float64     { return math.Round(10*s.allocsEach()) / 10 } // what the runtime does beside does not count

// best is the better one of a line and that with small buffers, where there is one.
func (x line) best(of func(a, b float64) float64) line {
	return func(c contestant) float64 {
		if tight := x(c.tight()); !math.IsNaN(tight) {
			return of(x(c), tight)
		}
		return x(c)
	}
}

// measuredGoals are those about what TestPeers measures.
func measuredGoals(m *measured) []goal {
	at := func(title string, figure func(sample) float64) line {
		return func(c contestant) float64 { return m.median(title, c.name, figure) }
	}
	var (
		none               = math.NaN()
		cost, rate         = at("memory bulk 16 KiB", sample.perGB), at("memory bulk 16 KiB", sample.rate)
		many               = at("memory bulk "+manyStreams, sample.rate).over(rate)
		large              = at("memory bulk 256 KiB", sample.rate).over(rate)
		small              = at("memory bulk 64 B", millions)
		bare, bareRate     = at("memory bulk packets", sample.perGB)(pipeAlone), at("memory bulk packets", sample.rate)(pipeAlone)
		udp, udpRate       = at("udp bulk 16 KiB", sample.perGB), at("udp bulk 16 KiB", sample.rate)
		gso, gsoRate       = at("udp bulk packets", sample.perGB)(gsoUDP), at("udp bulk packets", sample.rate)(gsoUDP)
		ping               = at("udp pingpong 64 B", halfWithin)
		apart              = at("apart pingpong 64 B", halfWithin)
		full, fullRate     = at("full bulk 16 KiB", sample.perGB), at("full bulk 16 KiB", sample.rate)
		cipher             = at("aead bulk packets", sample.perGB)(aead)
		fullPing           = at("full pingpong 64 B", halfWithin)
		allocs, fullAllocs = at("memory bulk 1 KiB", tenths), at("full bulk 1 KiB", tenths)
		keep, count        = at("memory idle idle", kilobytes), at("memory idle idle", goroutines)
		fullKeep, fullCnt  = at("full idle idle", kilobytes), at("full idle idle", goroutines)
	)
	// all are the figures of the peers: those who do such work at all.
	all := func(x line) peers { return peers{x(pionSCTP), x(usrsctpEngine), x(dcSCTP), x(sctpProto)} }
	running := func(x line) peers { return peers{x(pionSCTP), x(usrsctp), none, none} }
	webrtc := func(x line) peers { return peers{x(webrtcs[1]), none, none, none} }
	const atLeast, atMost = true, false
	return []goal{
		{"engine to engine in memory, 16 KiB, CPU-s/GB", cost(ourEngine), atMost, 1.5, all(cost.best(math.Min)), bare, ""},
		{"in memory with goroutines, 16 KiB, CPU-s/GB", cost(ours), atMost, 1.5, running(cost), bare, ""},
		{"engine to engine in memory, 16 KiB, MB/s", rate(ourEngine), atLeast, 800, all(rate.best(math.Max)), bareRate, ""},
		{"engine to engine in memory, 64 B, million messages/s", small(ourEngine), atLeast, 3, all(small.best(math.Max)), none, ""},
		{"engine to engine, 32 streams in parallel relative to one", many(ourEngine), atLeast, 0.95, all(many), 1, ""},
		{"engine to engine, 256 KiB relative to 16 KiB", large(ourEngine), atLeast, 1, all(large), 1, ""},
		{"over loopback UDP, 16 KiB, CPU-s/GB", udp(ours), atMost, 2, running(udp), gso, ""},
		{"over loopback UDP, 16 KiB, MB/s", udpRate(ours), atLeast, 500, running(udpRate), gsoRate, ""},
		{"the whole WebRTC path, 16 KiB, CPU-s/GB", full(ours), atMost, 4, webrtc(full), cipher + gso, ""},
		{"the whole WebRTC path, 16 KiB, MB/s", fullRate(ours), atLeast, 300, webrtc(fullRate), none, ""},
		{"over loopback UDP, 64 B there and back within a process, relative to UDP alone", ping(ours) / ping(plainUDP), atMost, 1.3,
			peers{ping(pionSCTP) / ping(plainUDP), ping(usrsctp) / ping(threadUDP), none, none}, ping(engineUDP) / ping(plainUDP), ""},
		{"the same between two processes, relative to UDP alone", apart(ours) / apart(plainUDP), atMost, 1.3,
			peers{apart(pionSCTP) / apart(plainUDP), apart(usrsctp) / apart(threadUDP), none, none}, none, ""},
		{"the whole WebRTC path, 64 B there and back, microseconds", fullPing(ours), atMost, 50, webrtc(fullPing), none, ""},
		{"in memory, allocations per 1 KiB message, a caller's buffer", allocs(ours), atMost, 0, all(allocs), 0, ""},
		{"the whole WebRTC path, allocations per 1 KiB message", fullAllocs(ours), atMost, 1, webrtc(fullAllocs), 1, ""},
		{"idle association of an Endpoint, KB", keep(endpoints), atMost, 4, all(keep), none, ""},
		{"idle association over a net.Conn, goroutines", count(ours), atMost, 1, running(count), none, ""},
		{"the whole WebRTC path, idle, KB", fullKeep(ours), atMost, 40, webrtc(fullKeep), none, ""},
		{"the whole WebRTC path, idle, goroutines", fullCnt(ours), atMost, 3, webrtc(fullCnt), none, ""},
	}
}

// goals makes the table of them.
func goals(t *testing.T, m *measured) {
	all := slices.Concat(measuredGoals(m), linkGoals(m), browserGoals())
	table(t, goalsTitle, slices.Concat([]string{"sluice", "goal", "reached"}, peerNames, []string{"limit"})...)
	for _, g := range all {
		bound := "at most "
		if g.atLeast {
			bound = "at least "
		}
		cells := []string{short(g.ours) + g.note, bound + fmt.Sprint(g.goal), g.reached()}
		for _, figure := range g.peers {
			cells = append(cells, short(figure))
		}
		row(t, g.work, append(cells, short(g.limit))...)
	}
}

func (g goal) reached() string {
	within := g.ours <= g.goal
	if g.atLeast {
		within = g.ours >= g.goal
	}
	switch {
	case math.IsNaN(g.ours):
		return "not measured"
	case within:
		return "yes"
	}
	return "**no**"
}

// writtenCell returns how to look up a figure, by the beginning of its row's name and
// its column, in a table of RESULTS.md that another command has written.
func writtenCell(title string) func(row string, column int) float64 {
	var rows []tableRow
	if written, err := os.ReadFile("RESULTS.md"); err == nil {
		if table, ok := findTable(string(written), title); ok {
			rows = table.rows
		}
	}
	return func(row string, column int) float64 {
		for _, r := range rows {
			if strings.HasPrefix(r.name, row) && column < len(r.cells) {
				return leading(r.cells[column])
			}
		}
		return math.NaN()
	}
}

// browserGoals are those about browsers, from what `make bench-browsers` has written.
func browserGoals() (all []goal) {
	cell, none := writtenCell(browsersTable), math.NaN()
	for _, way := range []string{"chromium to Go, 64 KiB", "Go to chromium, 64 KiB"} {
		all = append(all, goal{way + ": CPU-s/GB of the Go side", cell(way, 0), false, 5, peers{none, none, none, none}, none, ""})
	}
	return all
}

// linkGoals are those over an emulated link, from what `make bench-net` has written, and
// from what TestPeers has measured of those that are not Go.
func linkGoals(m *measured) []goal {
	const rate = 0.97 * 12.5 // MB/s: what is not header
	written := writtenCell(goodputTitle)
	cell := func(row string, column int) float64 { return written(row, column) / 8 }
	var all []goal
	for _, g := range []struct {
		work   string
		column int
		goal   float64
	}{{"no loss", 0, 11.5}, {"1 % loss", 2, 11}, {"5 % loss", 3, 10}} {
		others := peers{cell("pion", g.column)}
		for i, c := range linkPeers {
			others[i+1] = m.median(linkWorks[g.column].title(), c.name, sample.rate)
		}
		all = append(all, goal{
			"100 Mbit/s, 50 ms, " + g.work + ": goodput with BBR, MB/s", cell("sluice, BBR", g.column), true, g.goal,
			others, rate, fmt.Sprintf(" (CUBIC %s)", short(cell("sluice, CUBIC", g.column))),
		})
	}
	return all
}
