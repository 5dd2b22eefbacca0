package sctp

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// testConn is an association whose peer is the test, which speaks in chunks:
//
//	tc := newTestConn(t, Config{})
//	tc.connect()                                        // handshake by hand
//	tc.write(data{tsn: 0, flags: whole, payload: "x"})  // a packet from the peer
//	tc.want("first DATA is acknowledged at once", "SACK cum=0 ...")
//	tc.advanceToTimer()                                 // the next deadline
//
// Chunks sent by the association are matched as text, field=value in the order
// of describe; want takes the next packet's chunks, wantIdle wants none left.
// TSNs are shown relative to the initial TSN of their sender, tags as words.
type testConn struct {
	t   testing.TB
	a   *Association
	now time.Time

	peerTag     uint32
	peerTSN     wire.TSN // initial TSN of the peer
	localTSN    wire.TSN // initial TSN of the association, once seen
	localTag    uint32
	cookie      []byte
	lastInfo    []byte // of the last HEARTBEAT sent by the association
	buf         []byte // for Transmit
	sent        [][]byte
	events      []Event
	zeroWrites  bool // write packets with a zero checksum
	peerWindow  uint32
	peerStreams uint16
	peerCookie  string                           // "" for one of nobody's
	peerParams  func(b []byte, chunk int) []byte // appended to the peer's INIT and INIT ACK
}

const (
	testPeerTag = 0x5EE55EE5
	whole       = wire.FlagBegin | wire.FlagEnd
)

