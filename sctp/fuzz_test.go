package sctp

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// Both fuzz targets read their input as a script of operations, each a byte with
// arguments behind it. Their seeds are in testdata/fuzz.

// A script is the rest of the input.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

func (s *script) uint16() int { return int(s.byte())<<8 | int(s.byte()) }

func (s *script) bytes(n int) []byte {
	b := (*s)[:min(n, len(*s))]
	*s = (*s)[len(b):]
	return b
}

// config is one of some configurations, in four bytes of which 0 is all defaults, but
// that resets of the association are allowed.
func (s *script) config(seed byte) Config {
	b, c, d, e := s.byte(), s.byte(), s.byte(), s.byte()
	cfg := Config{
		Seed:          [32]byte{seed},
		Scheduler:     Scheduler(b % 6),
		MTU:           []int{1188, 512, 1191, 9000}[b&3],
		ReceiveBuffer: []int{2 << 20, 4096, 20_000, 1 << 17}[b>>2&3],
		SendBuffer:    []int{2 << 20, 1, 5000, 1 << 17}[b>>4&3],
		Frugal:        b>>2&15 == 9, // small buffers, both
		ZeroChecksum:  ErrorDetection(b >> 6 & 1),
		MaxBurst:      []int{4, 1}[b>>7],

		CongestionControl: []CongestionControl{CUBIC, Reno, BBR, BBR}[c&3],
		LossDetection:     LossDetection(c >> 2 & 1),
		NoInterleaving:    c>>3&1 == 1,
		NRSACK:            c>>4&1 == 1 && b>>2&15 != 9, // not with Frugal
		ECN:               c>>5&1 == 1,
		MaxMTU:            []int{0, -1, 1300, 20_000}[c>>6],

		InitialWindow:   []int{0, 512, 20_000, 200_000}[d&3],
		OutboundStreams: []uint16{0, 1, 6, 300}[d>>4&3],
		InboundStreams:  []uint16{0, 300, 1, 6}[d>>4&3],
		SackDelay:       []time.Duration{0, time.Millisecond}[d>>6&1],

		HeartbeatInterval: []time.Duration{0, -1, 100 * time.Millisecond, 0}[e&3],
		CookieLife:        []time.Duration{0, 50 * time.Millisecond}[e>>2&1],
		MaxRetransmits:    []int{0, 2}[e>>3&1],
		PeerReconfig:      ReconfigPolicy{DenyResets: e>>4&1 == 1, DenyStreams: e>>5&1 == 1, AllowAssociationReset: e>>6&1 == 0},
	}
	switch d >> 2 & 3 {
	case 1:
		cfg.RTOInitial, cfg.RTOMin, cfg.RTOMax = 100*time.Millisecond, 20*time.Millisecond, 1500*time.Millisecond
	case 2:
		cfg.RTOInitial, cfg.RTOMin, cfg.RTOMax = time.Millisecond, time.Millisecond, 5*time.Second
	}
	if d>>7 == 1 {
		cfg.MaxInitRetransmits = 2
	}
	if e>>7 == 1 {
		cfg.Trace = deafTracer{}
	}
	return cfg
}

// deafTracer has everything told, and takes nothing from it.
type deafTracer struct{}

func (deafTracer) Trace(TraceEvent) {}

// message is a message to send.
func (s *script) message() Message {
	b := s.byte()
	m := Message{Stream: uint16(b & 7), Unordered: b&8 != 0, PPID: uint32(b)}
	switch b >> 4 & 7 {
	case 0:
		m.Reliability = rexmit(uint16(b >> 7))
	case 1:
		m.Reliability = lifetime(time.Duration(s.byte()) * 10 * time.Millisecond)
	case 3:
		m.Reliability = priority(uint32(s.byte()))
	}
	n := int(s.byte()) * 8
	if b>>4&7 == 2 {
		n *= 8
	}
	m.Payload = make([]byte, n)
	for i := range m.Payload {
		m.Payload[i] = byte(i * 7)
	}
	return m
}

// The operations of FuzzEstablished; bits above opMask modify opPacket.
const (
	opPacket = iota // length, chunks
	opSend
	opRead
	opWait
	opTimer
	opReset
	opEnd
	opMask = 7

	opAbsolute = 0x08 // the numbers in the packet are not moved to where they matter
	opTagOther = 0x10 // the tag is the peer's
	opTagZero  = 0x20
)

