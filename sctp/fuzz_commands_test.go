package sctp

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// The operations of FuzzCommands. Bit 3 says which side does it; bit 4 makes a message in parts
// of what is sent, and a loan of what is read.
const (
	cmdSend = iota
	cmdRead
	cmdDeliver // a packet that is on its way, in some manner
	cmdTime
	cmdReset
	cmdSettle // everything arrives
	cmdMisc
	cmdConnect

	cmdSide  = 0x08
	cmdParts = 0x10
)

// FuzzCommands is two associations that are told to do things while a network between
// them is told what to do with each packet. Everything that was read must be what was
// sent, as often and in the order that it may be; and when the network is good again,
// all that is reliable arrives.
func FuzzCommands(f *testing.F) {
	f.Fuzz(func(t *testing.T, in []byte) {
		p := newFuzzPair(t, (*script)(&in))
		s := script(in)
		for range 400 {
			if len(s) == 0 {
				break
			}
			op := s.byte()
			p.do(op, p.sides[op&cmdSide>>3], &s)
			p.collect()
		}
		p.finish()
	})
}

// fuzzPair is the world of FuzzCommands.
type fuzzPair struct {
	t       *testing.T
	now     time.Time
	sides   [2]*fuzzSide
	endless bool // some end was abrupt, or a side gave up: not everything need arrive

	carried  int       // largest packet that arrives whole, bytes; 0: any
	troubled time.Time // when a packet was last lost, damaged, or on its way while time passed
}

// fuzzSide is one of the associations, with what is on its way to it.
type fuzzSide struct {
	a    *Association
	peer *fuzzSide
	wire []fuzzPacket

	sent   map[uint32]*fuzzMessage // by number, which is their first 4 bytes
	lent   []fuzzLoan
	stream [8]struct {
		open    *fuzzMessage // in parts, that has not ended
		done    int          // resets reported done to us
		epoch   int          // resets that the peer may have performed
		read    int          // resets read
		next    uint32       // least number that may come next in order
		reading []byte
	}
	err       error
	connected bool
	ended     bool
	endedAt   time.Time
}

// fuzzPacket is a packet on its way.
type fuzzPacket struct {
	b   []byte
	ecn ECN
}

// fuzzMessage is a message that was accepted.
type fuzzMessage struct {
	n        int
	stream   uint16
	ordered  bool
	reliable bool
	read     bool
	open     bool // in parts, and has not ended
}

func newFuzzPair(t *testing.T, s *script) *fuzzPair {
	p := &fuzzPair{t: t, now: time.Unix(1_000_000, 0)}
	for i := range p.sides {
		a, err := New(s.config(byte(i + 1)))
		if err != nil {
			t.Fatal(err)
		}
		p.sides[i] = &fuzzSide{a: a, sent: map[uint32]*fuzzMessage{}}
	}
	p.sides[0].peer, p.sides[1].peer = p.sides[1], p.sides[0]
	switch b := s.byte(); {
	case b&1 == 1:
	case b&2 == 0: // the usual beginning
		p.sides[0].a.Connect(p.now)
		p.settle()
	default:
		p.exchangeTokens(b)
	}
	return p
}

// exchangeTokens connects by INIT tokens (SNAP). A side that has no use for the one it
// got begins a handshake.
func (p *fuzzPair) exchangeTokens(b byte) {
	for i, x := range p.sides {
		if b>>(2+i)&1 == 1 {
			x.a.Connect(p.now)
		} else if err := x.a.ConnectWithToken(p.now, x.peer.a.InitToken()); err != nil {
			p.t.Fatal(err)
		}
	}
}

