package bench

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

var (
	quick   = flag.Bool("quick", false, "TestPeers measures once, for 0.3 s, what it else measures several times")
	onlyRun = flag.String("works", "", "TestPeers measures only the works whose names match this regular expression")
)

const (
	peersTitle   = "Peers"
	peersPreface = `Written by ` + "`make bench-peers`" + `. Each measurement is a process of its own with both ends in it; what is compared
is measured in turn, several times, and each figure is the median. CPU-s/GB is the user and kernel time of the process for
10^9 bytes of payload, both ends; MB are 10^6 bytes. In brackets: how many times ours, in the same part of the table. CPU time
is to be trusted more than MB/s, which depend on what else the machine does. Every message is checked when it arrives.

SCTP packets have 1200 bytes and checksums, buffers 1 MiB, which the sender keeps filled; heartbeats, timers and the rest are
each stack's own. What the rows are:

- sluice, pion/sctp and usrsctp (Debian's release; its development branch has been seen to be faster by a quarter) run as applications use
  them, on goroutines or threads, over loopback UDP or a pipe in memory. That one ours may give several packets at a time (BatchWriter,
  BatchReader); "a packet at a time" it may not.
- "Engine" is a stack alone: both ends on one thread, packets handed over by the benchmark, and the time skipped in which both would
  wait. pion/sctp cannot be had so. (The crate dcsctp writes each packet out as text before it asks whether there is a log, in nine
  tenths of its time; here it asks first.) The less waits in its buffers the faster are some: so they are there with smaller ones, too.
- The whole path is offer and answer, ICE with host candidates on loopback, DTLS and one channel, everything as each stack does it by
  default.
- Setting up with SNAP takes no packets: each end is given the other's token. The row with GOGC=1000 shows what collecting the garbage costs of
  associations that are thrown away at once. UDP alone is two sockets made, used for four packets and closed.
- Over the emulated link is what is not written in Go, usrsctp in real time and the crates in virtual time, with buffers of 512 KiB: with
  1 MiB they fill the queue until much is lost at once, and are slower. sluice and pion/sctp are in the section before.

In the goals, the figure of a peer is the better one where there are several. pion's is that with goroutines also where engines are
compared: the line with goroutines is the one to compare it with. Goodput is that with the buffers that sluice has by default, of pion, too.

Of a message there and back over UDP there is also what it takes without our driver: associations over our sockets, without locks, timers,
or an Endpoint to find them; and the sockets alone, of Go or, for usrsctp, of threads. It matters whether both ends are in one process: one
that waits for an answer sleeps, and is woken by the system, while in one process of Go the goroutine of the other end goes on in its place.
So there is a table of two processes, of which one measures; CPU time there is of both.

![Throughput](throughput.svg)
![CPU time](cpu.svg)
![Latency](latency.svg)
![Goodput](goodput.svg)
`
)

// A contestant is what is compared, under one name.
type contestant struct {
	name    string
	program string // "peer", "usrsctp" or "rust"
	stack   string // its argument STACK
	buffer  int    // of each end, bytes; 0: bufferSize of the programs
}

// tight is a contestant with buffers of 64 KiB, with which less of what waits has to be looked after.
func (c contestant) tight() contestant {
	c.name += ", buffers of 64 KiB"
	c.buffer = 64 << 10
	return c
}

// Those over one kind of net. The first of each half is ours: the one that the ratios
// of its half refer to.
var (
	engines = []contestant{ourEngine, usrsctpEngine, dcSCTP, sctpProto}
	tights  = []contestant{ourEngine.tight(), usrsctpEngine.tight(), dcSCTP.tight(), sctpProto.tight()}
	drivers = []contestant{ours, pionSCTP, usrsctp}
	webrtcs = []contestant{ours, {"pion/webrtc", "peer", "pion", 0}}

	ours          = contestant{"sluice", "peer", "sluice", 0}
	pionSCTP      = contestant{"pion/sctp", "peer", "pion", 0}
	usrsctp       = contestant{"usrsctp", "usrsctp", "usrsctp", 0}
	ourEngine     = contestant{"sluice, engine", "peer", "engine", 0}
	usrsctpEngine = contestant{"usrsctp, engine", "usrsctp", "engine", 0}
	dcSCTP        = contestant{"dcSCTP (crate), engine", "rust", "dcsctp", 0}
	sctpProto     = contestant{"sctp-proto, engine", "rust", "sctp-proto", 0}

	singles   = contestant{"sluice, a packet at a time", "peer", "single", 0}
	pipeAlone = contestant{"packets through the pipe alone", "peer", "raw", 0}
	plainUDP  = contestant{"UDP alone, a packet at a time", "peer", "raw", 0}
	bareUDP   = contestant{"UDP alone, through our sockets", "peer", "bare", 0}
	engineUDP = contestant{"sluice, engine, without driver", "peer", "engine", 0}
	gsoUDP    = contestant{"UDP alone, GSO and GRO", "peer", "gso", 0}
	aead      = contestant{"AES-128-GCM alone", "peer", "raw", 0}
	threadUDP = contestant{"UDP alone, threads", "usrsctp", "raw", 0}
	roomy     = contestant{"sluice, engine, GOGC=1000", "peer", "roomy", 0}
	snap      = contestant{"sluice, engine, SNAP", "peer", "snap", 0}
	endpoints = contestant{"sluice, Endpoint", "peer", "endpoint", 0}
	listener  = contestant{"sluice, Listener", "peer", "sluice", 0}

	aparts = slices.Concat(drivers, []contestant{bareUDP, plainUDP, threadUDP}) // each end a process of its own
)