func newTestConn(t testing.TB, cfg Config) *testConn {
	t.Helper()
	if cfg.Seed == ([32]byte{}) {
		cfg.Seed = [32]byte{7}
	}
	if cfg.MaxMTU == 0 {
		cfg.MaxMTU = -1 // probes only where they are the subject
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tc := &testConn{
		t: t, a: a, now: time.Unix(1_000_000, 0),
		peerTag: testPeerTag, peerTSN: 100, peerWindow: 1 << 20, peerStreams: 65535,
	}
	tc.peerParams = func(b []byte, chunk int) []byte {
		b = wire.AppendParam(b, chunk, wire.ParamForwardTSN, nil)
		return wire.AppendParam(b, chunk, wire.ParamExtensions, []byte{byte(wire.TypeReconfig), byte(wire.TypeForwardTSN)})
	}
	return tc
}

// newInterleaved returns a testConn in ESTABLISHED whose peer supports I-DATA.
func newInterleaved(t testing.TB, cfg Config) *testConn {
	t.Helper()
	tc := newTestConn(t, cfg)
	tc.peerParams = extensions(wire.TypeReconfig, wire.TypeForwardTSN, wire.TypeIData, wire.TypeIForwardTSN)
	tc.connect()
	return tc
}

// extensions are the parameters of a peer that supports these chunks.
func extensions(types ...wire.ChunkType) func(b []byte, chunk int) []byte {
	return func(b []byte, chunk int) []byte {
		var list []byte
		for _, t := range types {
			list = append(list, byte(t))
		}
		return wire.AppendParam(b, chunk, wire.ParamExtensions, list)
	}
}

// newConnected returns a testConn in ESTABLISHED that has initiated.
func newConnected(t testing.TB, cfg Config) *testConn {
	t.Helper()
	tc := newTestConn(t, cfg)
	tc.connect()
	return tc
}

// connect goes through the handshake as the association initiates it. It takes no
// time, which is to be no measurement of a round trip that probes could go by.
func (tc *testConn) connect() {
	tc.t.Helper()
	tc.shakeHands()
	tc.wantIdle("nothing to send after the handshake")
	tc.a.paths.primary().rack.tlp.fresh = false
}

// shakeHands is connect for an association that may have something to send then.
func (tc *testConn) shakeHands() {
	tc.t.Helper()
	if err := tc.a.Connect(tc.now); err != nil {
		tc.t.Fatal(err)
	}
	tc.want("Connect sends INIT", "INIT")
	tc.write(tc.initAck())
	tc.want("INIT ACK is answered with its cookie", "COOKIE ECHO")
	tc.write(chunk{t: wire.TypeCookieAck})
	tc.wantEvent("the association is established", EventConnected)
}

// A written is something that write puts into a packet.
type written interface {
	append(tc *testConn, b []byte) []byte
}

// data is a DATA chunk of the peer; tsn counts from its initial TSN.
type data struct {
	tsn     int
	sid     uint16
	ssn     wire.SSN
	ppid    uint32
	flags   wire.DataFlags
	payload string
}

func (d data) append(tc *testConn, b []byte) []byte {
	return wire.AppendData(b, wire.Data{
		Flags: d.flags, TSN: tc.peerTSN.Add(d.tsn), Stream: d.sid, SSN: d.ssn, PPID: d.ppid, Payload: []byte(d.payload),
	})
}

// iData is an I-DATA chunk of the peer.
type iData struct {
	tsn     int
	sid     uint16
	mid     wire.MID
	fsn     wire.FSN
	ppid    uint32
	flags   wire.DataFlags
	payload string
}

func (d iData) append(tc *testConn, b []byte) []byte {
	return wire.AppendIData(b, wire.IData{
		Flags: d.flags, TSN: tc.peerTSN.Add(d.tsn), Stream: d.sid, MID: d.mid, PPID: d.ppid, FSN: d.fsn, Payload: []byte(d.payload),
	})
}

// iForwardTSN is an I-FORWARD-TSN of the peer.
type iForwardTSN struct {
	cum      int
	messages []wire.SkippedMessage
}

func (f iForwardTSN) append(tc *testConn, b []byte) []byte {
	return wire.AppendIForwardTSN(b, tc.peerTSN.Add(f.cum), f.messages)
}

// sack is a SACK of the peer; cum counts from the association's initial TSN, so
// that -1 acknowledges nothing.
type sack struct {
	cum    int
	window uint32 // 0: 1 MiB
	closed bool   // window 0
	gaps   []wire.GapBlock
	dups   []int
}

func (s sack) append(tc *testConn, b []byte) []byte {
	if s.window == 0 && !s.closed {
		s.window = 1 << 20
	}
	var dups []wire.TSN
	for _, d := range s.dups {
		dups = append(dups, tc.localTSN.Add(d))
	}
	return wire.AppendSack(b, tc.localTSN.Add(s.cum), s.window, s.gaps, dups)
}

// shutdownChunk is a SHUTDOWN of the peer; cum as in sack.
type shutdownChunk struct{ cum int }

func (s shutdownChunk) append(tc *testConn, b []byte) []byte {
	return wire.AppendShutdown(b, tc.localTSN.Add(s.cum))
}

// forwardTSN is a FORWARD-TSN of the peer; cum counts from its initial TSN.
type forwardTSN struct {
	cum     int
	streams []wire.SkippedStream
}

func (f forwardTSN) append(tc *testConn, b []byte) []byte {
	return wire.AppendForwardTSN(b, tc.peerTSN.Add(f.cum), f.streams)
}

// chunk is any chunk, given by its value.
type chunk struct {
	t     wire.ChunkType
	flags uint8
	value []byte
}

func (c chunk) append(tc *testConn, b []byte) []byte {
	return wire.AppendChunk(b, c.t, c.flags, c.value)
}

// built is a chunk made by a function, which appends to b.
type built func(b []byte) []byte

func (f built) append(tc *testConn, b []byte) []byte { return f(b) }

// reconfigChunk is a RE-CONFIG chunk with the parameters that f appends.
func reconfigChunk(f func(b []byte, chunk int) []byte) written {
	return built(func(b []byte) []byte {
		n := len(b)
		return wire.EndChunk(f(wire.BeginChunk(b, wire.TypeReconfig, 0), n), n)
	})
}

// causes is an ERROR or ABORT chunk with one cause.
func causeChunk(t wire.ChunkType, flags uint8, code wire.CauseCode, info string) written {
	return built(func(b []byte) []byte {
		n := len(b)
		b = wire.AppendCause(wire.BeginChunk(b, t, flags), n, code, []byte(info))
		return wire.EndChunk(b, n)
	})
}

func heartbeatChunk(t wire.ChunkType, info []byte) written {
	return built(func(b []byte) []byte { return wire.AppendHeartbeat(b, t, info) })
}

// init is the peer's INIT, initAck its INIT ACK with a cookie of its own.
func (tc *testConn) init() written {
	return built(func(b []byte) []byte {
		n := len(b)
		b = wire.BeginInit(b, wire.TypeInit, tc.peerInit())
		return wire.EndChunk(tc.peerParams(b, n), n)
	})
}

func (tc *testConn) initAck() written {
	return built(func(b []byte) []byte {
		n := len(b)
		b = wire.BeginInit(b, wire.TypeInitAck, tc.peerInit())
		b = wire.AppendParam(b, n, wire.ParamStateCookie, []byte(cmp.Or(tc.peerCookie, "cookie of the peer")))
		return wire.EndChunk(tc.peerParams(b, n), n)
	})
}

func (tc *testConn) peerInit() wire.Init {
	return wire.Init{Tag: tc.peerTag, ARwnd: tc.peerWindow, OutStreams: tc.peerStreams, InStreams: tc.peerStreams, InitialTSN: tc.peerTSN}
}

// cookieEcho echoes the last cookie that the association handed out.
func (tc *testConn) cookieEcho() written { return chunk{t: wire.TypeCookieEcho, value: tc.cookie} }

// write hands a packet of these chunks to the association, with the tag that it
// expects.
func (tc *testConn) write(chunks ...written) {
	tc.t.Helper()
	tag := tc.localTag
	if len(chunks) > 0 {
		if b := chunks[0].append(tc, nil); wire.ChunkType(b[0]) == wire.TypeInit {
			tag = 0
		}
	}
	tc.writeTag(tag, chunks...)
}

// writeTag is write with a verification tag of the test's choice.
func (tc *testConn) writeTag(tag uint32, chunks ...written) {
	tc.t.Helper()
	b := wire.AppendHeader(nil, tc.a.id.remotePort, tc.a.id.localPort, tag)
	for _, c := range chunks {
		b = c.append(tc, b)
	}
	if !tc.zeroWrites {
		wire.SetChecksum(b)
	}
	tc.writeRaw(b)
}

// writeRaw hands bytes to the association.
func (tc *testConn) writeRaw(b []byte) {
	tc.t.Helper()
	tc.a.HandlePacket(tc.now, 0, b)
	tc.drain()
}

// drain takes what the association sends and reports.
func (tc *testConn) drain() {
	tc.t.Helper()
	if tc.buf == nil {
		tc.buf = make([]byte, 0, 1<<16)
	}
	for {
		tx, ok := tc.a.Transmit(tc.now, tc.buf)
		if !ok {
			break
		}
		if n := len(tx.Packet); n > max(tc.a.cfg.MTU, tc.a.cfg.MaxMTU) || n%4 != 0 {
			tc.t.Fatalf("packet of %d bytes, MTU %d", n, tc.a.cfg.MTU)
		}
		b := append([]byte(nil), tx.Packet...)
		tc.learn(b)
		tc.sent = append(tc.sent, b)
		if len(tc.sent) > 100_000 {
			tc.t.Fatal("the association sends without end")
		}
	}
	for {
		e, ok := tc.a.NextEvent()
		if !ok {
			break
		}
		tc.events = append(tc.events, e)
	}
}

// learn takes from a packet what later packets of the test need.
func (tc *testConn) learn(b []byte) {
	it := wire.Packet(b).Chunks()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		switch c.Type() {
		case wire.TypeInit, wire.TypeInitAck:
			in := wire.Init{}
			if c.Type() == wire.TypeInit {
				in, _ = c.Init()
			} else {
				in, _ = c.InitAck()
			}
			tc.localTag, tc.localTSN = in.Tag, in.InitialTSN
			params := in.Params
			for p, ok := params.Next(); ok; p, ok = params.Next() {
				if p.Type() == wire.ParamStateCookie {
					tc.cookie = append([]byte(nil), p.Value()...)
				}
			}
		case wire.TypeHeartbeat:
			info, _ := c.HeartbeatInfo()
			tc.lastInfo = append([]byte(nil), info...)
		}
	}
}