// FuzzEstablished is an established association whose peer sends anything.
func FuzzEstablished(f *testing.F) {
	f.Fuzz(func(t *testing.T, in []byte) {
		s := script(in)
		e := &established{testConn: newTestConn(t, s.config(1))}
		params := e.peerParams
		e.peerParams = func(b []byte, chunk int) []byte {
			b = wire.AppendParam(params(b, chunk), chunk, wire.ParamECN, nil)
			return wire.AppendParam(b, chunk, wire.ParamExtensions, []byte{byte(wire.TypeIData), byte(wire.TypeIForwardTSN), byte(wire.TypeNRSack)})
		}
		e.shakeHands()
		e.settle()
		for range 300 {
			if len(s) == 0 {
				break
			}
			switch op := s.byte(); op & opMask {
			case opPacket:
				e.packet(op, s.bytes(s.uint16()))
			case opSend:
				if m := s.message(); len(m.Payload) > 0 {
					e.a.Send(e.now, m)
				}
			case opRead:
				var buf [5000]byte
				e.a.Read(e.now, uint16(s.byte()&7), buf[:s.byte()*16])
			case opWait:
				e.now = e.now.Add(time.Duration(s.byte()) * time.Millisecond)
			case opTimer:
				if at, ok := e.a.Timeout(); ok {
					if at.After(e.now) {
						e.now = at
					}
					e.a.HandleTimeout(e.now)
					if at, ok := e.a.Timeout(); ok && !at.After(e.now) {
						t.Fatalf("deadline %v is not after %v, which was handled", at, e.now)
					}
				}
			case opReset:
				switch b := s.byte(); b >> 5 {
				default:
					e.a.ResetStreams(e.now, uint16(b&7))
				case 4:
					e.a.PathChanged(e.now, 0)
				case 5:
					e.a.RequestReset(e.now, uint16(b&7))
				case 6:
					e.a.AddStreams(e.now, int(b&3), int(b>>2&3))
				case 7:
					e.a.ResetAssociation(e.now)
				}
			case opEnd:
				if s.byte()&7 == 0 {
					e.a.Abort(e.now, "fuzz")
				} else {
					e.a.Shutdown(e.now)
				}
			}
			e.settle()
		}
	})
}

// established is the association of FuzzEstablished.
type established struct {
	*testConn
	initTag uint32 // of the last INIT ACK that it sent
}

// settle drains the association and looks whether all is well.
func (e *established) settle() {
	var buf [9000]byte
	for n := 0; ; n++ {
		tx, ok := e.a.Transmit(e.now, buf[:0])
		if !ok {
			break
		}
		if s := e.a.checkPacket(tx.Packet); s != "" {
			e.t.Fatalf("%s: %x", s, tx.Packet)
		}
		if n > 3000 {
			e.t.Fatal("it sends without end")
		}
		e.remember(tx.Packet)
	}
	for n := 0; ; n++ {
		if _, ok := e.a.NextEvent(); !ok {
			break
		}
		if n > 1<<17 {
			e.t.Fatal("events without end")
		}
	}
	if s := e.a.invariants(e.now); s != "" {
		e.t.Fatalf("%v: %s", e.a.State(), s)
	}
}

// remember keeps what a peer would echo.
func (e *established) remember(packet []byte) {
	it := wire.Packet(packet).Chunks()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		switch c.Type() {
		case wire.TypeHeartbeat:
			info, _ := c.HeartbeatInfo()
			e.lastInfo = append(e.lastInfo[:0], info...)
		case wire.TypeInitAck:
			in, _ := c.InitAck()
			e.initTag = in.Tag
			for p, ok := in.Params.Next(); ok; p, ok = in.Params.Next() {
				if p.Type() == wire.ParamStateCookie {
					e.cookie = append(e.cookie[:0], p.Value()...)
				}
			}
		}
	}
}

// packet hands over a packet of these chunks, which the input only has to get roughly
// right.
func (e *established) packet(op byte, chunks []byte) {
	tag := e.a.id.localTag
	b := wire.AppendHeader(nil, 5000, 5000, 0)
	b = append(b, chunks...)
	if op&opAbsolute == 0 {
		b = e.move(b, &tag)
	}
	if len(b) > wire.HeaderLen && wire.ChunkType(b[wire.HeaderLen]) == wire.TypeInit || op&opTagZero != 0 {
		tag = 0
	}
	if op&opTagOther != 0 {
		tag = e.a.id.peerTag
	}
	binary.BigEndian.PutUint32(b[4:], tag)
	wire.SetChecksum(b)
	e.a.HandlePacketECN(e.now, 0, b, ECN(op>>6))
}

// move adds to the numbers in the chunks what makes small ones matter, and puts in
// the last cookie and the last Heartbeat Info.
func (e *established) move(b []byte, tag *uint32) []byte {
	add := func(b []byte, n uint32) {
		if len(b) >= 4 {
			binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)+n)
		}
	}
	it := wire.Packet(b).Chunks()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		switch v := c.Value(); c.Type() {
		case wire.TypeData, wire.TypeForwardTSN, wire.TypeIData, wire.TypeIForwardTSN, wire.TypeCWR:
			add(v, uint32(e.a.tsns.cum))
		case wire.TypeSack, wire.TypeNRSack, wire.TypeShutdown, wire.TypeECNE:
			add(v, uint32(e.a.sent.cum))
		case wire.TypeReconfig:
			params := wire.ParseParams(v)
			for p, ok := params.Next(); ok; p, ok = params.Next() {
				if v := p.Value(); p.Type() == wire.ParamReconfigResponse {
					add(v, uint32(e.a.reconfig.own.seq))
				} else if add(v, uint32(e.a.reconfig.peer.next)); p.Type() == wire.ParamOutReset && len(v) >= 12 {
					add(v[8:], uint32(e.a.tsns.cum))
				}
			}
		case wire.TypeCookieEcho:
			*tag = e.initTag
			return wire.AppendChunk(b[:wire.HeaderLen], wire.TypeCookieEcho, 0, e.cookie)
		case wire.TypeHeartbeatAck:
			return wire.AppendHeartbeat(b[:wire.HeaderLen], wire.TypeHeartbeatAck, e.lastInfo)
		}
	}
	return b
}