// do carries out one operation.
func (p *fuzzPair) do(op byte, x *fuzzSide, s *script) {
	switch parts := op&cmdParts != 0; op & opMask {
	case cmdSend:
		if parts {
			p.sendPart(x, s)
		} else {
			p.send(x, s.message())
		}
	case cmdRead:
		if b := s.byte(); parts {
			p.borrow(x, uint16(b&7))
		} else {
			p.read(x, uint16(b&7), 1+int(b>>3)*100)
		}
	case cmdDeliver:
		p.deliver(x, s.byte())
	case cmdTime:
		p.wait(s.byte())
	case cmdReset:
		switch b := s.byte(); b >> 5 {
		default:
			x.a.ResetStreams(p.now, uint16(b&7))
		case 5:
			x.a.RequestReset(p.now, uint16(b&7))
		case 6:
			x.a.AddStreams(p.now, int(b&7), int(b>>3&3))
		case 7:
			x.a.ResetAssociation(p.now)
		}
	case cmdSettle:
		p.settle()
	case cmdConnect:
		x.a.Connect(p.now)
	case cmdMisc:
		switch b := s.byte(); {
		case b < 4:
			p.endless = true
			x.a.Abort(p.now, "fuzz")
		case b < 40:
			x.a.Shutdown(p.now)
		case b < 80:
			x.a.SetStreamPriority(uint16(b&7), uint16(b)*100)
		case b >= 252: // the route changes
			p.carried = []int{0, 1500, 1200, 700}[b&3]
			p.troubled = p.now
		case b >= 248:
			x.a.PathChanged(p.now, 0)
		default:
			x.a.SetBufferedAmountLowThreshold(uint16(b&7), int(b)*16)
		}
	}
}

func (p *fuzzPair) send(x *fuzzSide, m Message) {
	m.Payload = append(make([]byte, 4), m.Payload...)
	number := uint32(len(x.sent))
	binary.BigEndian.PutUint32(m.Payload, number)
	if x.a.Send(p.now, m) == nil {
		x.sent[number] = &fuzzMessage{
			n: len(m.Payload), stream: m.Stream, ordered: !m.Unordered, reliable: m.Reliability == Reliability{},
		}
	}
}

// read reads up to n bytes, and judges a message when it is whole.
func (p *fuzzPair) read(x *fuzzSide, stream uint16, n int) error {
	buf := make([]byte, n)
	k, info, err := x.a.Read(p.now, stream, buf)
	return p.took(x, stream, buf[:k], info, err)
}

// took takes what reading has returned.
func (p *fuzzPair) took(x *fuzzSide, stream uint16, b []byte, info MessageInfo, err error) error {
	st := &x.stream[stream]
	switch {
	case err == io.EOF:
		if st.read++; st.read > x.peer.stream[stream].epoch {
			p.t.Fatalf("stream %d was reset %d times, read %d", stream, x.peer.stream[stream].epoch, st.read)
		}
		fallthrough
	case err == ErrMessageAborted:
		st.reading = st.reading[:0]
	case err == nil:
		st.reading = append(st.reading, b...)
		if info.Complete {
			p.judge(x, stream, st.reading)
			st.reading = st.reading[:0]
		}
	}
	return err
}

// judge compares a message that side x has read with what was sent.
func (p *fuzzPair) judge(x *fuzzSide, stream uint16, b []byte) {
	if len(b) < 4 {
		p.t.Fatalf("a message of %d bytes", len(b))
	}
	number := binary.BigEndian.Uint32(b)
	m := x.peer.sent[number]
	switch st := &x.stream[stream]; {
	case m == nil || m.n != len(b) || m.stream != stream:
		p.t.Fatalf("message %d of %d bytes on stream %d was not sent", number, len(b), stream)
	case m.read:
		p.t.Fatalf("message %d was read twice", number)
	case m.open:
		p.t.Fatalf("message %d was read, and has not ended", number)
	case m.ordered && number < st.next:
		p.t.Fatalf("message %d was read after %d", number, st.next-1)
	case m.ordered:
		st.next = number + 1
	}
	for i, c := range b[4:] {
		if c != byte(i*7) {
			p.t.Fatalf("message %d is damaged at %d", number, i)
		}
	}
	m.read = true
}