// send queues a message of n bytes, or fails the test.
func (tc *testConn) send(m Message) {
	tc.t.Helper()
	if err := tc.a.Send(tc.now, m); err != nil {
		tc.t.Fatalf("Send: %v", err)
	}
	tc.drain()
}

// payload returns n bytes.
func payload(n int) []byte { return []byte(strings.Repeat("x", n)) }

// read reads one message, or piece of it, that must be there.
func (tc *testConn) read(stream uint16) (string, MessageInfo) {
	tc.t.Helper()
	var buf [1 << 17]byte
	n, info, err := tc.a.Read(tc.now, stream, buf[:])
	if err != nil {
		tc.t.Fatalf("Read(%d): %v", stream, err)
	}
	tc.drain()
	return string(buf[:n]), info
}

// wantRead wants these messages next on the stream, and then nothing.
func (tc *testConn) wantRead(why string, stream uint16, want ...string) {
	tc.t.Helper()
	var got []string
	var buf [1 << 17]byte
	for {
		n, info, err := tc.a.Read(tc.now, stream, buf[:])
		if err != nil {
			if err != ErrWouldBlock {
				got = append(got, err.Error())
			}
			if err == ErrWouldBlock || tc.a.ended {
				break
			}
			continue
		}
		s := string(buf[:n])
		if !info.Complete {
			s += "..."
		}
		got = append(got, s)
	}
	tc.drain()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		tc.t.Fatalf("%s: read %q, want %q", why, got, want)
	}
}

