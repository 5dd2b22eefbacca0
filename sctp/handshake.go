package sctp

import (
	"math"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// identity is what tells an association from others on the wire.
type identity struct {
	localTag              uint32 // expected in packets from the peer
	peerTag               uint32 // sent in packets to the peer; 0 before it is known
	localPort, remotePort uint16
}

// handshake sets up the association (RFC 9260, section 5). Who answers needs no more than
// what is left of it when it is over; who begins has an attempt.
type handshake struct {
	*attempt           // nil: none is under way
	learned   int64    // when what is known of the peer was, its INIT ACK or the INIT of its cookie: Unix time, ns
	localTSN  wire.TSN // our initial TSN
	stale     int32    // cookies of the peer that it called stale
	snap      snapState
	cookieAck bool // a COOKIE ACK is to be sent
	peerKind  PeerImplementation
}

// attempt is what is to be kept of a handshake that we began. It owns the timers T1-init and
// T1-cookie, of which one runs at a time.
type attempt struct {
	t1           timer
	due          bool   // the INIT or COOKIE ECHO is to be sent
	cookie       []byte // to echo, in room if it is no longer than ours
	unrecognized []byte // parameters of the INIT ACK to report
	transmits    int
	quick        time.Duration // until the INIT or COOKIE ECHO is sent again, doubled each time, as long as RTO is more; zero: not known
	quicks       int           // transmissions of this step that waited so
	preserve     time.Duration // longer life to ask for, of the next one
	sentAt       instant       // the last of them
	room         [cookieLen]byte
}

// retry takes an expiry of T1 and reports whether there is one more try.
func (h *attempt) retry(limit int) bool {
	h.due = h.transmits-h.quicks <= limit
	return h.due
}

// sent takes note of a transmission and starts T1.
func (h *attempt) sent(now instant, rto time.Duration) {
	h.due = false
	h.transmits++
	h.sentAt = now
	if quick := h.quick << min(h.transmits-1, 16); quick > 0 && quick < rto && h.quicks == h.transmits-1 {
		h.quicks++
		rto = quick
	}
	h.t1.start(now, rto)
}

// wasQuick reports whether the last transmission waited for less than RTO.
func (h *attempt) wasQuick() bool { return h.quicks == h.transmits }

// begin returns the attempt, which begins now unless one is under way.
func (h *handshake) begin() *attempt {
	if h.attempt == nil {
		h.attempt = new(attempt)
	}
	return h.attempt
}

// next begins the next step of the handshake, with its own count of transmissions.
func (h *attempt) next() { h.due, h.transmits, h.quicks = true, 0, 0; h.t1.stop() }

// minQuick is the least time after which INIT and COOKIE ECHO are sent again: what
// answers them is not delayed as a SACK may be, but the peer has to work for it.
const minQuick = 50 * time.Millisecond

// ExpectRTT says what the round-trip time to the peer is, as something below has
// measured it, ICE for example; to be called before Connect. Then the timeouts do not
// begin at Config.RTOInitial, but at what follows from that time by the rules for a first
// measurement (RFC 9260, section 6.3.1), not below Config.RTOMin. The minimum does not hold
// for INIT and COOKIE ECHO, whose answers nobody delays: these are sent again after three round-trip times,
// 50 ms at least, then after twice as long, until that exceeds the RTO, and only from then on count
// for Config.MaxInitRetransmits. The first measurement of the association replaces the expectation.
func (a *Association) ExpectRTT(rtt time.Duration) {
	if rtt <= 0 || a.state != Closed {
		return
	}
	rtt = min(rtt, a.cfg.RTOMax)
	a.paths.primary().rto.expect(rtt)
	a.hs.begin().quick = max(3*rtt, minQuick)
}

// finish ends the handshake.
func (h *handshake) finish() { h.attempt, h.snap = nil, snapNone }

// appendCookieEcho appends the COOKIE ECHO, and the report on parameters of the
// INIT ACK behind it (RFC 9260, section 3.2.2).
func (h *attempt) appendCookieEcho(p *builder) {
	p.crc = true
	p.b = wire.AppendChunk(p.b, wire.TypeCookieEcho, 0, h.cookie)
	if n := len(h.unrecognized); n > 0 && n+8 <= p.room() {
		start := len(p.b)
		p.b = wire.BeginChunk(p.b, wire.TypeError, 0)
		p.b = wire.AppendCause(p.b, start, wire.CauseUnrecognizedParams, h.unrecognized)
		p.b = wire.EndChunk(p.b, start)
	}
}

// collision is what a COOKIE ECHO means to an association that exists (RFC 9260,
// section 5.2.4, table 12).
type collision uint8

const (
	collisionNone    collision = iota // discard
	collisionRestart                  // A: the peer has restarted
	collisionCrossed                  // B: both INITs crossed
	collisionLate                     // C: a cookie of an earlier try
	collisionSame                     // D: it was lost, or its COOKIE ACK
)

// collide compares a cookie with the association.
func (id *identity) collide(c *cookie) collision {
	local, peer := c.localTag == id.localTag, c.peer.tag == id.peerTag
	tied := c.localTie == id.localTag && c.peerTie == id.peerTag
	noTie := c.localTie == 0 && c.peerTie == 0
	switch {
	case local && peer:
		return collisionSame
	case local:
		return collisionCrossed
	case peer && noTie:
		return collisionLate
	case !peer && tied:
		return collisionRestart
	}
	return collisionNone
}

// overtaken says what crossed INITs mean once the association is established: with
// another start of the peer than the one that sent the cookie. Table 12 only changes
// the peer's tag (B), and leaves the two with different ideas of the TSNs. If the cookie
// was made after that other start had been heard of, whoever echoes it is the later one:
// a restart. Else it may be the earlier: discard, as in C; if it is not, its cookie gets
// stale and it begins again.
func (h *handshake) overtaken(c *cookie) collision {
	if c.created.UnixNano() > h.learned {
		return collisionRestart
	}
	return collisionLate
}

// again starts over with a new INIT after the peer called its cookie stale, unless
// it did so too often, as one with a broken clock does. The INIT asks for a cookie that
// lives longer, by the round-trip time of the COOKIE ECHO and a second at most: a
// cookie that lives long can be replayed for long (RFC 9260, section 5.2.6). If the
// COOKIE ECHO was sent more than once, srtt stands in for its round trip.
func (h *handshake) again(now instant, srtt time.Duration, limit int) bool {
	h.stale++
	if h.transmits == 1 {
		srtt = now.Sub(h.sentAt)
	}
	h.preserve = srtt + preserveMargin
	h.due, h.cookie, h.unrecognized = true, nil, nil
	h.t1.stop()
	return int(h.stale) <= limit
}

// preserveMargin is what a Cookie Preservative asks for beyond the round-trip time.
const preserveMargin = time.Second

// appendPreservative appends a Cookie Preservative to the INIT at start, if one is due.
func (h *attempt) appendPreservative(b []byte, start int) []byte {
	if h.preserve <= 0 {
		return b
	}
	ms := uint32(min(h.preserve.Milliseconds(), math.MaxUint32))
	return wire.EndChunk(wire.AppendParamUint32(b, start, wire.ParamCookiePreservative, ms), start)
}