// deliver does something to the packets on their way to x.
func (p *fuzzPair) deliver(x *fuzzSide, how byte) {
	if len(x.wire) == 0 {
		return
	}
	i := int(how>>3) % len(x.wire)
	b := x.wire[i]
	switch how & 7 {
	case 0: // lost
		p.troubled = p.now
	case 1: // twice
		p.handle(x, b)
		p.handle(x, b)
	case 2: // damaged
		if wire.Packet(b.b).Checksum() != 0 { // else the lower layer does not damage packets
			p.troubled = p.now
			b.b[len(b.b)/2] ^= 1 << (how >> 5)
			b.b = b.b[:len(b.b)-len(b.b)/2%8]
			p.handle(x, b)
		}
	case 3: // many, in order
		for range min(1+int(how>>3), len(x.wire)) {
			b := x.wire[0]
			x.wire = x.wire[1:]
			p.handle(x, b)
		}
		return
	case 4: // again later
		p.handle(x, b)
		return
	case 7: // through a queue that marks
		if b.ecn == ECT0 {
			b.ecn = CE
		}
		fallthrough
	default:
		p.handle(x, b)
	}
	x.wire = append(x.wire[:i], x.wire[i+1:]...)
}

func (p *fuzzPair) handle(x *fuzzSide, b fuzzPacket) {
	x.a.HandlePacketECN(p.now, 0, append([]byte(nil), b.b...), b.ecn)
	p.drain()
}

// collect drains both associations, and looks whether all is well.
func (p *fuzzPair) collect() {
	p.drain()
	for _, x := range p.sides {
		if s := x.a.invariants(p.now); s != "" {
			p.t.Fatalf("%v: %s", x.a.State(), s)
		}
		for _, r := range x.a.in.fragments.runs {
			if !r.begin && wire.TSN(r.first).AtOrBefore(x.a.tsns.cum.Add(1)) {
				p.t.Fatalf("the beginning of the message with fragment %d will not come, cum is %d", r.first, x.a.tsns.cum)
			}
		}
	}
}

func (p *fuzzPair) drain() {
	for _, x := range p.sides {
		for n := 0; ; n++ {
			tx, ok := x.a.Transmit(p.now, nil)
			if !ok {
				break
			}
			if s := x.a.checkPacket(tx.Packet); s != "" {
				p.t.Fatalf("%s: %x", s, tx.Packet)
			}
			if n > 3000 {
				p.t.Fatal("it sends without end")
			}
			if !tx.Whole || p.carried == 0 || len(tx.Packet) <= p.carried {
				x.peer.wire = append(x.peer.wire, fuzzPacket{tx.Packet, tx.ECN})
			}
		}
		for e, ok := x.a.NextEvent(); ok; e, ok = x.a.NextEvent() {
			switch e.Kind {
			case EventConnected:
				x.connected = true
			case EventClosed:
				x.ended, x.err, x.endedAt = true, e.Err, p.now
				p.endless = p.endless || !x.connected
			case EventRestarted:
				p.endless = true
				for i := range x.stream {
					x.stream[i].open = nil
				}
			case EventMessageAbandoned:
				x.gone(e)
			case EventStreamResetDone:
				if int(e.Stream) < len(x.stream) {
					x.stream[e.Stream].done++
				}
			}
		}
		for i := range x.stream { // a reset counts from when the request may be sent
			if s := x.a.out.streams.get(uint16(i)); s != nil {
				st := &x.stream[i]
				st.epoch = max(st.epoch, st.done)
				if s.reset == resetSent {
					st.epoch = max(st.epoch, st.done+1)
				}
			}
		}
	}
}

// settle lets everything on its way arrive.
func (p *fuzzPair) settle() {
	p.collect()
	for range 10_000 {
		if len(p.sides[0].wire)+len(p.sides[1].wire) == 0 {
			return
		}
		for _, x := range p.sides {
			for n := len(x.wire); n > 0; n-- {
				b := x.wire[0]
				x.wire = x.wire[1:]
				p.handle(x, b)
			}
		}
		p.collect()
	}
	p.t.Fatal("they send without end")
}

// wait lets some milliseconds pass, or as much as to the next deadline.
func (p *fuzzPair) wait(ms byte) {
	end, any := p.now.Add(time.Duration(ms)*time.Millisecond), ms == 255
	for _, x := range p.sides {
		if at, ok := x.a.Timeout(); ok && (any || at.Before(end)) {
			end, any = at, false
		}
	}
	if end.After(p.now) {
		p.now = end
		if len(p.sides[0].wire)+len(p.sides[1].wire) > 0 {
			p.troubled = p.now
		}
	}
	for _, x := range p.sides {
		if at, ok := x.a.Timeout(); !ok || at.After(p.now) {
			continue
		}
		x.a.HandleTimeout(p.now)
		if at, ok := x.a.Timeout(); ok && !at.After(p.now) {
			p.t.Fatalf("deadline %v is not after %v, which was handled", at, p.now)
		}
	}
}

