package conformance

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// A Status is how a script went.
type Status uint8

// The ways a script may go.
const (
	Pass        Status = iota
	Fail               // the engine, or the script, is wrong
	Unsupported        // it asks for what the engine or the runner does not offer
)

func (s Status) String() string { return [...]string{"pass", "fail", "unsupported"}[s] }

// A Result says how a script went.
type Result struct {
	Status Status
	Pos    Pos    // of the event at which it ended, if it did not pass
	Reason string // why
	Got    string // the packet that was seen, "" if it was not about a packet
	// Notes say what the script asks for and was not compared.
	Notes []string
}

// Options say how strictly a script is taken.
type Options struct {
	// Lenient is for suites that were written for another implementation. What is a
	// choice of an implementation is not compared: the optional parameters of INIT
	// and INIT ACK, the order of the chunks of a packet, a SACK that rides along,
	// the I bit of DATA that the script does not want, the cause of an ABORT that
	// names none, which gaps of a NR-SACK are never dropped. How many streams and how
	// large a buffer the host has, unless it is set, are what the script says in INIT
	// and INIT ACK. Switches of the host are taken for granted.
	Lenient bool
	// Settings are settings of the host's SCTP, as sysctl takes them, from the start:
	// what a suite takes for granted that was written for another.
	Settings []string
	// Strict makes packets that are left when the script ends a failure.
	Strict bool
	// Endpoint drives an sctp.Endpoint instead of an sctp.Association alone.
	Endpoint bool
	// Trace, if not nil, is called with every packet that goes in or out.
	Trace func(at time.Duration, outbound bool, packet string)
}

// A stop ends a run.
type stop struct {
	status Status
	reason string
	got    string
}

func (s *stop) Error() string { return s.reason }

func failf(format string, args ...any) error {
	return &stop{status: Fail, reason: fmt.Sprintf(format, args...)}
}

func unsupportedf(format string, args ...any) error {
	return &stop{status: Unsupported, reason: fmt.Sprintf(format, args...)}
}

// A sentPacket is a packet that the engine has sent and no event has taken.
type sentPacket struct {
	at     time.Duration
	packet []byte
	mark   sctp.ECN
}

// A runner executes one script.
type runner struct {
	opts   Options
	script *Script
	left   []Event // behind the one that is executed
	epoch  time.Time
	now    time.Duration // since the start of the script
	last   time.Duration // time of the event before, as the script says it

	tolerance time.Duration
	mtu       int // of the SCTP packet

	buf     []byte // for Transmit
	steps   int    // times that a timer went off
	stack   stack
	sockets map[int64]*socket
	queue   []sentPacket
	wire    numbers
	blocked []blockedCall
	notes   []string

	late     map[string]int64 // of options, what they become while the association runs
	defaults map[string]int64 // of options, that differ from newSocket's
}

// A blockedCall is a call that has begun and returns later.
type blockedCall struct {
	call *Call
	at   time.Duration // when it returns
}

// maxMTU is the most that IP allows.
const maxMTU = 65535

// DefaultTolerance is how far a packet may be off its time, unless the script says
// --tolerance_usecs.
const DefaultTolerance = 4 * time.Millisecond

// Run executes the script. It takes no time but that of computing.
func (s *Script) Run(opts Options) Result {
	r := &runner{
		opts: opts, script: s, epoch: time.Unix(1_000_000_000, 0),
		tolerance: DefaultTolerance, mtu: 1500 - 20, buf: make([]byte, 0, maxMTU), sockets: make(map[int64]*socket), defaults: make(map[string]int64),
	}
	r.wire.init()
	r.late = s.scanLate()
	pos, err := r.run()
	if err == nil {
		return Result{Status: Pass, Notes: r.notes}
	}
	res := Result{Status: Fail, Pos: pos, Reason: err.Error(), Notes: r.notes}
	if e, ok := err.(*stop); ok {
		res.Status, res.Got = e.status, e.got
	}
	if e, ok := err.(*valueError); ok {
		res.Pos = e.pos
	}
	return res
}

// run executes the events; the position is that of the one that did not hold.
func (r *runner) run() (Pos, error) {
	if pos, err := r.options(); err != nil {
		return pos, err
	}
	if r.opts.Lenient {
		r.assume()
	}
	for _, setting := range r.opts.Settings {
		if err := r.shell("sysctl " + setting); err != nil {
			return Pos{}, err
		}
	}
	var pos Pos
	for i := range r.script.Events {
		e := &r.script.Events[i]
		pos, r.left = e.Pos, r.script.Events[i+1:]
		if blocked, err := r.returned(r.due(e)); err != nil {
			return blocked, err
		}
		if err := r.event(e); err != nil {
			return pos, err
		}
	}
	if blocked, err := r.returned(1<<63 - 1); err != nil {
		return blocked, err
	}
	if r.opts.Strict && len(r.queue) > 0 {
		return pos, &stop{Fail, "the script ends and a packet is left", r.show(r.queue[0].packet)}
	}
	return pos, nil
}

// options applies the options at the head of the script.
func (r *runner) options() (Pos, error) {
	overhead, size := 20, 1500
	for _, o := range r.script.Options {
		n, numErr := strconv.Atoi(o.Value)
		switch o.Name {
		case "tolerance_usecs":
			r.tolerance = time.Duration(n) * time.Microsecond
		case "mtu":
			size = n
		case "ip_version":
			if numErr = nil; o.Value == "ipv6" {
				overhead += 20
			}
		case "udp_encapsulation":
			numErr = nil
			overhead += 8
		case "bind_port", "connect_port", "local_ip", "remote_ip", "netmask_ip", "gateway_ip", "speed", "verbose",
			"non_fatal", "init_scripts", "live_bind_port", "live_connect_port":
			numErr = nil // there is one pair of addresses and no link here
		default:
			return o.Pos, unsupportedf("option --%s", o.Name)
		}
		if numErr == nil && o.Name == "mtu" && n > maxMTU {
			return o.Pos, unsupportedf("an MTU of %d", n)
		}
		if numErr != nil || n < 0 {
			return o.Pos, failf("--%s needs a number", o.Name)
		}
	}
	r.mtu = size - overhead
	return Pos{}, nil
}

