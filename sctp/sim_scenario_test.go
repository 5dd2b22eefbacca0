package sctp_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A scenario is everything that a seed stands for: the configuration of both
// hosts, what they do, and what the network does to them.
type scenario struct {
	seed       uint64
	clean      bool                 // nothing is lost, damaged or out of order
	dying      bool                 // at some time the network is gone for good
	cramped    bool                 // memory is short, see drawCramped
	rebundle   float64              // chance of chunks in other packets than they were sent in
	forge      float64              // chance of a forged packet behind each real one
	congestion float64              // chance of a mark for each packet that may get one
	links      [2]netsim.Conditions // [0] carries what host 0 sends
	turns      []turn               // how the network changes, in order of time
	hosts      [2]plan
}

// A plan is the part of a scenario for one host.
type plan struct {
	cfg        sctp.Config
	connect    bool          // sends INIT; else waits for the peer's
	token      bool          // connects with the peer's INIT token instead
	connectAt  time.Duration // since the start
	script     []action
	streams    []uint16      // candidates for stream ids, taken modulo those usable
	priorities float64       // chance of another priority for the stream before each message
	eager      float64       // chance at each step that a stream is to be read in parts from now on
	borrows    float64       // chance to borrow what is read
	pause      float64       // chance of a pause after each message read
	maxPause   time.Duration // longest pause in reading
	habits     habits        // others of the reader
	timerSlack time.Duration // timers fire up to this much late
	moves      float64       // chance of a handover at each step
	endpoint   bool          // it is an Endpoint with more peers than this one
	neighbours int           // so many more
	flood      float64       // and chance of an INIT of a stranger with each packet
}

// A turn is a change of the network: the way of the packets in one direction gets
// another MTU.
type turn struct {
	at   time.Duration // since the start
	side int           // of the sender
	mtu  int           // bytes; 0 is any
	told bool          // the sender is told that its path has changed
}

// An action is a step of a host's script: wait, then do.
type action struct {
	wait   time.Duration
	do     verb
	stream int // index into plan.streams; reset also takes the next count-1
	count  int
	size   int // of the message, or of its part
	open   int // the message in parts of the script that it is of; 0: none
	whole  int // size of that, in its first part
	msg    sctp.Message
}

type verb uint8

const (
	doSend verb = iota
	doReset
	doReconfig // the other requests of RFC 6525; size says which
	doRestart
	doMore     // the next part of a message
	doCancel   // of which there are no more
	doPriority // of a stream; it is in size
	doShutdown
	doAbort
)

// abortReason is the text that an ABORT of a simulated host carries.
const abortReason = "simulated"

// dice draws the choices of a scenario.
type dice struct{ *rand.Rand }

// newDice returns the source of randomness for one purpose of a seed.
func newDice(seed uint64, purpose uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, purpose))}
}

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between is uniform in [lo, hi].
func (d dice) between(lo, hi int) int { return lo + d.IntN(hi-lo+1) }

// scale is about log-uniform in [lo, hi]: small values are as likely as large ones. It
// computes with integers, as logarithms differ from one architecture to the next.
func (d dice) scale(lo, hi int) int {
	length := d.between(bits.Len(uint(lo)), bits.Len(uint(hi)))
	return min(max(d.between(1<<(length-1), 1<<length-1), lo), hi)
}

// span is a duration, uniform in [0, most].
func (d dice) span(most time.Duration) time.Duration { return time.Duration(d.Int64N(int64(most) + 1)) }

// pick is one of choices.
func pick[T any](d dice, choices ...T) T { return choices[d.IntN(len(choices))] }

