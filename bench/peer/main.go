// Command peer does one piece of work between two ends of one stack, both in this
// process, and prints what it took as one line: name=value, separated by spaces. It is
// one of the programs that TestPeers runs; those of the stacks that are not written in Go
// (../testdata) take the same arguments and print the same line.
//
//	peer STACK NET WORK [size=BYTES] [streams=N] [buffer=BYTES] [seconds=S] [count=N] [settle=S]
//
// STACK and NET are those of the table in this file. WORK is
//
//	bulk      messages one way for a time; each is checked, and counts once it was read
//	pingpong  a message there and back, again and again; with NET "apart" over UDP, and
//	          each end is a process of its own
//	setup     connections made and ended, one after the other
//	idle      connections that do nothing, and what each end keeps
//	serve     connections that clients in a process of their own make, and what they cost the server
//
// The line has, as far as it applies: messages, bytes, seconds and cpu (of the whole
// process, in seconds), allocations; quantiles in microseconds (q10 to q999); ends, memory
// (bytes) and goroutines of each end.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A job is the work to do.
type job struct {
	size, streams int
	buffer        int           // of an engine, each way, bytes
	count         int           // connections of "idle", clients of "serve"
	settle        time.Duration // how long these are given to finish what setting up left to do
	duration      time.Duration
}

// bufferSize is the send and receive buffer of each end, where it can be set, and
// packetSize its SCTP packets.
const (
	bufferSize = 1 << 20
	packetSize = 1200
)

// stacks are what can be measured, by STACK and NET.
var stacks = map[string]stack{
	"engine memory":   {runners: engineRunners},
	"roomy memory":    {runners: map[string]runner{"setup": roomySetUp}},
	"snap memory":     {runners: map[string]runner{"setup": snapSetUp}},
	"endpoint memory": {runners: map[string]runner{"idle": endpointIdle}},
	"sluice memory":   {connect: sluiceMemory},
	"single memory":   {connect: sluiceSingle},
	"sluice udp":      {connect: sluiceUDP, runners: map[string]runner{"idle": listenerIdle, "hold": hold}},
	"sluice full":     {connect: sluiceFull, runners: map[string]runner{"serve": serveSluice, "clients": clients}},
	"pion memory":     {connect: pionMemory},
	"pion udp":        {connect: pionUDP},
	"pion full":       {connect: pionFull, runners: map[string]runner{"serve": servePion}},
	"raw memory":      {runners: map[string]runner{"bulk": rawMemory}},
	"raw aead":        {runners: map[string]runner{"bulk": rawAEAD}},
	"raw udp":         {runners: map[string]runner{"bulk": rawUDP, "pingpong": rawPingPong, "setup": rawSetUp}},
	"bare udp":        {runners: map[string]runner{"pingpong": barePingPong}},
	"engine udp":      {runners: map[string]runner{"pingpong": engineUDPPingPong}},
	"gso udp":         {runners: map[string]runner{"bulk": rawGSO}},
	"sluice apart":    {runners: apartRunners(sluiceCalls, sluiceAnswers)},
	"pion apart":      {runners: apartRunners(callsOver(pionCalls), answersOver(pionAnswers))},
	"raw apart":       {runners: apartRunners(callsOver(rawEnd), answersOver(rawEnd))},
	"bare apart":      {runners: apartRunners(bareCalls, bareAnswers)},
}

// A runner does a kind of work.
type runner func(job) (report, error)

// A stack either connects two ends, with which the general runners work, or brings
// runners of its own.
type stack struct {
	connect func(streams int) (a, b end, err error)
	runners map[string]runner
}

func (s stack) runner(work string) runner {
	if r := s.runners[work]; r != nil || s.connect == nil {
		return r
	}
	return map[string]runner{
		"bulk":     func(j job) (report, error) { return bulk(s.connect, j) },
		"pingpong": func(j job) (report, error) { return pingPong(s.connect, j) },
		"setup":    func(j job) (report, error) { return setUp(s.connect, j) },
		"idle":     func(j job) (report, error) { return idle(s.connect, j) },
	}[work]
}

func main() {
	r, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
	fmt.Println(r)
}

func run(args []string) (report, error) {
	if len(args) < 3 {
		return nil, fmt.Errorf("usage: peer STACK NET WORK [name=value ...]")
	}
	s, ok := stacks[args[0]+" "+args[1]]
	if !ok {
		return nil, fmt.Errorf("no stack %s over %s", args[0], args[1])
	}
	do := s.runner(args[2])
	if do == nil {
		return nil, fmt.Errorf("%s over %s does no %s", args[0], args[1], args[2])
	}
	j := job{size: 64, streams: 1, buffer: bufferSize, count: 100, settle: time.Second / 2, duration: time.Second}
	for _, a := range args[3:] {
		name, value, _ := strings.Cut(a, "=")
		x, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("argument %s", a)
		}
		switch name {
		case "size":
			j.size = int(x)
		case "streams":
			j.streams = int(x)
		case "buffer":
			j.buffer = int(x)
		case "count":
			j.count = int(x)
		case "settle":
			j.settle = time.Duration(x * float64(time.Second))
		case "seconds":
			j.duration = time.Duration(x * float64(time.Second))
		default:
			return nil, fmt.Errorf("argument %s", a)
		}
	}
	return do(j)
}