// due is when an event happens or, if that is not known yet, the least it can be.
func (r *runner) due(e *Event) time.Duration {
	switch {
	case e.When.Any:
		return r.now
	case e.When.Relative:
		return r.last + e.When.At
	}
	return e.When.At
}

// event executes one event.
func (r *runner) event(e *Event) error {
	at := r.due(e)
	if !e.When.Any && at < r.last {
		return failf("the time goes backwards")
	}
	if e.Packet != nil {
		for _, field := range e.Packet.Unseen {
			r.note("not compared: %s of the IP header", field)
		}
		if !e.Packet.Inbound {
			return r.outbound(e, at)
		}
	}
	r.last = at
	if err := r.advance(at); err != nil {
		return err
	}
	switch {
	case e.Packet != nil:
		return r.inbound(e.Packet)
	case e.Shell != nil:
		return r.shell(*e.Shell)
	case e.Code != nil:
		return unsupportedf("a program in the script")
	case e.When.Blocks:
		end := e.When.End
		if e.When.Relative {
			end += at - e.When.At
		}
		return r.block(e.Call, end)
	}
	return r.call(e.Call)
}

// outbound waits for a packet and compares it.
func (r *runner) outbound(e *Event, at time.Duration) error {
	if err := e.Packet.runnable(); err != nil {
		return err
	}
	earliest, latest := at-r.tolerance, at+r.tolerance
	switch {
	case e.When.Any:
		earliest, latest = 0, r.now+anyLimit
	case e.When.Range:
		latest = at + e.When.Until - e.When.At + r.tolerance
	}
	for len(r.queue) == 0 {
		next, ok := r.deadline()
		if !ok || next > latest {
			return failf("no packet is sent until %v", latest)
		}
		if err := r.advance(next); err != nil {
			return err
		}
	}
	p := r.queue[0]
	r.queue = r.queue[1:]
	r.last = at
	if e.When.Any || e.When.Range {
		r.last = p.at
	}
	if err := r.compare(e.Packet, p.packet); err != nil {
		return err
	}
	if err := e.Packet.compareMark(p.mark); err != nil {
		return &stop{Fail, err.Error(), r.show(p.packet)}
	}
	if p.at < earliest || p.at > latest {
		return &stop{Fail, fmt.Sprintf("expected at %v, sent at %v", at, p.at), r.show(p.packet)}
	}
	return nil
}

// anyLimit is how long a packet at time * is waited for.
const anyLimit = time.Hour

// maxQueue bounds the packets that no event has taken, maxSteps the timers that go
// off, in a script.
const (
	maxQueue = 10000
	maxSteps = 100000
)

// time returns the engine's time.
func (r *runner) time() time.Time { return r.epoch.Add(r.now) }

// deadline returns when the engine wants to act next.
func (r *runner) deadline() (time.Duration, bool) {
	t, ok := r.stack.timeout()
	return max(t.Sub(r.epoch), r.now), ok
}

// advance lets time pass up to at.
func (r *runner) advance(at time.Duration) error {
	for ; r.steps < maxSteps; r.steps++ {
		next, ok := r.deadline()
		if !ok || next > at {
			r.now = max(r.now, at)
			return nil
		}
		r.now = next
		r.stack.engine.expire(r.time())
		if err := r.drain(); err != nil {
			return err
		}
	}
	return failf("the engine's timers go off more than %d times", maxSteps)
}

// drain takes what the engine wants to send and to say.
func (r *runner) drain() error {
	if r.stack.engine == nil {
		return nil
	}
	r.stack.engine.update()
	for {
		b, mark, ok := r.stack.engine.transmit(r.time(), r.buf[:0])
		if !ok {
			break
		}
		if len(r.queue) == maxQueue {
			return failf("the engine sends without end")
		}
		r.queue = append(r.queue, sentPacket{r.now, append([]byte(nil), b...), mark})
		if r.opts.Trace != nil {
			r.opts.Trace(r.now, true, r.show(b))
		}
	}
	r.stack.events(r)
	return nil
}

// block begins a call that returns later: now it would block.
func (r *runner) block(c *Call, end time.Duration) error {
	if c.Name == "connect" || c.Name == "sctp_connectx" { // it acts at once
		if err := r.connect(c); err != nil {
			return err
		}
		if err := r.drain(); err != nil {
			return err
		}
	}
	r.blocked = append(r.blocked, blockedCall{c, end})
	return nil
}

// returned completes the blocked calls that return before a time.
func (r *runner) returned(before time.Duration) (Pos, error) {
	for len(r.blocked) > 0 && r.blocked[0].at <= before {
		b := r.blocked[0]
		r.blocked = r.blocked[1:]
		if err := r.advance(b.at); err != nil {
			return b.call.Pos, err
		}
		if err := r.complete(b.call); err != nil {
			return b.call.Pos, err
		}
	}
	return Pos{}, nil
}

// note says once that something was not compared.
func (r *runner) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, n := range r.notes {
		if n == text {
			return
		}
	}
	r.notes = append(r.notes, text)
}