// want wants one packet with chunks that match, in order: a chunk matches if its
// description starts with the given text.
func (tc *testConn) want(why string, chunks ...string) {
	tc.t.Helper()
	tc.drain()
	if len(tc.sent) == 0 {
		tc.t.Fatalf("%s: nothing sent, want %q", why, chunks)
	}
	b := tc.sent[0]
	tc.sent = tc.sent[1:]
	got := tc.describePacket(b)
	ok := len(got) == len(chunks)
	for i := range min(len(got), len(chunks)) {
		ok = ok && (got[i] == chunks[i] || strings.HasPrefix(got[i], chunks[i]+" "))
	}
	if !ok {
		tc.t.Fatalf("%s:\n got  %q\n want %q", why, got, chunks)
	}
}

// wantPackets wants n more packets, whatever they are, and returns the chunks in them.
func (tc *testConn) wantPackets(why string, n int) (chunks []string) {
	tc.t.Helper()
	tc.drain()
	if len(tc.sent) != n {
		for _, b := range tc.sent {
			chunks = append(chunks, strings.Join(tc.describePacket(b), " + "))
		}
		tc.t.Fatalf("%s: %d packets, want %d:\n%s", why, len(tc.sent), n, strings.Join(chunks, "\n"))
	}
	for _, b := range tc.sent {
		chunks = append(chunks, tc.describePacket(b)...)
	}
	tc.sent = nil
	return chunks
}

// wantIdle wants nothing to be sent.
func (tc *testConn) wantIdle(why string) {
	tc.t.Helper()
	tc.drain()
	for _, b := range tc.sent {
		tc.t.Fatalf("%s: sent %q", why, tc.describePacket(b))
	}
}

// wantEvent wants the next event to be of this kind, and returns it.
func (tc *testConn) wantEvent(why string, kind EventKind) Event {
	tc.t.Helper()
	tc.drain()
	if len(tc.events) == 0 {
		tc.t.Fatalf("%s: no event, want %d", why, kind)
	}
	e := tc.events[0]
	tc.events = tc.events[1:]
	if e.Kind != kind {
		tc.t.Fatalf("%s: event %+v, want kind %d", why, e, kind)
	}
	return e
}

// wantNoEvent wants no event.
func (tc *testConn) wantNoEvent(why string) {
	tc.t.Helper()
	tc.drain()
	if len(tc.events) > 0 {
		tc.t.Fatalf("%s: event %+v", why, tc.events[0])
	}
}

// wantState wants the association to be in a state.
func (tc *testConn) wantState(why string, s State) {
	tc.t.Helper()
	if tc.a.State() != s {
		tc.t.Fatalf("%s: state %v, want %v", why, tc.a.State(), s)
	}
}

// advance lets time pass, running what falls due.
func (tc *testConn) advance(d time.Duration) {
	tc.t.Helper()
	tc.drain()
	end := tc.now.Add(d)
	for {
		at, ok := tc.a.Timeout()
		if !ok || at.After(end) {
			break
		}
		tc.fire(at)
	}
	tc.now = end
}

// advanceToTimer goes to the next deadline and returns how far away it was.
func (tc *testConn) advanceToTimer() time.Duration {
	tc.t.Helper()
	tc.drain()
	at, ok := tc.a.Timeout()
	if !ok {
		tc.t.Fatal("no timer runs")
	}
	d := at.Sub(tc.now)
	tc.fire(at)
	return d
}