// A work is measured with each of its contestants.
type work struct {
	name        string // in columns and rows
	net         string // the programs' argument NET
	kind        string // and WORK
	args        []string
	pinned      bool // to one core
	contestants []contestant
}

// sizes are those of messages.
var sizes = []struct {
	name string
	arg  string
}{{"64 B", "size=64"}, {"1 KiB", "size=1024"}, {"16 KiB", "size=16384"}, {"64 KiB", "size=65536"}, {"256 KiB", "size=262144"}}

const manyStreams = "32 streams of 16 KiB"

// linkPeers are those that bench-net cannot run, over the same link: usrsctp in real time, the engines in
// virtual time. They have the buffers with which they are fastest there: with larger ones they fill the queue
// of the link until much is lost at once.
var linkPeers = []contestant{linked(usrsctp), linked(dcSCTP), linked(sctpProto)}

func linked(c contestant) contestant {
	c.buffer = 512 << 10
	return c
}

// linkWorks are by loss, as the columns of bench-net's table.
var linkWorks = []work{
	{"no loss", "link", "bulk", []string{"size=16384"}, false, linkPeers},
	{"0.1 % loss", "link", "bulk", []string{"size=16384", "loss=0.001"}, false, linkPeers},
	{"1 % loss", "link", "bulk", []string{"size=16384", "loss=0.01"}, false, linkPeers},
	{"5 % loss", "link", "bulk", []string{"size=16384", "loss=0.05"}, false, linkPeers},
}

// works returns all that is measured.
func works() []work {
	all := slices.Concat(drivers, engines)
	var w []work
	memory := slices.Concat(drivers, []contestant{singles}, engines)
	for i, s := range sizes {
		of := memory
		if i < 3 { // more does not fit into the smaller buffers
			of = slices.Concat(of, tights)
		}
		w = append(w, work{s.name, "memory", "bulk", []string{s.arg}, false, of})
	}
	w = append(w, work{manyStreams, "memory", "bulk", []string{"size=16384", "streams=32"}, false, memory})
	w = append(w, work{"packets", "memory", "bulk", nil, false, []contestant{pipeAlone}})
	for _, s := range sizes {
		w = append(w, work{s.name, "udp", "bulk", []string{s.arg}, false, drivers})
	}
	w = append(w, work{"packets", "udp", "bulk", nil, false, []contestant{plainUDP, gsoUDP}})
	for _, s := range sizes {
		w = append(w, work{s.name, "full", "bulk", []string{s.arg}, false, webrtcs})
	}
	w = append(w, work{"packets", "aead", "bulk", nil, false, []contestant{aead}})

	w = append(w, work{"64 B", "memory", "pingpong", nil, false, all})
	w = append(w, work{"64 B", "udp", "pingpong", nil, false, slices.Concat(drivers, []contestant{engineUDP, bareUDP, plainUDP, threadUDP})})
	w = append(w, work{"64 B", "full", "pingpong", nil, false, webrtcs})

	for _, net := range []string{"memory", "udp", "full"} {
		w = append(w, work{"set-up", net, "setup", nil, false, setUps(net)})
	}
	w = append(w, work{"server", "full", "serve", []string{"count=32"}, false, webrtcs})

	many := []string{"count=1000"}
	w = append(w, work{"idle", "memory", "idle", many, false, slices.Concat(all, []contestant{endpoints})})
	w = append(w, work{"idle", "udp", "idle", many, false, []contestant{listener, pionSCTP, usrsctp}})
	w = append(w, work{"idle", "full", "idle", []string{"count=100", "settle=6"}, false, webrtcs}) // ICE goes on for some seconds

	for _, s := range sizes[1:3] {
		w = append(w, work{s.name, "memory", "bulk", []string{s.arg}, true, all})
		w = append(w, work{s.name, "udp", "bulk", []string{s.arg}, true, drivers})
		w = append(w, work{s.name, "full", "bulk", []string{s.arg}, true, webrtcs})
	}
	w = append(w, work{"64 B", "udp", "pingpong", nil, true, slices.Concat(drivers, []contestant{plainUDP})})
	for _, pinned := range []bool{false, true} {
		w = append(w, work{"64 B", "apart", "pingpong", nil, pinned, aparts})
	}
	return w
}

func (w work) title() string {
	title := w.net + " " + w.kind + " " + w.name
	if w.pinned {
		title += " on one core"
	}
	return title
}

