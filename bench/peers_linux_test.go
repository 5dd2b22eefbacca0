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
10^9 bytes of payload, both ends; MB are 10^6 bytes. In brackets: how many times ours, in the same half of the table. CPU time
is to be trusted more than MB/s, which depend on what else the machine does. Every message is checked when it arrives.

SCTP packets have 1200 bytes and checksums, buffers 1 MiB, which the sender keeps filled; heartbeats, timers and the rest are
each stack's own. sluice, pion/sctp and usrsctp run as applications use them, on goroutines or threads, over a pipe in memory, which ours may
give several packets at a time and get them from (BatchWriter, BatchReader), or over loopback UDP. "Engine" are the sans-IO engines: both ends on one thread, packets
handed over by the benchmark, and the time skipped in which both would wait. (The crate dcsctp writes each packet out as text
before it asks whether there is a log, in nine tenths of its time; here it asks first.) Of a message there and back over UDP
there is also what it takes without our driver: associations over our sockets, without locks, timers, or an Endpoint to find
them; and the sockets alone. There it matters whether both ends are in one process: one that waits for an answer sleeps, and is woken
by the system, while in one process of Go the goroutine of the other end goes on in its place. So there is a table
of two processes, too, of which one measures; CPU time there is of both. Setting up with SNAP needs no packets: each end is given
the other's token; what collecting the garbage costs of associations that are thrown away at once, the row with GOGC=1000 shows; UDP alone is two sockets made, used for four packets and closed. The whole path is offer and answer, ICE
with host candidates on loopback, DTLS and one channel, everything as each stack does it by default. usrsctp is Debian's
release; its development branch has been seen to be faster by a quarter. Over the emulated link what is not written in Go runs
here, with the same buffers as elsewhere (larger ones make dcSCTP slower): usrsctp in real time, the crates in virtual time.
sluice and pion/sctp over that link are in a section of their own, above, with buffers of 64 MiB, on which the goals go, and of 1 MiB.

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
}

// Those over one kind of net. The first of each half is ours: the one that the ratios
// of its half refer to.
var (
	engines = []contestant{{"sluice, engine", "peer", "engine"}, {"dcSCTP (crate), engine", "rust", "dcsctp"}, {"sctp-proto, engine", "rust", "sctp-proto"}}
	drivers = []contestant{{"sluice", "peer", "sluice"}, {"pion/sctp", "peer", "pion"}, {"usrsctp", "usrsctp", "usrsctp"}}
	webrtcs = []contestant{{"sluice", "peer", "sluice"}, {"pion/webrtc", "peer", "pion"}}

	singles   = contestant{"sluice, a packet at a time", "peer", "single"}
	pipeAlone = contestant{"packets through the pipe alone", "peer", "raw"}
	plainUDP  = contestant{"UDP alone, a packet at a time", "peer", "raw"}
	bareUDP   = contestant{"UDP alone, through our sockets", "peer", "bare"}
	engineUDP = contestant{"sluice, engine, without driver", "peer", "engine"}
	gsoUDP    = contestant{"UDP alone, GSO and GRO", "peer", "gso"}
	aead      = contestant{"AES-128-GCM alone", "peer", "raw"}
	threadUDP = contestant{"UDP alone, threads", "usrsctp", "raw"}
	roomy     = contestant{"sluice, engine, GOGC=1000", "peer", "roomy"}
	snap      = contestant{"sluice, engine, SNAP", "peer", "snap"}
	endpoints = contestant{"sluice, Endpoint", "peer", "endpoint"}
	listener  = contestant{"sluice, Listener", "peer", "sluice"}

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
// virtual time.
var linkPeers = []contestant{drivers[2], engines[1], engines[2]}

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
	memory := slices.Concat(bulkHalves("memory")...)
	for _, s := range sizes {
		w = append(w, work{s.name, "memory", "bulk", []string{s.arg}, false, memory})
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
	w = append(w, work{"idle", "udp", "idle", many, false, []contestant{listener}})
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

// measureLink runs the works over the link, all at the same time: they mostly wait.
func (m *measured) measureLink(t *testing.T, p *programs) {
	only, seconds := regexp.MustCompile(*onlyRun), 30.0
	if *quick {
		seconds = 3
	}
	var (
		running sync.WaitGroup
		lock    sync.Mutex
	)
	for _, w := range linkWorks {
		for _, c := range w.contestants {
			if !only.MatchString(w.title()) {
				continue
			}
			running.Go(func() {
				s, err := p.run(c, w, seconds)
				lock.Lock()
				defer lock.Unlock()
				if k := key(w.title(), c.name); err != nil {
					m.errors[k] = err
					t.Logf("%s: %v", k, err)
				} else {
					m.samples[k] = []sample{s}
				}
			})
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
		t.Skip("takes eleven minutes: make bench-peers; or -quick, or -works")
	}
	p := buildPrograms(t)
	on := machine() // before it has something to do
	begin := time.Now()
	m := measureAll(t, p, works())
	m.measureLink(t, p)
	section(peersTitle, peersPreface+pingPongFloor(m)+"\n"+on+"\n"+p.describe())
	goals(t, m)
	peerTables(t, m)
	failures(t, m)
	t.Logf("%.0f s in all", time.Since(begin).Seconds())
}