func (tc *testConn) fire(at time.Time) {
	tc.t.Helper()
	if at.After(tc.now) {
		tc.now = at
	}
	tc.a.HandleTimeout(tc.now)
	tc.drain()
	if next, ok := tc.a.Timeout(); ok && !next.After(tc.now) {
		tc.t.Fatalf("deadline %v is not after %v, which was handled", next, tc.now)
	}
}

// describePacket returns a line for each chunk; a packet with an unusual tag or
// checksum begins with a line that says so.
func (tc *testConn) describePacket(b []byte) (lines []string) {
	p := wire.Packet(b)
	switch p.VTag() {
	case tc.peerTag:
	case 0:
		lines = append(lines, "tag 0")
	case tc.localTag:
		lines = append(lines, "tag reflected")
	default:
		lines = append(lines, fmt.Sprintf("tag %08x", p.VTag()))
	}
	switch {
	case p.ChecksumOK():
	case p.Checksum() == 0:
		lines = append(lines, "zero checksum")
	default:
		lines = append(lines, "bad checksum")
	}
	it := p.Chunks()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		if c.Type() == wire.TypeInit && p.VTag() == 0 {
			lines = lines[1:]
		}
		lines = append(lines, tc.describe(c))
	}
	if it.Err() != nil {
		lines = append(lines, it.Err().Error())
	}
	return lines
}

// describe returns a chunk as text.
func (tc *testConn) describe(c wire.Chunk) string {
	name := c.Type().String()
	switch c.Type() {
	case wire.TypeData:
		d, _ := c.Data()
		s := fmt.Sprintf("%s tsn=%d sid=%d ssn=%d flags=%s ppid=%d", name, d.TSN.Since(tc.localTSN), d.Stream, d.SSN, flagNames(d.Flags), d.PPID)
		return s + fmt.Sprintf(" len=%d", len(d.Payload))
	case wire.TypeIData:
		d, _ := c.IData()
		s := fmt.Sprintf("%s tsn=%d sid=%d mid=%d fsn=%d flags=%s", name, d.TSN.Since(tc.localTSN), d.Stream, d.MID, d.FSN, flagNames(d.Flags))
		if d.Flags&wire.FlagBegin != 0 {
			s += fmt.Sprintf(" ppid=%d", d.PPID)
		}
		return s + fmt.Sprintf(" len=%d", len(d.Payload))
	case wire.TypeSack:
		k, _ := c.Sack()
		s := fmt.Sprintf("%s cum=%d gaps=", name, k.CumTSN.Since(tc.peerTSN))
		for i := range k.Gaps() {
			s += fmt.Sprintf("%d-%d,", k.Gap(i).Start, k.Gap(i).End)
		}
		s = strings.TrimSuffix(s, ",") + " dups="
		for i := range k.Dups() {
			s += fmt.Sprintf("%d,", k.Dup(i).Since(tc.peerTSN))
		}
		return strings.TrimSuffix(s, ",") + fmt.Sprintf(" rwnd=%d", k.ARwnd)
	case wire.TypeNRSack:
		k, _ := c.NRSack()
		s := fmt.Sprintf("%s cum=%d gaps=%d nr=", name, k.CumTSN.Since(tc.peerTSN), k.Gaps())
		for i := range k.NRGaps() {
			s += fmt.Sprintf("%d-%d,", k.NRGap(i).Start, k.NRGap(i).End)
		}
		return strings.TrimSuffix(s, ",") + fmt.Sprintf(" dups=%d rwnd=%d", k.Dups(), k.ARwnd)
	case wire.TypeForwardTSN:
		f, _ := c.ForwardTSN()
		s := fmt.Sprintf("%s cum=%d streams=", name, f.NewCumTSN.Since(tc.localTSN))
		for i := range f.Len() {
			s += fmt.Sprintf("%d:%d,", f.At(i).Stream, f.At(i).SSN)
		}
		return strings.TrimSuffix(s, ",")
	case wire.TypeIForwardTSN:
		f, _ := c.IForwardTSN()
		s := fmt.Sprintf("%s cum=%d messages=", name, f.NewCumTSN.Since(tc.localTSN))
		for i := range f.Len() {
			e := f.At(i)
			if s += fmt.Sprintf("%d:%d", e.Stream, e.MID); e.Unordered {
				s += "U"
			}
			s += ","
		}
		return strings.TrimSuffix(s, ",")
	case wire.TypeECNE:
		e, _ := c.ECNE()
		return fmt.Sprintf("%s tsn=%d count=%d", name, e.TSN.Since(tc.peerTSN), e.Count)
	case wire.TypeCWR:
		t, _ := c.CWR()
		return fmt.Sprintf("%s tsn=%d", name, t.Since(tc.localTSN))
	case wire.TypeShutdown:
		t, _ := c.ShutdownTSN()
		return fmt.Sprintf("%s cum=%d", name, t.Since(tc.peerTSN))
	case wire.TypeAbort, wire.TypeError:
		it, _ := c.Causes()
		s := name
		if c.Flags()&wire.FlagT != 0 {
			s += " T"
		}
		for cause, ok := it.Next(); ok; cause, ok = it.Next() {
			s += fmt.Sprintf(" cause=%d info=%s", cause.Code(), hex.EncodeToString(cause.Info()))
		}
		return s
	case wire.TypeShutdownComplete:
		if c.Flags()&wire.FlagT != 0 {
			return name + " T"
		}
	case wire.TypeReconfig:
		return name + tc.describeReconfig(c)
	}
	return name
}