// newScenario draws the scenario of a seed.
func newScenario(seed uint64) *scenario {
	d := newDice(seed, 1)
	s := &scenario{seed: seed, clean: d.chance(0.15), forge: pick(d, 0, 0, 0.02, 0.5)}
	s.dying = !s.clean && d.chance(0.08)
	for i := range s.hosts {
		s.hosts[i].cfg = drawConfig(d, s.clean)
	}
	a, b := &s.hosts[0], &s.hosts[1]
	if d.chance(0.5) {
		a.cfg.LocalPort, a.cfg.RemotePort = uint16(d.between(1, 65535)), uint16(d.between(1, 65535))
		b.cfg.LocalPort, b.cfg.RemotePort = a.cfg.RemotePort, a.cfg.LocalPort
	}
	switch d.IntN(4) {
	case 0:
		a.connect = true
	case 1:
		b.connect = true
	case 2:
		a.connect, b.connect = true, true
	case 3: // one a little later, its INIT may cross any packet of the handshake
		a.connect, b.connect = true, true
		b.connectAt = d.span(500 * time.Millisecond)
	}
	s.drawTokens(newDice(seed, 5))
	s.drawMoves(newDice(seed, 6))
	s.drawLinks(d)
	s.drawTurns(d)
	s.drawScripts(d)
	s.drawCramped(newDice(seed, 22))
	s.drawScheduling(newDice(seed, 20))
	s.drawParts(newDice(seed, 21))
	s.drawRestarts(newDice(seed, 6))
	s.drawEndpoints(newDice(seed, 7))
	if s.clean && !s.cramped && d.chance(0.5) {
		s.calm()
	}
	return s
}

// drawTokens decides whether the hosts have exchanged INIT tokens (SNAP). One may be
// unable to use what it got, and begins a handshake with a host that needs none.
func (s *scenario) drawTokens(d dice) {
	if !d.chance(0.2) {
		return
	}
	for i := range s.hosts {
		p := &s.hosts[i]
		p.connect, p.connectAt, p.token = true, 0, true
	}
	if d.chance(0.4) {
		s.hosts[d.IntN(2)].token = false
	}
}

// drawEndpoints makes an Endpoint of a host now and then.
func (s *scenario) drawEndpoints(d dice) {
	for i := range s.hosts {
		p := &s.hosts[i]
		if !d.chance(0.2) || s.hosts[0].token || s.hosts[1].token || s.zeroChecksum() {
			continue
		}
		p.endpoint, p.neighbours, p.flood = true, d.IntN(4), pick(d, 0, 0.1, 1)
	}
}

// fallsBack tells whether one host has to do without tokens, the other not.
func (s *scenario) fallsBack() bool { return s.hosts[0].token != s.hosts[1].token }

// calm takes out of a clean scenario what could make a timer expire early.
func (s *scenario) calm() {
	for i := range s.hosts {
		p := &s.hosts[i]
		p.cfg.RTOMin, p.cfg.RTOInitial = 0, 0
		p.cfg.SackDelay = min(p.cfg.SackDelay, 200*time.Millisecond)
		p.cfg.ReceiveBuffer = 8 << 20
		p.pause = 0
		for j := range p.script {
			if r := &p.script[j].msg.Reliability; r.LimitLifetime || r.LimitPriority {
				*r = sctp.Reliability{LimitRetransmits: true}
			}
		}
	}
}

// drawConfig draws the configuration of one association.
func drawConfig(d dice, clean bool) sctp.Config {
	cfg := sctp.Config{
		MTU:               pick(d, 0, 512, 576, 1191, 1200, 1280, 1400, 1500, 4000, 9000),
		MaxMTU:            pick(d, 0, 0, -1, 600, 1300, 1500, 9000, 20_000),
		ReceiveBuffer:     pick(d, 0, 0, 4096, 10_000, 32<<10, 128<<10, 1<<20),
		SendBuffer:        pick(d, 0, 0, 4096, 20_000, 64<<10, 1<<20),
		OutboundStreams:   pick[uint16](d, 0, 0, 1, 5, 1000, 65535),
		InboundStreams:    pick[uint16](d, 0, 0, 1, 5, 1000, 65535),
		MaxBurst:          pick(d, 0, 0, 1, 2, 10),
		HeartbeatInterval: pick(d, 0, 0, 300*time.Millisecond, 5*time.Second),
		LossDetection:     pick(d, sctp.RACK, sctp.RACK, sctp.MissIndications),
		SackDelay:         pick(d, 0, 0, time.Millisecond, 40*time.Millisecond, 500*time.Millisecond),
		CongestionControl: pick(d, sctp.CUBIC, sctp.Reno, sctp.BBR),
		InitialWindow:     pick(d, 0, 0, 512, 12_000),
	}
	cfg.PeerReconfig = sctp.ReconfigPolicy{
		DenyResets: d.chance(0.1), DenyStreams: d.chance(0.1), AllowAssociationReset: d.chance(0.7),
	}
	for i := 0; i < len(cfg.Seed); i += 8 {
		x := d.Uint64()
		for j := range 8 {
			cfg.Seed[i+j] = byte(x >> (8 * j))
		}
	}
	if d.chance(0.5) {
		cfg.RTOMin = pick(d, 20*time.Millisecond, 100*time.Millisecond, 400*time.Millisecond)
		cfg.RTOInitial = cfg.RTOMin + d.span(time.Second)
	}
	if !clean {
		// Bad luck must not end an association: the chance that one try in both
		// directions fails is below 0.4, that 31 in a row fail negligible. The
		// bound on the RTO keeps the cookie young and lets many tries fit into
		// the minute that T5-shutdown-guard grants.
		cfg.MaxInitRetransmits, cfg.MaxRetransmits = 30, 30
		cfg.RTOMax = pick(d, 1500*time.Millisecond, 3*time.Second)
		cfg.CookieLife = 20 * time.Minute
	}
	cfg.ECN = d.chance(0.5)
	cfg.NRSACK = d.chance(0.5)
	cfg.Frugal = cfg.SendBuffer == 4096 || cfg.ReceiveBuffer == 4096 && cfg.NRSACK
	cfg.NRSACK = cfg.NRSACK && !cfg.Frugal
	if d.chance(0.4) {
		cfg.ZeroChecksum = sctp.DTLSDetection
	}
	return cfg
}

