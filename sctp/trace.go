package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// A Tracer is told what happens in associations; see Config.Trace.
type Tracer interface {
	// Trace takes an event. It is called while the association, or the Endpoint,
	// is at work: it must not call into it, and not block. It must not keep
	// TraceEvent.Packet, which is valid until it returns. A Tracer of several
	// associations that several goroutines drive must expect concurrent calls.
	Trace(e TraceEvent)
}

// TraceKind says what a TraceEvent reports.
type TraceKind uint8

// The kinds. Each comment names the fields that are set besides Time and Tag.
const (
	// TracePacketSent: Packet was given to the caller of Transmit, for Path.
	TracePacketSent TraceKind = iota + 1
	// TracePacketReceived: Packet came in on Path.
	TracePacketReceived
	// TracePacketDropped: Packet, received before, was not acceptable: Reason.
	TracePacketDropped
	// TraceState: the association went from state Before to State. Of several steps
	// at once only the first and last are told.
	TraceState
	// TraceMetrics: the congestion window, its threshold, the round-trip time, the
	// retransmission timeout or the MTU of Path changed: Metrics.
	TraceMetrics
	// TraceRecovery: a fast recovery began or, with On false, ended.
	TraceRecovery
	// TraceLost: the chunk with TSN, of a message on Stream, counts as lost.
	TraceLost
	// TraceRetransmit: the chunk with TSN, of a message on Stream, goes into the
	// next packet for the Count-th time after the first. With On it is not known to
	// be lost, but a probe of the tail (RFC 8985, section 7).
	TraceRetransmit
	// TraceDataDropped: a received DATA chunk with TSN, on Stream, was not taken: Reason.
	TraceDataDropped
	// TraceAbandoned: a message with the ID Message on Stream was given up: Reason.
	// On says that a part of it was sent.
	TraceAbandoned
	// TraceTimer: Timer expired.
	TraceTimer
	// TraceNotify: the application is told Event.
	TraceNotify
)

// TraceReason is why something was dropped or given up.
type TraceReason uint8

// The reasons. Packets are dropped by the first five, DATA chunks by the next three,
// messages given up by the last three.
const (
	ReasonMalformed     TraceReason = iota + 1 // no SCTP packet, or of an unknown path
	ReasonPort                                 // for other SCTP ports
	ReasonChecksum                             // the CRC32c is wrong
	ReasonTag                                  // a wrong verification tag, or none of this association's
	ReasonRefused                              // by an Endpoint: nobody listens, or there is no room
	ReasonDuplicate                            // it had come in before
	ReasonNoRoom                               // the receive buffer is full
	ReasonInvalidStream                        // there is no such stream
	ReasonRetransmits                          // Reliability.MaxRetransmits
	ReasonLifetime                             // Reliability.Lifetime
	ReasonPriority                             // Reliability.Priority
)

var reasonNames = [...]string{
	"", "malformed", "port", "checksum", "tag", "refused", "duplicate", "no-room", "invalid-stream",
	"retransmits", "lifetime", "priority",
}

func (r TraceReason) String() string { return reasonNames[r] }

// TimerKind names a timer (RFC 9260, sections 6.2, 6.3, 8.3 and 9.2).
type TimerKind uint8

// The timers.
const (
	TimerT1          TimerKind = iota + 1 // INIT or COOKIE ECHO is not answered
	TimerT2                               // SHUTDOWN or SHUTDOWN ACK is not answered
	TimerT3                               // data is not acknowledged
	TimerT5                               // the shutdown takes too long
	TimerDelayedSACK                      // a SACK waited long enough
	TimerHeartbeat                        // a path was idle, or a HEARTBEAT is not answered
	TimerReconfig                         // a RE-CONFIG request is not answered
	TimerLifetime                         // messages expired in the queue
	TimerPathMTU                          // a larger path MTU is to be looked for, or a probe was not answered
	TimerRACK                             // reordering has settled, or an acknowledgement is overdue (RFC 8985)
)

var timerNames = [...]string{"", "T1", "T2-shutdown", "T3-rtx", "T5-shutdown-guard", "delayed-sack", "heartbeat", "reconfig", "lifetime", "path-mtu", "rack"}

func (t TimerKind) String() string { return timerNames[t] }

// A TraceEvent is one event of a trace.
type TraceEvent struct {
	Time time.Time // as given to the call in which it happened
	Kind TraceKind
	// Tag is the local verification tag of the association, which tells associations
	// of one Tracer apart; 0 from an Endpoint, of a packet without association.
	Tag uint32

	Path          PathID
	Reason        TraceReason
	Timer         TimerKind
	On            bool
	Before, State State
	Stream        uint16
	TSN           uint32
	Count         int
	Message       uint64
	Packet        []byte
	Metrics       PathStats
	Event         Event
}