func (tc *testConn) describeReconfig(c wire.Chunk) (s string) {
	it := wire.ParseParams(c.Value())
	for p, ok := it.Next(); ok; p, ok = it.Next() {
		switch p.Type() {
		case wire.ParamOutReset:
			r, _ := p.OutReset()
			s += fmt.Sprintf(" out-reset req=%d resp=%d last=%d streams=", int32(r.ReqSeq-wire.ReqSeq(tc.localTSN)),
				int32(r.RespSeq-wire.ReqSeq(tc.peerTSN)), r.LastTSN.Since(tc.localTSN))
			for i := range r.Streams.Len() {
				s += fmt.Sprintf("%d,", r.Streams.At(i))
			}
			s = strings.TrimSuffix(s, ",")
		case wire.ParamReconfigResponse:
			r, _ := p.ReconfigResponse()
			s += fmt.Sprintf(" response req=%d result=%d", int32(r.RespSeq-wire.ReqSeq(tc.peerTSN)), r.Result)
			if r.HasTSNs {
				s += fmt.Sprintf(" sender=%d receiver=%d", r.SenderNextTSN.Since(tc.localTSN), r.ReceiverNextTSN.Since(tc.peerTSN.Opposite()))
			}
		case wire.ParamInReset:
			r, _ := p.InReset()
			s += fmt.Sprintf(" in-reset req=%d streams=", int32(r.ReqSeq-wire.ReqSeq(tc.localTSN)))
			for i := range r.Streams.Len() {
				s += fmt.Sprintf("%d,", r.Streams.At(i))
			}
			s = strings.TrimSuffix(s, ",")
		case wire.ParamTSNReset:
			r, _ := p.TSNReset()
			s += fmt.Sprintf(" tsn-reset req=%d", int32(r-wire.ReqSeq(tc.localTSN)))
		case wire.ParamAddOutStreams, wire.ParamAddInStreams:
			r, _ := p.AddStreams()
			name := " add-out"
			if p.Type() == wire.ParamAddInStreams {
				name = " add-in"
			}
			s += fmt.Sprintf("%s req=%d n=%d", name, int32(r.ReqSeq-wire.ReqSeq(tc.localTSN)), r.Count)
		default:
			s += " " + p.Type().String()
		}
	}
	return s
}

func flagNames(f wire.DataFlags) string {
	s := ""
	for _, n := range []struct {
		f wire.DataFlags
		s string
	}{{wire.FlagImmediate, "I"}, {wire.FlagUnordered, "U"}, {wire.FlagBegin, "B"}, {wire.FlagEnd, "E"}} {
		if f&n.f != 0 {
			s += n.s
		}
	}
	return s
}

// hasEvent takes events until one is of this kind.
func (tc *testConn) hasEvent(kind EventKind) bool {
	for len(tc.events) > 0 {
		e := tc.events[0]
		tc.events = tc.events[1:]
		if e.Kind == kind {
			return true
		}
	}
	return false
}