// drawScheduling draws how each host's streams share the way, and whether messages are
// interleaved.
func (s *scenario) drawScheduling(d dice) {
	for i := range s.hosts {
		p := &s.hosts[i]
		p.cfg.NoInterleaving = d.chance(0.25)
		p.cfg.Scheduler = sctp.Scheduler(d.IntN(int(sctp.FairCapacity) + 1))
		if d.chance(0.5) {
			p.priorities = pick(d, 0.01, 0.3)
		}
	}
}

// interleaved tells whether I-DATA is to be used.
func (s *scenario) interleaved() bool {
	return !s.hosts[0].cfg.NoInterleaving && !s.hosts[1].cfg.NoInterleaving
}

// zeroChecksum tells whether packets may go without a checksum in either
// direction, so that the network must not damage them.
func (s *scenario) zeroChecksum() bool {
	return s.hosts[0].cfg.ZeroChecksum != 0 || s.hosts[1].cfg.ZeroChecksum != 0
}

// drawLinks draws what the network does.
func (s *scenario) drawLinks(d dice) {
	latency := pick(d, 0, time.Millisecond, 10*time.Millisecond, 60*time.Millisecond, 250*time.Millisecond)
	s.links[0].Latency = latency
	s.links[1].Latency = latency
	if s.clean {
		return
	}
	if d.chance(0.2) { // an asymmetric path
		s.links[1].Latency += d.span(200 * time.Millisecond)
	}
	faults := d.Float64() // few faults in some scenarios, all of them in others
	for i := range s.links {
		s.drawFaults(d, &s.links[i], faults)
	}
	if s.dying {
		gone := netsim.Window{From: d.span(5 * time.Second), To: netsim.Always.To}
		side := d.IntN(3) // 2: both directions
		for i := range s.links {
			if side == 2 || side == i {
				s.links[i].Down = append(s.links[i].Down, gone)
			}
		}
	}
	for range d.between(0, 2) { // black holes
		from := d.span(30 * time.Second)
		if d.chance(0.5) {
			from = d.span(2 * time.Second)
		}
		w := netsim.Window{From: from, To: from + d.span(4*time.Second)}
		side := d.IntN(3) // 2: both directions
		for i := range s.links {
			if d.chance(faults) && (side == 2 || side == i) {
				s.links[i].Down = append(s.links[i].Down, w)
			}
		}
	}
}

// drawTurns draws the MTU of the links, and how it changes.
func (s *scenario) drawTurns(d dice) {
	s.congestion = pick(d, 0, 0.01, 0.2, 1)
	if s.clean || d.chance(0.5) {
		return
	}
	for side := range s.links {
		if d.chance(0.5) {
			if mtu := drawMTU(d); mtu > 0 {
				s.links[side].MTU = mtu + 1 // for the codepoint of ECN
			}
		}
	}
	at := time.Duration(0)
	for range d.between(0, 4) {
		at += d.span(5 * time.Second)
		s.turns = append(s.turns, turn{at: at, side: d.IntN(2), mtu: drawMTU(d), told: d.chance(0.3)})
	}
}

