package bench

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// netNames are how rows name the argument NET; titles do with a capital (wheres).
var netNames = map[string]string{"memory": "in memory", "udp": "over loopback UDP", "full": "the whole WebRTC path"}

// peerTables makes the tables of what was measured.
func peerTables(t *testing.T, m *measured) {
	for i, net := range []string{"memory", "udp", "full"} {
		bulkTables(t, m, net, wheres[i])
	}
	latencyTable(t, m)
	apartTable(t, m)
	setUpTable(t, m)
	serverTable(t, m)
	allocationTable(t, m)
	idleTable(t, m)
	oneCoreTable(t, m)
	linkTable(t, m)
}

// halves are the contestants over a net, of which the first of each half is ours.
func halves(net string) [][]contestant {
	switch net {
	case "memory":
		return [][]contestant{drivers, engines}
	case "full":
		return [][]contestant{webrtcs}
	default:
		return [][]contestant{drivers}
	}
}

// bulkHalves are those of messages one way.
func bulkHalves(net string) [][]contestant {
	all := halves(net)
	if net == "memory" {
		all[0] = slices.Insert(slices.Clone(all[0]), 1, singles)
		all = append(all, tights)
	}
	return all
}

// limits are what the machine can do, over a net.
func limits(net string) (title string, of []contestant) {
	switch net {
	case "memory":
		return "memory bulk packets", []contestant{pipeAlone}
	case "udp":
		return "udp bulk packets", []contestant{plainUDP, gsoUDP}
	default:
		return "aead bulk packets", []contestant{aead}
	}
}

// bulkTables: messages one way. The same columns three times.
func bulkTables(t *testing.T, m *measured, net, where string) {
	var columns []string
	for _, s := range sizes {
		columns = append(columns, s.name)
	}
	if net == "memory" {
		columns = append(columns, manyStreams)
	}
	for _, kind := range []struct {
		name   string
		figure func(sample) float64
	}{{rateUnit, sample.rate}, {costUnit, sample.perGB}} {
		table(t, oneWay(where, kind.name), columns...)
		for _, half := range bulkHalves(net) {
			for _, c := range half {
				var cells []string
				for _, column := range columns {
					title := net + " bulk " + column
					if kind.name == rateUnit {
						cells = append(cells, m.cell(title, c.name, kind.figure))
					} else {
						cells = append(cells, m.ratio(title, c.name, half[0].name, kind.figure))
					}
				}
				row(t, c.name, cells...)
			}
		}
		title, of := limits(net)
		for _, c := range of {
			cells := make([]string, len(columns))
			cells[2] = m.cell(title, c.name, kind.figure) // packets: size means nothing to them
			row(t, c.name, cells...)
		}
	}
	table(t, oneWay(where, "thousand messages/s"), "64 B", "1 KiB")
	for _, c := range slices.Concat(bulkHalves(net)...) {
		thousands := func(s sample) float64 { return s.perSecond() / 1e3 }
		row(t, c.name, m.cell(net+" bulk 64 B", c.name, thousands), m.cell(net+" bulk 1 KiB", c.name, thousands))
	}
}

var quantileNames = []string{"q10", "q25", "q50", "q75", "q90", "q95", "q99", "q999"}

// latencyTable: ping-pong, its distribution.
func latencyTable(t *testing.T, m *measured) {
	table(t, latencyTitle, "10 %", "25 %", "50 %", "75 %", "90 %", "95 %", "99 %", "99.9 %")
	line := func(title string, c contestant, name string) {
		var cells []string
		for _, q := range quantileNames {
			cells = append(cells, m.cell(title, c.name, func(s sample) float64 { return s.figure(q) }))
		}
		row(t, name, cells...)
	}
	for _, c := range slices.Concat(drivers, engines) {
		line("memory pingpong 64 B", c, c.name+", in memory")
	}
	for _, c := range slices.Concat(drivers, []contestant{engineUDP, bareUDP, plainUDP, threadUDP}) {
		line("udp pingpong 64 B", c, c.name+", UDP")
	}
	for _, c := range webrtcs {
		line("full pingpong 64 B", c, c.name+", the whole path")
	}
	for _, c := range slices.Concat(drivers, []contestant{plainUDP}) {
		line("udp pingpong 64 B on one core", c, c.name+", UDP, one core")
	}
}

// pingPongFloor says what the goal for a message there and back within one process leaves for a driver, if that is
// less than nothing but for what sockets and engine take.
func pingPongFloor(m *measured) string {
	const within, apart, goal = "udp pingpong 64 B", "apart pingpong 64 B on one core", 1.3
	half := func(title string, c contestant) float64 { return m.median(title, c.name, halfWithin) }
	driven, raw, sockets, undriven := half(within, ours), half(within, plainUDP), half(within, bareUDP), half(within, engineUDP)
	engine := half("memory pingpong 64 B", ourEngine)
	between := half(apart, ours) / half(apart, plainUDP)
	if !(undriven > goal*raw) || math.IsNaN(driven+sockets+engine+between) {
		return ""
	}
	return fmt.Sprintf(`
Within one process 64 bytes there and back at %g times what UDP alone takes would be %s us, of which our sockets take %s and the engine in
memory %s: that leaves %.2f for all else, and the engine over those sockets takes %s (%s times) even without any driver. With it a
message takes %s us (%s times), and between two processes on one core, where waiting costs everybody as much as it does in life, %s times.
`, goal, short(goal*raw), short(sockets), short(engine), goal*raw-sockets-engine, short(undriven), short(undriven/raw), short(driven), short(driven/raw), short(between))
}

