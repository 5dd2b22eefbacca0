package sctp

import (
	"strings"
	"time"
)

// This file hands a quiescent association over to another place: another process,
// another machine. What it takes with it is in handoverstate.go.

// HandoverObstacles are the reasons for which an association cannot be handed over
// now, as a set; 0 means that it can.
type HandoverObstacles uint16

// The obstacles, and what makes each go away.
const (
	// ObstacleHandshake: the association is not established, or it is by ConnectWithToken
	// and nothing came in from the peer yet.
	ObstacleHandshake HandoverObstacles = 1 << iota
	// ObstacleEnding: a shutdown has begun, or the association has ended.
	ObstacleEnding
	// ObstacleSending: messages wait to be sent, or were sent and not acknowledged
	// or given up, as the peer knows.
	ObstacleSending
	// ObstacleUnread: messages, or ends of streams, wait for Read.
	ObstacleUnread
	// ObstacleMissing: of what the peer sent something is missing.
	ObstacleMissing
	// ObstacleReconfig: a request of RFC 6525 is not answered yet, in either direction.
	ObstacleReconfig
	// ObstaclePackets: packets wait for Transmit.
	ObstaclePackets
	// ObstacleEvents: events wait for NextEvent.
	ObstacleEvents
	// ObstaclePath: whether the peer is still there is in doubt. It was sent a HEARTBEAT
	// that it did not answer yet, or did not answer what was sent last.
	ObstaclePath
)

var obstacleNames = [...]string{
	"handshake not finished", "ending", "messages not acknowledged", "messages not read", "chunks missing",
	"stream reconfiguration going on", "packets to send", "events not taken", "path in doubt",
}

func (o HandoverObstacles) String() string {
	if o == 0 {
		return "none"
	}
	var names []string
	for i, name := range obstacleNames {
		if o&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// A HandoverError says why an association cannot be handed over now. Nothing has
// changed.
type HandoverError struct{ Obstacles HandoverObstacles }

func (e *HandoverError) Error() string {
	return "sctp: not ready for handover: " + e.Obstacles.String()
}

// A ResumeError says why an association cannot be resumed from a state.
type ResumeError struct{ Reason string }

func (e *ResumeError) Error() string { return "sctp: cannot resume: " + e.Reason }

// HandoverObstacles returns what keeps the association from being handed over. Its
// cost grows with the number of streams in use.
func (a *Association) HandoverObstacles() (o HandoverObstacles) {
	add := func(is bool, obstacle HandoverObstacles) {
		if is {
			o |= obstacle
		}
	}
	path := a.paths.primary()
	add(!a.ended && a.state < Established || a.hs.snap == snapUnheard, ObstacleHandshake)
	add(a.ended || a.state > Established, ObstacleEnding)
	add(a.out.queued+int(a.out.parted) > 0 || a.sent.span() > 0 || a.window.probing, ObstacleSending)
	add(a.out.unsettled(), ObstacleReconfig)
	add(a.in.unread(), ObstacleUnread)
	add(a.tsns.gap() || a.in.incomplete(), ObstacleMissing)
	add(a.reconfig.busy(), ObstacleReconfig)
	add(a.strays.waiting() || len(a.control.buf) > 0 || a.hs.cookieAck || a.ack.due == ackNow || path.hb.due || path.ecn.confirming, ObstaclePackets)
	add(a.events.n > 0, ObstacleEvents)
	add(path.down || path.hb.awaiting || a.paths.errors > 0, ObstaclePath)
	return o
}

// Handover returns the state of the association, of which Resume makes one that goes
// on in its place, and ends this one: it sends nothing any more and answers nothing.
// Its last event is EventClosed with ErrHandedOver. While it cannot be handed over
// the error is a *HandoverError that says why, and nothing changes; a moment later it
// may be possible, as soon as the peer has acknowledged what was sent and the
// application has read what came in. For an association of an Endpoint call Endpoint.Handover, which knows the
// key of its cookies and stays silent to its peer.
//
// Whoever has the state can take over the association, and whoever can change it
// decides what Resume makes: it must be kept secret and authenticated on its way, and
// resumed once at most. It has a version; releases with another one refuse it.
func (a *Association) Handover(now time.Time) ([]byte, error) {
	if o := a.HandoverObstacles(); o != 0 {
		return nil, &HandoverError{o}
	}
	b := a.snapshot(a.clock.read(now)).encode()
	a.end(ErrHandedOver)
	a.observe(a.clock.read(now))
	return b, nil
}

// Resume returns an association that goes on where the one ended whose Handover
// returned state. EventConnected is its first event. The ports are those of state;
// the seed must be a new one; the streams and extensions that cfg announces must be
// those that were announced to the peer. Buffers, timers and limits may differ.
//
// What is known of the path starts anew, as it may be another: round-trip time,
// congestion window, path MTU, congestion marks; and so do the statistics. Numbers, thresholds and
// priorities of streams stay.
//
// The error is a *ConfigError, or a *ResumeError if state is not one.
func Resume(now time.Time, cfg Config, state []byte) (*Association, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return newAlone(&cfg).resume(now, state)
}

// resume makes a new association the one that the state is of.
func (a *Association) resume(now time.Time, state []byte) (*Association, error) {
	var s handoverState
	if !s.decode(state) {
		return nil, &ResumeError{"not a state of this version"}
	}
	if !s.local.agrees(a.announced()) {
		return nil, &ResumeError{"Config announces other streams or extensions than the association did"}
	}
	if !s.valid() {
		return nil, &ResumeError{"the state contradicts itself"}
	}
	a.hs.learned = now.UnixNano()
	a.restore(a.clock.read(now), &s)
	a.observe(a.clock.read(now))
	return a, nil
}

// announced returns what the association announces, as its peer reads it.
func (a *Association) announced() *peerInit {
	f, err := readToken(a.InitToken(), a.cfg)
	if err != nil {
		panic("sctp: BUG: our own INIT is refused: " + err.Error())
	}
	return &f.peer
}

// unread reports whether something waits for the reader.
func (in *inbound) unread() bool {
	if in.entries > 0 {
		return true
	}
	for _, s := range in.streams.all() {
		if s.head != nil || s.waiting.len() > 0 {
			return true
		}
	}
	return false
}

// unsettled reports whether a stream is to be reset.
func (o *outbound) unsettled() bool {
	for _, s := range o.streams.all() {
		if s.reset != resetNone || s.asked {
			return true
		}
	}
	return false
}

// busy reports whether a request is going on, or an answer is to be sent.
func (r *reconfig) busy() bool {
	o, p := &r.own, &r.peer
	return o.inFlight || len(o.queue) > 0 || o.undrained > 0 || o.all || p.defers() || p.owes()
}

// waiting reports whether there is a packet.
func (s *strays) waiting() bool { return s.first != nil }