// finish makes the network good and the readers quick, and wants everything to arrive
// that must, and both sides to end if one was told to.
func (p *fuzzPair) finish() {
	begun := p.now
	for _, x := range p.sides {
		for i := range x.stream {
			x.a.Cancel(p.now, uint16(i))
		}
	}
	for n := 0; n < 2000 || n < 100_000 && p.now.Sub(begun) < 5*time.Minute; n++ { // a timer may be of a millisecond
		p.settle()
		for _, x := range p.sides {
			for i := range x.stream {
				for x.a.in.streams.get(uint16(i)) != nil {
					if err := p.read(x, uint16(i), 4096); err != nil && err != io.EOF && err != ErrMessageAborted {
						break
					}
				}
			}
		}
		p.collect()
		if len(p.sides[0].wire)+len(p.sides[1].wire) > 0 {
			continue
		}
		if p.quiet() {
			break
		}
		p.wait(255)
	}
	for _, x := range p.sides {
		p.endless = p.endless || p.excused(x)
	}
	if p.endless {
		return
	}
	for i, x := range p.sides {
		if x.ended != x.peer.ended || x.err != nil {
			p.t.Fatalf("side %d ended: %v %v", i, x.ended, x.err)
		}
		for number, m := range x.sent {
			if m.reliable && !m.read {
				p.t.Errorf("message %d of side %d, %+v, did not arrive", number, i, *m)
			}
		}
		if s := x.a.Stats(); s.SendBuffered > 0 || s.ReceiveBuffered > 0 {
			p.t.Errorf("side %d: %d bytes buffered, %d held", i, s.SendBuffered, s.ReceiveBuffered)
		}
	}
}

// excused reports whether a side has given up because the network was bad for long
// before, as long as it has to wait, or because it waits for less than what its peer
// takes to send something again.
func (p *fuzzPair) excused(x *fuzzSide) bool {
	c := x.a.cfg
	var aborted *AbortedError
	patience := time.Duration(0)
	switch {
	case errors.Is(x.err, ErrPeerUnreachable):
		if p.hasty(x) || misled(x) || misled(x.peer) {
			return true
		}
		patience = time.Duration(c.MaxRetransmits+2) * c.RTOMax
	case errors.Is(x.err, ErrHandshakeTimeout):
		patience = time.Duration(c.MaxInitRetransmits+2) * c.RTOMax
	case errors.As(x.err, &aborted) && aborted.Info == "shutdown took too long": // 9260-9.2-c
		patience = max(5*c.RTOMax, minGuard)
	default:
		return false
	}
	return !p.troubled.IsZero() && x.endedAt.Sub(p.troubled) <= patience
}

// hasty reports whether a side gives its peer up before that has sent something again
// that it had to drop, and again.
func (p *fuzzPair) hasty(x *fuzzSide) bool {
	total, rto := time.Duration(0), x.a.cfg.RTOMin
	for range x.a.cfg.MaxRetransmits + 1 {
		total += rto
		rto = min(2*rto, x.a.cfg.RTOMax)
	}
	return total < 2*x.peer.a.cfg.RTOInitial
}

// misled reports whether a side began its handshake anew, because an ERROR that called its cookie
// stale came twice, and took the COOKIE ACK for the first of the two cookies that followed as one for
// the second. Then it has a tag that its peer never took up, and nothing on the wire says so.
func misled(x *fuzzSide) bool {
	return x.a.hs.stale > 1 && x.a.id.peerTag != x.peer.a.id.localTag
}

// quiet reports whether nothing is left that time would bring.
func (p *fuzzPair) quiet() bool {
	for _, x := range p.sides {
		a := x.a
		if a.State() != Closed && a.State() != Established || a.ended != x.peer.a.ended {
			return false
		}
		if a.State() == Established && (a.out.queued > 0 || a.sent.span() > 0 || a.reconfig.own.inFlight || len(a.reconfig.own.queue) > 0) {
			return false
		}
	}
	return true
}
