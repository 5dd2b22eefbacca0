package sctp

import (
	"math"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// handoverState is what an association takes with it when it is handed over. To
// whoever resumes it, it is like the result of a handshake in which the next TSNs
// were agreed on as the initial ones; what a handshake does not know, the numbers of
// streams and of requests, stands beside.
type handoverState struct {
	localPort, remotePort uint16
	localTag              uint32
	nextTSN               wire.TSN // to assign
	peer                  peerInit // its initial TSN is the next one expected, its window the last advertised
	local                 peerInit // streams and extensions that we announced
	secret                [32]byte // key of cookies: a restart of the peer may be under way
	peerKind              PeerImplementation

	window  uint32 // that we advertised last, bytes
	first   bool   // no DATA has come in yet
	ackOwed bool   // a SACK was delayed

	requests handoverRequests
	allLow   uint32        // threshold of EventTotalBufferedAmountLow, plus 1; 0: none
	out      []handoverOut // by identifier
	in       []handoverIn  // by identifier
}

// handoverRequests is what RE-CONFIG requests have made of the association, and their
// numbers.
type handoverRequests struct {
	out, in   uint16 // streams, with those that were added
	seq, next wire.ReqSeq
	answers   [2]wire.ReconfigResponse
	answered  uint8
	last      *deferredReset
	pause     uint16 // until the next SSN/TSN reset may be requested, ms
}

// handoverOut is an outgoing stream, handoverIn an incoming one.
type handoverOut struct {
	id        uint16
	ordered   wire.MID
	unordered wire.MID
	priority  uint16
	threshold uint32
	used      bool
}

type handoverIn struct {
	id    uint16
	next  wire.MID
	floor wire.MID
}

// handoverMagic begins a state; the last byte is the version of the format.
const handoverMagic = "sluice-h\x00\x00\x00\x02"

// snapshot collects the state of an association that has no obstacles.
func (a *Association) snapshot(now instant) *handoverState {
	s := &handoverState{
		localPort: a.id.localPort, remotePort: a.id.remotePort, localTag: a.id.localTag,
		nextTSN: a.sent.next, peer: a.peer, local: *a.announced(),
		window: uint32(a.ack.advertised), first: a.ack.first, ackOwed: a.ack.due != ackNone,
	}
	s.local.tag, s.local.window, s.local.initialTSN = 0, 0, 0 // of no interest any more
	s.secret = *a.cookieKey()
	s.peerKind = a.hs.peerKind
	s.allLow = uint32(min(a.out.allLow, math.MaxInt32-1) + 1)
	s.peer.tag = a.id.peerTag
	s.peer.window = uint32(a.window.advertised)
	s.peer.initialTSN = a.tsns.cum.Add(1)
	r := &a.reconfig
	d := r.peer.known()
	s.requests = handoverRequests{uint16(r.out), uint16(r.in), r.own.seq, r.peer.next, d.answers, uint8(d.answered), d.last, r.own.pause(now)}
	for id, o := range a.out.streams.all() {
		s.out = append(s.out, handoverOut{id, o.ordered, o.unordered, o.priority, uint32(min(o.threshold, math.MaxInt32)), o.used})
	}
	for id, i := range a.in.streams.all() {
		s.in = append(s.in, handoverIn{id, i.next, i.floor})
	}
	return s
}

// pause returns how many milliseconds must pass until the next SSN/TSN reset.
func (r *requester) pause(now instant) uint16 {
	if r.resetAt.IsZero() {
		return 0
	}
	left := r.resetAt.Add(minResetPause).Sub(now)
	return uint16(min(max(left+time.Millisecond-1, 0), minResetPause) / time.Millisecond)
}

// restore makes a new association the one that the state is of.
func (a *Association) restore(now instant, s *handoverState) {
	a.id = identity{localPort: s.localPort, remotePort: s.remotePort, localTag: s.localTag, peerTag: s.peer.tag}
	a.hs.localTSN = s.nextTSN
	a.secret = s.secret
	a.peer, a.hs.peerKind = s.peer, s.peerKind
	a.establish(now, a.paths.primary())
	a.ack.advertised, a.ack.first = int(s.window), s.first
	if s.ackOwed {
		a.ack.now()
	}
	r, q := &a.reconfig, &s.requests
	r.out, r.in = int(q.out), int(q.in)
	r.own.seq, r.peer.next = q.seq, q.next
	if q.answered > 0 || q.last != nil {
		r.peer.dealings = &dealings{answers: q.answers, answered: int(q.answered), last: q.last}
	}
	if pause := time.Duration(q.pause) * time.Millisecond; pause > 0 {
		r.own.resetAt = now.Add(pause - minResetPause)
	}
	a.out.allLow = int(s.allLow) - 1
	for _, o := range s.out {
		t := a.out.stream(o.id)
		t.ordered, t.unordered, t.priority, t.threshold, t.used = o.ordered, o.unordered, o.priority, int(o.threshold), o.used
	}
	for _, i := range s.in {
		s := a.in.stream(i.id)
		s.next, s.floor = i.next, i.floor
	}
}

// valid reports whether the state is one that an association can have.
func (s *handoverState) valid() bool {
	good := s.localTag != 0 && s.peer.tag != 0 && s.localPort != 0 && s.remotePort != 0 &&
		s.peer.outStreams != 0 && s.peer.inStreams != 0 &&
		s.window <= math.MaxInt32 && s.peer.window <= math.MaxInt32 && s.requests.answered <= 2 && s.requests.out > 0 && s.requests.in > 0 &&
		time.Duration(s.requests.pause)*time.Millisecond <= minResetPause && s.allLow <= math.MaxInt32 && int(s.peerKind) < len(peerNames)
	last := -1
	for _, o := range s.out {
		good = good && int(o.id) > last && o.threshold <= math.MaxInt32
		last = int(o.id)
	}
	last = -1
	for _, i := range s.in {
		good = good && int(i.id) > last
		last = int(i.id)
	}
	return good
}

// encode writes the state. The same state gives the same bytes.
func (s *handoverState) encode() []byte {
	c := handoverCodec{b: []byte(handoverMagic)}
	c.state(s)
	return c.b
}

// decode reads a state, and reports whether b holds one of this version and nothing
// else. What it allocates is bounded by the length of b.
func (s *handoverState) decode(b []byte) bool {
	if len(b) < len(handoverMagic) || string(b[:len(handoverMagic)]) != handoverMagic {
		return false
	}
	c := handoverCodec{b: b[len(handoverMagic):], reading: true}
	c.state(s)
	return !c.bad && len(c.b) == 0
}

// handoverCodec writes or reads the fields of a state: one description of the
// format serves both. All numbers are big-endian.
type handoverCodec struct {
	b       []byte // what was written, or is left to read
	reading bool
	bad     bool // there was too little, or no value of its type
}

// state goes through all fields.
func (c *handoverCodec) state(s *handoverState) {
	c.u16(&s.localPort)
	c.u16(&s.remotePort)
	c.u32(&s.localTag)
	c.u32((*uint32)(&s.nextTSN))
	c.peer(&s.peer)
	c.peer(&s.local)
	c.bytes(s.secret[:])
	c.u8((*uint8)(&s.peerKind))
	c.u32(&s.window)
	c.flag(&s.first)
	c.flag(&s.ackOwed)
	c.requests(&s.requests)
	c.u32(&s.allLow)
	for i := range list(c, &s.out, 17) {
		o := &s.out[i]
		c.u16(&o.id)
		c.u32((*uint32)(&o.ordered))
		c.u32((*uint32)(&o.unordered))
		c.u16(&o.priority)
		c.u32(&o.threshold)
		c.flag(&o.used)
	}
	for i := range list(c, &s.in, 10) {
		c.u16(&s.in[i].id)
		c.u32((*uint32)(&s.in[i].next))
		c.u32((*uint32)(&s.in[i].floor))
	}
}

func (c *handoverCodec) peer(p *peerInit) {
	c.u32(&p.tag)
	c.u32(&p.window)
	c.u16(&p.outStreams)
	c.u16(&p.inStreams)
	c.u32((*uint32)(&p.initialTSN))
	f := p.features()
	c.u32(&f)
	if p.setFeatures(f); p.features() != f {
		c.bad = true
	}
}

func (c *handoverCodec) requests(r *handoverRequests) {
	c.u16(&r.out)
	c.u16(&r.in)
	c.u32((*uint32)(&r.seq))
	c.u32((*uint32)(&r.next))
	for i := range r.answers {
		a := &r.answers[i]
		c.u32((*uint32)(&a.RespSeq))
		c.u32((*uint32)(&a.Result))
		c.flag(&a.HasTSNs)
		c.u32((*uint32)(&a.SenderNextTSN))
		c.u32((*uint32)(&a.ReceiverNextTSN))
	}
	c.u8(&r.answered)
	var d deferredReset
	again := r.last != nil
	if again {
		d = *r.last
	}
	c.u32((*uint32)(&d.seq))
	c.u32((*uint32)(&d.lastTSN))
	c.flag(&again)
	for i := range list(c, &d.streams, 2) {
		c.u16(&d.streams[i])
	}
	if c.reading && again {
		r.last = &d
	}
	c.u16(&r.pause)
}

// list handles the length of a list, whose elements take size bytes each at least,
// makes it when reading, and returns its length.
func list[T any](c *handoverCodec, l *[]T, size int) int {
	n := uint32(len(*l))
	c.u32(&n)
	if c.reading {
		if c.bad || int64(n)*int64(size) > int64(len(c.b)) {
			c.bad = true
			return 0
		}
		*l = make([]T, n)
	}
	return int(n)
}

// bytes handles bytes of fixed length.
func (c *handoverCodec) bytes(v []byte) {
	switch {
	case !c.reading:
		c.b = append(c.b, v...)
	case len(c.b) < len(v):
		c.bad, c.b = true, nil
	default:
		c.b = c.b[copy(v, c.b):]
	}
}

func (c *handoverCodec) u8(v *uint8) {
	b := [1]byte{*v}
	c.bytes(b[:])
	*v = b[0]
}

func (c *handoverCodec) u16(v *uint16) {
	var b [2]byte
	be.PutUint16(b[:], *v)
	c.bytes(b[:])
	*v = be.Uint16(b[:])
}

func (c *handoverCodec) u32(v *uint32) {
	var b [4]byte
	be.PutUint32(b[:], *v)
	c.bytes(b[:])
	*v = be.Uint32(b[:])
}

func (c *handoverCodec) flag(v *bool) {
	var b uint8
	if *v {
		b = 1
	}
	c.u8(&b)
	*v = b == 1
	c.bad = c.bad || b > 1
}