// drawMTU draws the MTU of a link. A packet of fixed size, such as an INIT ACK with its
// cookie, must pass.
func drawMTU(d dice) int { return pick(d, 0, 600, 1100, 1188, 1250, 1408, 1432, 1500, 5000) }

// drawFaults draws the faults of one direction, each with the given chance.
func (s *scenario) drawFaults(d dice, c *netsim.Conditions, chance float64) {
	if d.chance(chance) {
		c.Jitter = d.span(30 * time.Millisecond)
	}
	if d.chance(chance) {
		c.Loss = 0.2 * d.Float64() * d.Float64()
	}
	if d.chance(chance / 2) {
		c.Burst = netsim.Burst{Enter: 0.02 * d.Float64(), Leave: 0.2 + float64(0.5*d.Float64()), LossBad: 0.7}
	}
	if d.chance(chance) {
		c.Reorder, c.ReorderDelay = 0.3*d.Float64(), time.Millisecond+d.span(200*time.Millisecond)
		if d.chance(0.1) {
			c.Reorder, c.ReorderDelay = 0.02*d.Float64(), 5*time.Second
		}
	}
	if d.chance(chance) {
		c.Duplicate, c.DuplicateDelay = 0.2*d.Float64(), d.span(pick(d, 300*time.Millisecond, 20*time.Second))
	}
	corrupt := 0.05 * d.Float64()
	if d.chance(chance) && !s.zeroChecksum() {
		c.Corrupt, c.CorruptBits = corrupt, d.between(1, 3) // the CRC32c detects any three
	}
	if d.chance(chance) {
		c.Rate = d.scale(30_000, 20_000_000)
		c.Queue = max(20_000, c.Rate/d.between(2, 20)) // 50 to 500 ms, or a few packets
	}
}

// drawScripts draws what the hosts do.
func (s *scenario) drawScripts(d dice) {
	aborting := d.chance(0.08)
	ending := d.IntN(3) // who ends: host 0, host 1, both
	for i := range s.hosts {
		p := &s.hosts[i]
		p.timerSlack = pick(d, 0, 0, 0, 10*time.Millisecond)
		if d.chance(0.4) { // a reader that stops now and then, or a slow one
			p.pause = pick(d, 0.02, 0.1, 0.5) * d.Float64()
			p.maxPause = d.span(pick(d, 50*time.Millisecond, time.Second, 5*time.Second, 30*time.Second))
		}
		for range pick(d, 1, 2, 3, 8, 30, 200) {
			p.streams = append(p.streams, pick(d, uint16(d.IntN(10)), uint16(d.IntN(65536))))
		}
		p.script = drawTraffic(d, p)
		if ending == i || ending == 2 {
			end := action{wait: d.span(2 * time.Second), do: doShutdown}
			if aborting {
				end.do = doAbort
			}
			p.script = append(p.script, end)
		}
	}
}

// drawTraffic draws the messages and stream resets of one host.
func drawTraffic(d dice, p *plan) []action {
	var script []action
	budget := d.scale(1000, 20_000_000) // bytes
	sizes := d.IntN(5)
	maxWait := pick(d, 0, 0, time.Millisecond, 100*time.Millisecond, time.Second)
	wait := pick(d, 0, 0.1, 1)
	reset := pick(d, 0, 0, 0.02, 0.2)
	reconfig := pick(d, 0, 0, 0.01, 0.1)
	unordered := pick(d, 0, 0, 0.3, 1)
	limited := pick(d, 0, 0, 0.5, 1)
	for range d.scale(2, 5000) {
		a := action{stream: d.IntN(len(p.streams)), count: 1}
		if d.chance(wait) {
			a.wait = d.span(maxWait)
		}
		if d.chance(reset) {
			a.do = doReset
			a.count = d.between(1, min(3, len(p.streams)))
			script = append(script, a)
			continue
		}
		if d.chance(reconfig) {
			a.do, a.size, a.count = doReconfig, d.IntN(3), d.IntN(16)
			script = append(script, a)
			continue
		}
		a.size = drawSize(d, sizes, p.cfg.MTU)
		a.msg.Unordered, a.msg.Immediate = d.chance(unordered), a.size%7 == 0
		if d.chance(limited) {
			a.msg.Reliability = drawReliability(d)
		}
		script = append(script, a)
		if budget -= a.size; budget < 0 {
			break
		}
	}
	return script
}