// A sample is the line that a program printed.
type sample map[string]float64

// perGB, rate and the others are what tables show.
func (s sample) perGB() float64      { return s["cpu"] * 1e9 / s["bytes"] }
func (s sample) rate() float64       { return s["bytes"] / 1e6 / s["seconds"] }
func (s sample) perSecond() float64  { return s["messages"] / s["seconds"] }
func (s sample) allocsEach() float64 { return s.figure("allocations") / s["messages"] }

func (s sample) figure(name string) float64 {
	if x, ok := s[name]; ok {
		return x
	}
	return math.NaN()
}

// measured are the samples of each work and contestant, and why some are missing.
type measured struct {
	samples map[string][]sample
	errors  map[string]error
}

func key(title, contestant string) string { return title + ": " + contestant }

// measureAll runs the works, each with its contestants in turn.
func measureAll(t *testing.T, p *programs, all []work) *measured {
	m := &measured{samples: make(map[string][]sample), errors: make(map[string]error)}
	rounds, seconds := 3, 1.0
	if *quick {
		rounds, seconds = 1, 0.3
	}
	only := regexp.MustCompile(*onlyRun)
	for _, w := range all {
		if !only.MatchString(w.title()) {
			continue
		}
		begin := time.Now()
		rounds := rounds
		switch {
		case w.kind == "idle":
			rounds = 1 // nothing varies
		case w.net == "apart":
			rounds = 2*rounds - 1 // where the system puts the processes does
		}
		for range rounds {
			for _, c := range w.contestants {
				k := key(w.title(), c.name)
				if m.errors[k] != nil {
					continue // once is enough
				}
				s, err := p.run(c, w, seconds)
				if err != nil {
					m.errors[k] = err
					t.Logf("%s: %v", k, err)
					continue
				}
				m.samples[k] = append(m.samples[k], s)
			}
		}
		t.Logf("%s: %.1f s", w.title(), time.Since(begin).Seconds())
	}
	return m
}

// measureLink runs the works over the link: those in real time all at the same time, as they mostly wait, and
// those in virtual time before, so that they disturb nobody.
func (m *measured) measureLink(t *testing.T, p *programs) {
	only, seconds := regexp.MustCompile(*onlyRun), 30.0
	if *quick {
		seconds = 3
	}
	var (
		running sync.WaitGroup
		lock    sync.Mutex
	)
	run := func(c contestant, w work) {
		s, err := p.run(c, w, seconds)
		lock.Lock()
		defer lock.Unlock()
		if k := key(w.title(), c.name); err != nil {
			m.errors[k] = err
			t.Logf("%s: %v", k, err)
		} else {
			m.samples[k] = []sample{s}
		}
	}
	for _, real := range []bool{false, true} {
		for _, w := range linkWorks {
			for _, c := range w.contestants {
				switch {
				case real != (c.program == usrsctp.program) || !only.MatchString(w.title()):
				case real:
					running.Go(func() { run(c, w) })
				default:
					run(c, w)
				}
			}
		}
	}
	running.Wait()
}

// median returns the median of a figure, NaN if there is none.
func (m *measured) median(title, contestant string, figure func(sample) float64) float64 {
	var all []float64
	for _, s := range m.samples[key(title, contestant)] {
		all = append(all, figure(s))
	}
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// cell shows a figure, or why there is none.
func (m *measured) cell(title, contestant string, figure func(sample) float64) string {
	if x := m.median(title, contestant, figure); !math.IsNaN(x) {
		return short(x)
	}
	switch err := m.errors[key(title, contestant)]; {
	case err == nil:
		return ""
	case errors.As(err, new(*missingError)):
		return "not here"
	}
	return "failed"
}

// ratio is cell with, in brackets, how many times that of another contestant it is.
func (m *measured) ratio(title, contestant, to string, figure func(sample) float64) string {
	cell := m.cell(title, contestant, figure)
	r := m.median(title, contestant, figure) / m.median(title, to, figure)
	if contestant == to || math.IsNaN(r) {
		return cell
	}
	return fmt.Sprintf("%s (%s)", cell, short(r))
}

// short prints a figure with three digits or so.
func short(x float64) string {
	switch {
	case math.IsNaN(x):
		return ""
	case x >= 99.5:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 9.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
}

// TestPeers measures the stacks side by side.
func TestPeers(t *testing.T) {
	if *write && (*quick || *onlyRun != "") {
		t.Fatal("a quick run, or one of some works only, is not to be written down")
	}
	if !*write && !*quick && *onlyRun == "" {
		t.Skip("takes a quarter of an hour: make bench-peers; or -quick, or -works")
	}
	p := buildPrograms(t)
	on := machine() // before it has something to do
	begin := time.Now()
	m := measureAll(t, p, works())
	m.measureLink(t, p)
	section(t, peersTitle, peersPreface+pingPongFloor(m)+"\n"+on+"\n"+p.describe())
	goals(t, m)
	peerTables(t, m)
	failures(t, m)
	t.Logf("%.0f s in all", time.Since(begin).Seconds())
}
