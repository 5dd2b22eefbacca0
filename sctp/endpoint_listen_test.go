package sctp

import (
	"bytes"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// A stranger speaks to an endpoint in packets written by hand. It reuses the test
// language of associations for the description of what comes back.
type stranger struct {
	*testConn
	w    *town
	h    *host
	addr netip.AddrPort
}

func newStranger(w *town, h *host, addr string) *stranger {
	tc := newTestConn(w.t.(*testing.T), Config{})
	tc.now = w.now
	return &stranger{testConn: tc, w: w, h: h, addr: address(addr)}
}

// packet returns a packet with these chunks.
func (s *stranger) packet(tag uint32, chunks ...written) []byte {
	return s.packetTo(5000, tag, chunks...)
}

func (s *stranger) packetTo(port uint16, tag uint32, chunks ...written) []byte {
	b := wire.AppendHeader(nil, 5000, port, tag)
	for _, c := range chunks {
		b = c.append(s.testConn, b)
	}
	wire.SetChecksum(b)
	return b
}

// say hands a packet to the endpoint and returns what it sends back, the chunks of
// one packet to a line.
func (s *stranger) say(packet []byte) string {
	s.t.Helper()
	s.h.e.HandlePacket(s.w.now, s.addr, packet)
	return s.hear()
}

func (s *stranger) hear() string {
	s.t.Helper()
	s.w.drain(s.h)
	var lines []string
	for _, d := range s.w.air {
		if d.to != s.addr {
			s.t.Fatalf("to %v, want %v", d.to, s.addr)
		}
		s.learn(d.packet)
		lines = append(lines, strings.Join(s.describePacket(d.packet), " + "))
	}
	s.w.air = nil
	return strings.Join(lines, "\n")
}

// want wants an answer that begins with the given text.
func (s *stranger) want(why string, packet []byte, want string) {
	s.t.Helper()
	if got := s.say(packet); got != want && (want == "" || !strings.HasPrefix(got, want)) {
		s.t.Fatalf("%s: %q, want %q", why, got, want)
	}
}

// connect sets up an association as its peer.
func (s *stranger) connect() {
	s.t.Helper()
	s.want("INIT", s.packet(0, s.init()), "INIT ACK")
	s.want("the cookie", s.packet(s.localTag, s.cookieEcho()), "COOKIE ACK")
}

// listening returns a town with a listening endpoint, and a stranger to it.
func listening(t *testing.T, cfg EndpointConfig) (*town, *host, *stranger) {
	w := newTown(t)
	cfg.Listen = true
	h := w.host("192.0.2.1:9899", cfg)
	return w, h, newStranger(w, h, "192.0.2.2:7")
}

// TestEndpointOutOfTheBlue: what belongs to no association. // 9260-8.4-a
func TestEndpointOutOfTheBlue(t *testing.T) {
	const tag = 0x0BADCAFE
	w, h, s := listening(t, EndpointConfig{})
	s.localTag = tag // so that "reflected" is seen
	tests := []struct {
		desc   string
		chunks []written
		want   string
	}{
		{"ABORT", []written{chunk{t: wire.TypeAbort}}, ""},
		{"ABORT that is not first", []written{chunk{t: wire.TypeCookieAck}, chunk{t: wire.TypeAbort}}, ""},
		{"SHUTDOWN ACK", []written{chunk{t: wire.TypeShutdownAck}}, "tag reflected + SHUTDOWN COMPLETE T"},
		{"SHUTDOWN COMPLETE", []written{chunk{t: wire.TypeShutdownComplete}}, ""},
		{"stale cookie", []written{causeChunk(wire.TypeError, 0, wire.CauseStaleCookie, "\x00\x00\x00\x00")}, ""},
		{"COOKIE ACK", []written{chunk{t: wire.TypeCookieAck}}, ""},
		{"COOKIE ECHO of nobody", []written{chunk{t: wire.TypeCookieEcho, value: make([]byte, cookieLen)}}, ""},
		{"INIT with a tag", []written{s.init()}, ""},
		{"DATA", []written{data{flags: whole, payload: "x"}}, "tag reflected + ABORT T"},
		{"SACK", []written{sack{}}, "tag reflected + ABORT T"},
		{"another ERROR", []written{causeChunk(wire.TypeError, 0, wire.CauseProtocolViolation, "")}, "tag reflected + ABORT T"},
		{"HEARTBEAT", []written{heartbeatChunk(wire.TypeHeartbeat, []byte("info"))}, "tag reflected + ABORT T"},
		{"unknown chunk", []written{chunk{t: 0x3f}}, "tag reflected + ABORT T"},
	}
	for _, tt := range tests {
		s.want(tt.desc, s.packet(tag, tt.chunks...), tt.want)
		b := s.packet(tag, tt.chunks...)
		b[8]++
		s.want(tt.desc+" with a bad checksum", b, "")
		b = s.packet(tag, tt.chunks...)
		for n := range b {
			if got := s.say(b[:n]); got != "" {
				t.Fatalf("%s cut to %d bytes: %q", tt.desc, n, got)
			}
		}
		h.checkEmpty(t)
	}
	s.addr = address("224.0.0.1:7")
	s.want("not from one peer", s.packet(tag, data{flags: whole, payload: "x"}), "")
	s.addr = address("[::ffff:192.0.2.9]:7")
	h.e.HandlePacket(w.now, s.addr, s.packet(tag, sack{}))
	s.addr = address("192.0.2.9:7")
	if got := s.hear(); got != "tag reflected + ABORT T" {
		t.Fatalf("a mapped address: %q", got)
	}
	s.want("another port", s.packetTo(77, tag, sack{}), "tag reflected + ABORT T")
}

// TestNotListening: INIT is refused with its own tag, a cookie is not taken.
func TestNotListening(t *testing.T) {
	_, h, s := listening(t, EndpointConfig{})
	s.want("INIT", s.packet(0, s.init()), "INIT ACK")
	good := s.packet(s.localTag, s.cookieEcho())
	h.e.cfg.Listen = false
	s.want("a cookie of before", good, "")
	s.want("no listener", s.packet(0, s.init()), "ABORT")
	h.e.cfg.Listen = true
	b := s.packetTo(77, 0, s.init())
	s.want("another port", b, "ABORT")
	b[8]++
	s.want("a bad checksum", b, "")
	s.want("INIT that is not alone", s.packet(0, s.init(), chunk{t: wire.TypePad}), "")
	h.checkEmpty(t)
}

// TestListenStateless: 100,000 INITs from as many addresses leave nothing behind,
// and what waits to be sent is bounded.
func TestListenStateless(t *testing.T) {
	w, h, s := listening(t, EndpointConfig{})
	init := s.packet(0, s.init())
	flood := func(n int, drain bool) {
		var ip [4]byte
		for i := range n {
			be.PutUint32(ip[:], 0x0A000000+uint32(i))
			h.e.HandlePacket(w.now, netip.AddrPortFrom(netip.AddrFrom4(ip), 7), init)
			for ok := drain; ok; {
				_, ok = h.e.Transmit(w.now, w.buf[:0])
			}
		}
	}
	flood(1000, true)
	before := heapInUse()
	flood(100_000, true)
	flood(100_000, false)
	if grown := int64(heapInUse()) - int64(before); grown > 256<<10 {
		t.Errorf("%d bytes kept", grown)
	}
	if n := len(h.e.answers.queue) - h.e.answers.head; n != maxAnswers || h.e.Stats().AnswersDropped == 0 {
		t.Errorf("%d answers wait, %+v", n, h.e.Stats())
	}
	h.checkEmpty(t)
	for range maxAnswers {
		h.e.Transmit(w.now, w.buf[:0])
	}
	s.connect()
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestListenCookieAddress: a cookie is good at the address that it was sent to. // 9260-5.1.5-a
func TestListenCookieAddress(t *testing.T) {
	_, h, s := listening(t, EndpointConfig{})
	s.want("INIT", s.packet(0, s.init()), "INIT ACK")
	echo := s.packet(s.localTag, s.cookieEcho())
	own := s.addr
	for _, other := range []string{"192.0.2.3:7", "192.0.2.2:8", "[2001:db8::1]:7"} {
		s.addr = address(other)
		s.want("from "+other, echo, "")
	}
	s.addr = own
	for i := range s.cookie {
		bad := bytes.Clone(s.cookie)
		bad[i] ^= 1
		s.want("a changed cookie", s.packet(s.localTag, chunk{t: wire.TypeCookieEcho, value: bad}), "")
	}
	s.want("another tag", s.packet(s.localTag+1, s.cookieEcho()), "")
	bad := bytes.Clone(echo)
	bad[8]++
	s.want("a bad checksum", bad, "")
	h.checkEmpty(t)
	s.want("the right one", echo, "COOKIE ACK")
	s.want("once more: the COOKIE ACK was lost", echo, "COOKIE ACK")
	h.only(t)
	if h.count(EventConnected) != 1 {
		t.Fatalf("%+v", h.events)
	}
}

// TestListenCookieKeys: a cookie outlives one change of keys, not two, and its own
// life counts. // 9260-5.1.3-a
func TestListenCookieKeys(t *testing.T) {
	for _, tt := range []struct {
		desc  string
		after []time.Duration // INITs of others, which change keys
		want  string
	}{
		{"no change", nil, "COOKIE ACK"},
		{"one change", []time.Duration{61 * time.Minute}, "COOKIE ACK"},
		{"two changes", []time.Duration{61 * time.Minute, 61 * time.Minute}, ""},
		{"nothing happened for long", []time.Duration{3 * time.Hour}, ""},
	} {
		w, h, s := listening(t, EndpointConfig{Config: Config{CookieLife: 4 * time.Hour}})
		s.want("INIT", s.packet(0, s.init()), "INIT ACK")
		tag, echo := s.localTag, s.cookieEcho()
		for _, d := range tt.after {
			w.now = w.now.Add(d)
			other := newStranger(w, h, "192.0.2.9:7")
			other.want("INIT of another", other.packet(0, other.init()), "INIT ACK")
		}
		s.want(tt.desc, s.packet(tag, echo), tt.want)
	}
	w, h, s := listening(t, EndpointConfig{})
	s.want("INIT", s.packet(0, s.init()), "INIT ACK")
	w.now = w.now.Add(61 * time.Second)
	s.want("stale", s.packet(s.localTag, s.cookieEcho()), "ERROR cause=3 info=000f4240") // 9260-5.1.5-a
	h.checkEmpty(t)
}

// TestListenLimit: beyond the limit peers are told so, before they have a cookie
// and after.
func TestListenLimit(t *testing.T) {
	w, h, first := listening(t, EndpointConfig{MaxAssociations: 1})
	late := newStranger(w, h, "192.0.2.3:7")
	late.want("INIT in time", late.packet(0, late.init()), "INIT ACK")
	first.connect()
	late.want("cookie too late", late.packet(late.localTag, late.cookieEcho()), "ABORT cause=4")
	late.want("INIT too late", late.packet(0, late.init()), "ABORT cause=4")
	if s := h.e.Stats(); s.Associations != 1 || s.Refused != 2 || s.Accepted != 1 {
		t.Fatalf("%+v", s)
	}
	first.want("the end", first.packet(first.localTag, chunk{t: wire.TypeAbort}), "")
	h.checkEmpty(t)
	late.connect()
}

// TestTagElsewhere: the right tag from another address is nothing; the association
// goes on. // 9260-8.5-a
func TestTagElsewhere(t *testing.T) {
	_, h, s := listening(t, EndpointConfig{})
	s.connect()
	hello := s.packet(s.localTag, data{tsn: 0, flags: whole, payload: "x"})
	own := s.addr
	s.addr = address("192.0.2.3:7")
	s.want("another address", hello, "tag reflected + ABORT T")
	s.want("ABORT from there", s.packet(s.localTag, chunk{t: wire.TypeAbort}), "")
	s.addr = own
	s.want("the right address", hello, "SACK cum=0")
	id, _ := h.only(t)
	if h.e.RemoteAddr(id) != own {
		t.Fatal("the address changed")
	}
	s.want("a wrong tag", s.packet(s.localTag+1, data{tsn: 1, flags: whole, payload: "x"}), "")
	s.want("ABORT with a wrong tag", s.packet(s.localTag+1, chunk{t: wire.TypeAbort}), "")
	s.want("ABORT with the peer's tag", s.packet(s.peerTag, chunk{t: wire.TypeAbort, flags: wire.FlagT}), "")
	h.checkEmpty(t)
}

// TestPortChange: the peer's UDP port is that of its last packet with the right
// tag. // 6951-5.1-a
func TestPortChange(t *testing.T) {
	w, h, s := listening(t, EndpointConfig{})
	s.connect()
	id, _ := h.only(t)
	own := s.addr
	s.addr = address("192.0.2.2:8")
	bad := s.packet(s.localTag, data{tsn: 0, flags: whole, payload: "x"})
	bad[len(bad)-1]++
	s.want("a bad checksum", bad, "")
	s.want("a wrong tag", s.packet(s.localTag+1, sack{cum: -1}), "tag")
	if h.e.RemoteAddr(id) != own {
		t.Fatal("the port changed for a packet that is not the peer's")
	}
	s.want("another port", s.packet(s.localTag, data{tsn: 0, flags: whole, payload: "x"}), "SACK cum=0")
	if h.e.RemoteAddr(id) != s.addr {
		t.Fatal("the port did not change")
	}
	// The port that it left may be taken by another, and back again.
	other := newStranger(w, h, "192.0.2.2:7")
	other.peerTag = 0x77
	other.connect()
	s.addr = own
	s.want("back", s.packet(s.localTag, data{tsn: 1, flags: whole | wire.FlagImmediate, payload: "x"}), "SACK cum=1")
	other.want("undisturbed", other.packet(other.localTag, data{tsn: 0, flags: whole, payload: "x"}), "SACK cum=0")
	s.want("the end of one", s.packet(s.localTag, chunk{t: wire.TypeAbort}), "")
	other.want("undisturbed", other.packet(0, other.init()), "INIT ACK")
	other.want("the end", other.packet(h.e.members[1].tag, chunk{t: wire.TypeAbort}), "")
	h.checkEmpty(t)
}

// TestSameTag: one tag for associations with different peers, and one that cannot
// be told apart and is refused.
func TestSameTag(t *testing.T) {
	w, h, _ := listening(t, EndpointConfig{Config: Config{MaxMTU: -1}})
	const tag = 0xDECAFBAD
	connect := func(s *stranger) string {
		s.want("INIT", s.packet(0, s.init()), "INIT ACK")
		k, key, ok := h.e.keys.open(s.addr, s.cookie)
		if !ok {
			t.Fatal("a cookie of ours does not open")
		}
		k.localTag = tag
		s.localTag = tag
		return s.say(s.packet(tag, chunk{t: wire.TypeCookieEcho, value: k.seal(nil, &key)}))
	}
	var all []*stranger
	for _, addr := range []string{"192.0.2.2:7", "192.0.2.3:7", "192.0.2.4:7"} {
		s := newStranger(w, h, addr)
		if got := connect(s); got != "COOKIE ACK" {
			t.Fatalf("%q", got)
		}
		all = append(all, s)
	}
	twin := newStranger(w, h, "192.0.2.3:8")
	if got := connect(twin); got != "ABORT cause=4 info=" {
		t.Fatalf("%q", got)
	}
	for i, s := range []*stranger{all[1], all[0], all[2]} {
		s.want("each has its own", s.packet(tag, data{tsn: 0, flags: whole, payload: "x"}), "SACK cum=0")
		s.want("the end", s.packet(tag, chunk{t: wire.TypeAbort}), "")
		if n := h.e.Stats().Associations; n != 2-i {
			t.Fatalf("%d associations", n)
		}
	}
	h.checkEmpty(t)
}

// TestEndpointRestartFlood: restarts that are begun leave nothing behind, and
// disturb nothing; restarts that are finished leave one association.
func TestEndpointRestartFlood(t *testing.T) {
	w, h, s := listening(t, EndpointConfig{})
	s.connect()
	own, peer := s.localTag, s.peerTag
	begin := func(i int) {
		s.peerTag = uint32(i + 1)
		s.want("INIT", s.packet(0, s.init()), "INIT ACK")
	}
	for i := range 1000 {
		begin(i)
	}
	before := heapInUse()
	for i := range 10_000 {
		begin(i)
	}
	if grown := int64(heapInUse()) - int64(before); grown > 64<<10 {
		t.Errorf("%d bytes kept", grown)
	}
	s.localTag, s.peerTag = own, peer
	s.want("undisturbed", s.packet(own, data{tsn: 0, flags: whole, payload: "x"}), "SACK cum=0")
	for i := range 1000 {
		begin(i)
		s.want("restart", s.packet(s.localTag, s.cookieEcho()), "COOKIE ACK")
	}
	if n := h.e.tags.n; n != 1 {
		t.Errorf("%d tags", n)
	}
	h.only(t)
	w.pass(time.Minute)
}