// drawSize draws the size of a message in one of five manners.
func drawSize(d dice, manner, mtu int) int {
	switch manner {
	case 0:
		return d.between(1, 100)
	case 1: // around what fits a whole number of packets
		if mtu == 0 {
			mtu = 1188
		}
		return max(1, d.between(1, 4)*(mtu-28)+d.between(-30, 30))
	case 2:
		return d.scale(1, 20_000)
	case 3:
		return d.scale(10_000, 600_000)
	default:
		return d.scale(1, 300_000)
	}
}

// drawReliability draws a partial reliability policy.
func drawReliability(d dice) sctp.Reliability {
	switch d.IntN(3) {
	case 0:
		return sctp.Reliability{LimitRetransmits: true, MaxRetransmits: uint16(d.between(0, 4))}
	case 1:
		return sctp.Reliability{LimitPriority: true, Priority: pick(d, 0, d.Uint32N(4), 1<<32-1)}
	}
	life := d.span(pick(d, 10*time.Millisecond, time.Second, 20*time.Second))
	return sctp.Reliability{LimitLifetime: true, Lifetime: life}
}

// mtu returns the largest packet that the host may send without asking, maxMTU the
// largest that it may ever send.
func (p *plan) mtu() int    { return orDefault(p.cfg.MTU, 1188) }
func (p *plan) maxMTU() int { return max(p.mtu(), orDefault(p.cfg.MaxMTU, 1432)) }

// receiveBuffer and sendBuffer return the buffer sizes in force.
func (p *plan) receiveBuffer() int { return orDefault(p.cfg.ReceiveBuffer, 2<<20) }
func (p *plan) sendBuffer() int    { return orDefault(p.cfg.SendBuffer, 2<<20) }

// smallestFragment is the least payload that a DATA chunk from the side to its
// peer need not undercut: what both the packet and the peer's window allow.
func (s *scenario) smallestFragment(side int) int {
	return min(s.hosts[side].mtu(), s.hosts[1-side].receiveBuffer()/2) - 32
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// patience is how long nothing may move: in a scenario whose network goes
// away for good, until both hosts must have noticed. Else it is how long nothing may move before the simulation counts as
// stalled: longer than a long run of lost retransmissions takes, with the
// pauses of the readers and of the network.
func (s *scenario) patience() time.Duration {
	if s.dying {
		return 2 * time.Hour
	}
	d := 15 * time.Second
	if s.aborts() && !s.clean {
		d += 20 * time.Minute // the peer of a lost ABORT may be idle: its heartbeats find out
	}
	for _, p := range s.hosts {
		d += 2*p.maxPause + p.habits.neglect
		if !s.clean || s.cramped {
			d += 25 * p.cfg.RTOMax
		}
	}
	return d
}

// aborts tells whether a host's script ends in an ABORT.
func (s *scenario) aborts() bool {
	for _, p := range s.hosts {
		if n := len(p.script); n > 0 && p.script[n-1].do == doAbort {
			return true
		}
	}
	return false
}

// String describes the scenario for the report of a failure.
func (s *scenario) String() string {
	text := fmt.Sprintf("seed %d, clean %v, dying %v, forged %.2f", s.seed, s.clean, s.dying, s.forge)
	for i := range s.hosts {
		p := &s.hosts[i]
		cfg := p.cfg
		cfg.Seed = [32]byte{}
		var count [doAbort + 1]int
		bytes := 0
		for _, a := range p.script {
			count[a.do]++
			bytes += a.size
		}
		text += fmt.Sprintf("\nhost %d: connects %v (token %v) at %v; %d messages of %d bytes, %d resets, %d other requests, %d restarts, %d shutdown, %d abort; endpoint %v with %d more peers, flood %.1f; streams %v; pauses %.3f up to %v; timers late up to %v; moves %.3f",
			i, p.connect, p.token, p.connectAt, count[doSend], bytes, count[doReset], count[doReconfig], count[doRestart], count[doShutdown], count[doAbort],
			p.endpoint, p.neighbours, p.flood,
			p.streams, p.pause, p.maxPause, p.timerSlack, p.moves)
		text += fmt.Sprintf("\n  config %+v", cfg)
		text += fmt.Sprintf("\n  its packets meet %+v", s.links[i])
	}
	return text
}