// apartTable: ping-pong between two processes.
func apartTable(t *testing.T, m *measured) {
	columns := []string{"10 %", "25 %", "50 %", "75 %", "90 %", "95 %", "99 %", "99.9 %", "50 %, of UDP a packet at a time", "CPU time, both"}
	table(t, "There and back between two processes over UDP, 64 bytes, in microseconds: so many within", columns...)
	for _, title := range []string{"apart pingpong 64 B", "apart pingpong 64 B on one core"} {
		for _, c := range aparts {
			var cells []string
			for _, q := range quantileNames {
				cells = append(cells, m.cell(title, c.name, func(s sample) float64 { return s.figure(q) }))
			}
			cells = append(cells, short(m.median(title, c.name, halfWithin)/m.median(title, plainUDP.name, halfWithin)),
				m.cell(title, c.name, func(s sample) float64 { return s["cpu"] * 1e6 / s["messages"] }))
			_, core, _ := strings.Cut(title, " on ")
			row(t, strings.TrimSuffix(c.name+", "+core, ", "), cells...)
		}
	}
}

// setUps are those that set up connections: also without a handshake or with little collecting of garbage, and sockets with nothing above them.
func setUps(net string) []contestant {
	all := slices.Concat(halves(net)...)
	switch net {
	case "memory":
		all = append(all, roomy, snap)
	case "udp":
		all = append(all, plainUDP)
	}
	return all
}

// setUpTable: connections.
func setUpTable(t *testing.T, m *measured) {
	table(t, "Setting up a connection, in microseconds", "half within", "99 % within", "CPU time, both ends")
	for _, net := range []string{"memory", "udp", "full"} {
		for _, c := range setUps(net) {
			title := net + " setup set-up"
			row(t, c.name+", "+netNames[net],
				m.cell(title, c.name, func(s sample) float64 { return s.figure("q50") }),
				m.cell(title, c.name, func(s sample) float64 { return s.figure("q99") }),
				m.cell(title, c.name, func(s sample) float64 { return s["cpu"] * 1e6 / s["messages"] }))
		}
	}
}

// serverTable: the same as a server sees it.
func serverTable(t *testing.T, m *measured) {
	table(t, "A server that sets up connections over the whole WebRTC path on one UDP port, 32 clients at a time in a process of their own",
		"a second, beside the clients", "CPU time of the server, microseconds", "memory of its process at most, MB")
	const title = "full serve server"
	for _, c := range webrtcs {
		row(t, c.name, m.cell(title, c.name, sample.perSecond),
			m.cell(title, c.name, func(s sample) float64 { return s["cpu"] * 1e6 / s["messages"] }),
			m.cell(title, c.name, func(s sample) float64 { return s["memory"] / 1e6 }))
	}
}

// allocationTable: of the heap, by whatever language's means.
func allocationTable(t *testing.T, m *measured) {
	table(t, "Allocations per message, both ends", "64 B", "1 KiB", "64 KiB")
	for _, net := range []string{"memory", "udp", "full"} {
		for _, c := range slices.Concat(halves(net)...) {
			var cells []string
			for _, size := range []string{"64 B", "1 KiB", "64 KiB"} {
				cells = append(cells, m.cell(net+" bulk "+size, c.name, sample.allocsEach))
			}
			row(t, c.name+", "+netNames[net], cells...)
		}
	}
}

// idleTable: what a connection keeps at each end.
func idleTable(t *testing.T, m *measured) {
	table(t, "Idle: what each end keeps (of Go heap and stacks, else what the process has more)", "KB", "goroutines or threads")
	line := func(title, name string, c contestant) {
		row(t, name, m.cell(title, c.name, func(s sample) float64 { return s["memory"] / 1e3 }),
			m.cell(title, c.name, func(s sample) float64 { return s.figure("goroutines") }))
	}
	for _, c := range slices.Concat(drivers, engines, []contestant{endpoints}) {
		line("memory idle idle", c.name, c)
	}
	for _, c := range []contestant{listener, pionSCTP, usrsctp} {
		line("udp idle idle", c.name+", over UDP", c)
	}
	for _, c := range webrtcs {
		line("full idle idle", c.name+", the whole path", c)
	}
}

// oneCoreTable: everything on one core.
func oneCoreTable(t *testing.T, m *measured) {
	table(t, "One core only", "1 KiB: MB/s", "CPU-s/GB", "16 KiB: MB/s", "CPU-s/GB")
	for _, net := range []string{"memory", "udp", "full"} {
		for _, half := range halves(net) {
			for _, c := range half {
				small, large := net+" bulk 1 KiB on one core", net+" bulk 16 KiB on one core"
				row(t, c.name+", "+netNames[net],
					m.cell(small, c.name, sample.rate), m.ratio(small, c.name, half[0].name, sample.perGB),
					m.cell(large, c.name, sample.rate), m.ratio(large, c.name, half[0].name, sample.perGB))
			}
		}
	}
}

// linkTable: the emulated link, for those that are not in the table of bench-net.
func linkTable(t *testing.T, m *measured) {
	var columns []string
	for _, w := range linkWorks {
		columns = append(columns, w.name)
	}
	table(t, linkTitle, columns...)
	for _, c := range linkPeers {
		var cells []string
		for _, w := range linkWorks {
			cells = append(cells, m.cell(w.title(), c.name, func(s sample) float64 { return 8 * s.rate() }))
		}
		row(t, c.name, cells...)
	}
}

// failures says what could not be measured, and why, beyond the programs that are not
// here at all.
func failures(t *testing.T, m *measured) {
	var all []string
	for k, err := range m.errors {
		if errors.As(err, new(*missingError)) {
			continue
		}
		all = append(all, fmt.Sprintf("- %s: %s", k, strings.Join(strings.Fields(err.Error()), " ")))
	}
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	fmt.Fprintf(current, "\n### Not measured\n\n%s\n", strings.Join(all, "\n"))
	t.Log(strings.Join(all, "\n"))
}