// tracer finds out what to tell a Tracer: much of it by comparing the association
// after a call with what was told last, so that the components need not know of it.
type tracer struct {
	sink     Tracer
	state    State
	recovery bool
	entered  uint64 // rareCounters.recoveries
	metrics  PathStats
	marked   uint64 // sentQueue.marked
	pushed   uint64 // eventQueue.pushed
}

// newTracer returns one that tells sink, nil if that is.
func newTracer(sink Tracer) *tracer {
	if sink == nil {
		return nil
	}
	return &tracer{sink: sink}
}

func (t *tracer) on() bool { return t != nil }

// same reports whether figures differ in nothing that is worth an event.
func (p PathStats) same(q PathStats) bool {
	p.FlightSize, p.LatestRTT, p.Errors = q.FlightSize, q.LatestRTT, q.Errors
	return p == q
}

// note tells the Tracer something, if there is one.
func (a *Association) note(now instant, e TraceEvent) {
	if a.trace.on() {
		e.Time, e.Tag = a.clock.time(now), a.id.localTag
		a.trace.sink.Trace(e)
	}
}

// observe tells what has changed. It is called at the end of each call that can
// change anything.
func (a *Association) observe(now instant) {
	if a.trace.on() {
		a.tellChanges(now)
	}
}

func (a *Association) tellChanges(now instant) {
	t := a.trace
	if t.state != a.state {
		before := t.state
		t.state = a.state
		a.note(now, TraceEvent{Kind: TraceState, Before: before, State: a.state})
	}
	if t.marked != a.sent.marked {
		t.marked = a.sent.marked
		for tsn, c := a.sent.untold(a.sent.lostFrom); c != nil; tsn, c = a.sent.untold(tsn) {
			c.told = true
			a.note(now, TraceEvent{Kind: TraceLost, TSN: uint32(tsn), Stream: c.msg.stream.id})
		}
	}
	if t.recovery && (!a.recovery.on || t.entered != a.counters.known().recoveries) { // or one was followed by the next
		t.recovery = false
		a.note(now, TraceEvent{Kind: TraceRecovery})
	}
	if t.entered = a.counters.known().recoveries; t.recovery != a.recovery.on {
		t.recovery = true
		a.note(now, TraceEvent{Kind: TraceRecovery, On: true})
	}
	if m, _ := a.PathStats(0); !t.metrics.same(m) {
		t.metrics = m
		a.note(now, TraceEvent{Kind: TraceMetrics, Metrics: m})
	}
	for ; t.pushed < a.events.pushed; t.pushed++ {
		if back := int(a.events.pushed - t.pushed); back <= a.events.n {
			a.note(now, TraceEvent{Kind: TraceNotify, Event: a.events.at(a.events.n - back)})
		}
	}
}

// untold returns the first chunk at or behind t that is lost and was not told to be.
func (q *sentQueue) untold(t wire.TSN) (wire.TSN, *sentChunk) {
	if t.AtOrBefore(q.cum) {
		t = q.cum.Add(1)
	}
	for ; t.Before(q.next); t = t.Add(1) {
		if c := q.at(t); c.state == chunkLost && !c.told {
			return t, c
		}
	}
	return t, nil
}

// drop counts a packet that is not acceptable.
func (a *Association) drop(now instant, id PathID, packet []byte, why TraceReason) {
	a.counters.seldom().dropped++
	a.note(now, TraceEvent{Kind: TracePacketDropped, Path: id, Packet: packet, Reason: why})
}

// dropData tells of a DATA or I-DATA chunk that was not taken.
func (a *Association) dropData(now instant, f *fragment, why TraceReason) {
	a.note(now, TraceEvent{Kind: TraceDataDropped, TSN: uint32(f.tsn), Stream: f.info.stream, Reason: why})
}

// reasons are those of the policies.
var reasons = [policies]TraceReason{0, ReasonRetransmits, ReasonLifetime, ReasonPriority}

// expired reports whether a timer has run out, and stops it if so.
func (a *Association) expired(now instant, t *timer, kind TimerKind) bool {
	if !t.due(now) {
		return false
	}
	a.note(now, TraceEvent{Kind: TraceTimer, Timer: kind})
	return true
}

// drop counts a packet that belongs to no association and is not answered.
func (e *Endpoint) drop(now time.Time, packet []byte, why TraceReason) {
	e.stats.PacketsDropped++
	e.tellDropped(now, packet, why)
}

// tellDropped tells of a packet that no association was given.
func (e *Endpoint) tellDropped(now time.Time, packet []byte, why TraceReason) {
	if t := e.cfg.Trace; t != nil {
		t.Trace(TraceEvent{Time: now, Kind: TracePacketReceived, Packet: packet})
		t.Trace(TraceEvent{Time: now, Kind: TracePacketDropped, Packet: packet, Reason: why})
	}
}
