package sctp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestCookieAuthenticated: a change of any byte, and any other length, is silently
// discarded. // 9260-5.1.5-a
func TestCookieAuthenticated(t *testing.T) {
	tc := newTestConn(t, Config{})
	tc.write(tc.init())
	tc.want("INIT ACK", "INIT ACK")
	good := tc.cookie
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		tc.write(chunk{t: wire.TypeCookieEcho, value: bad})
	}
	for n := range good {
		tc.write(chunk{t: wire.TypeCookieEcho, value: good[:n]})
	}
	tc.write(chunk{t: wire.TypeCookieEcho, value: append(bytes.Clone(good), 0)})
	tc.wantIdle("silence")
	tc.wantState("nothing", Closed)
	other := newTestConn(t, Config{Seed: [32]byte{8}})
	other.localTag = tc.localTag
	other.write(chunk{t: wire.TypeCookieEcho, value: good})
	other.wantState("another endpoint's cookie", Closed)
	tc.write(tc.cookieEcho())
	tc.want("the right one", "COOKIE ACK")
}

// TestCookieTag: the tag of the packet must be that in the cookie. // 9260-5.1.5-a
func TestCookieTag(t *testing.T) {
	tc := newTestConn(t, Config{})
	tc.write(tc.init())
	tc.want("INIT ACK", "INIT ACK")
	for _, tag := range []uint32{0, tc.localTag + 1, tc.peerTag} {
		tc.writeTag(tag, tc.cookieEcho())
		tc.wantIdle("silence")
	}
	tc.wantState("nothing", Closed)
}

// TestCookieStale: after its life it is refused with how late it is; on its last
// moment it is good. // 9260-5.1.5-a
func TestCookieStale(t *testing.T) {
	for _, late := range []time.Duration{0, time.Millisecond, time.Hour * 24 * 30} {
		tc := newTestConn(t, Config{CookieLife: 10 * time.Second})
		tc.write(tc.init())
		tc.want("INIT ACK", "INIT ACK")
		tc.now = tc.now.Add(10*time.Second + late)
		tc.write(tc.cookieEcho())
		switch late {
		case 0:
			tc.want("just in time", "COOKIE ACK")
		case time.Millisecond:
			tc.want("1000 us late", "ERROR cause=3 info=000003e8")
		default:
			tc.want("the staleness does not overflow", "ERROR cause=3 info=ffffffff")
		}
	}
}

// TestCookieStaleButKnown: when both tags match the association, expiry does not
// count. // 9260-5.2.4-a
func TestCookieStaleButKnown(t *testing.T) {
	tc := newAccepted(t, Config{CookieLife: 10 * time.Second})
	tc.now = tc.now.Add(time.Minute)
	tc.write(tc.cookieEcho())
	tc.want("the COOKIE ACK was lost", "COOKIE ACK")
}

// TestOwnCookieStale: the peer says that our echo came too late: a new INIT, and
// no more of them than there are tries. // 9260-5.2.6-a
func TestOwnCookieStale(t *testing.T) {
	stale := causeChunk(wire.TypeError, 0, wire.CauseStaleCookie, "\x00\x00\x00\x01")
	tc := inState(t, Established)
	tc.write(stale)
	tc.wantState("outside COOKIE-ECHOED it is discarded", Established)
	tc.wantNoEvent("and not reported")

	tc = inState(t, CookieEchoed)
	for range 5 {
		tc.write(stale)
		tc.want("from the start", "INIT")
		tc.wantState("again", CookieWait)
		tc.write(tc.initAck())
		tc.want("the new cookie", "COOKIE ECHO")
	}
	tc.write(chunk{t: wire.TypeCookieAck})
	tc.wantEvent("established", EventConnected)
}

// TestCookieReplayed: a COOKIE ECHO that comes again in an association that has
// moved on does nothing but repeat COOKIE ACK (CVE-2013-2206 class). // 9260-5.2.4-d
func TestCookieReplayed(t *testing.T) {
	tc := newAccepted(t, Config{})
	tc.write(data{tsn: 0, flags: whole, payload: "a"})
	tc.send(Message{Payload: payload(10)})
	tc.wantPackets("SACK and DATA", 2)
	for range 10 {
		tc.write(tc.cookieEcho())
		tc.want("repeated", "COOKIE ACK")
	}
	tc.write(data{tsn: 0, flags: whole, payload: "a"})
	tc.want("the transfer goes on where it was", "SACK cum=0 gaps= dups=0")
	tc.write(sack{cum: 0})
	tc.wantRead("once", 0, "a")
	if s := tc.a.Stats(); s.SendBuffered != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestCookieHoldsNothingPrivate: it has what the peer sent or is told, and no key
// or pointer; two of one INIT differ in nothing else (CVE-2020-6514).
func TestCookieHoldsNothingPrivate(t *testing.T) {
	tc := newTestConn(t, Config{})
	tc.write(tc.init())
	tc.want("INIT ACK", "INIT ACK")
	if bytes.Contains(tc.cookie, tc.a.secret[:8]) || bytes.Contains(tc.cookie, tc.a.rng.key[:8]) {
		t.Fatal("the key is in the cookie")
	}
	k, ok := openCookie(&tc.a.secret, tc.cookie)
	if !ok || k.peer.tag != tc.peerTag || k.peer.initialTSN != tc.peerTSN || k.localTag != tc.localTag || k.localTSN != tc.localTSN {
		t.Fatalf("%+v", k)
	}
	if !bytes.Equal(k.seal(nil, &tc.a.secret), tc.cookie) {
		t.Fatal("a cookie does not survive being opened and sealed")
	}
}

// TestCollide is the action table. // 9260-5.2.4-b
func TestCollide(t *testing.T) {
	id := identity{localTag: 1, peerTag: 2}
	tests := []struct {
		local, peer, localTie, peerTie uint32
		want                           collision
	}{
		{9, 9, 1, 2, collisionRestart},
		{1, 9, 0, 0, collisionCrossed},
		{1, 9, 1, 2, collisionCrossed},
		{9, 2, 0, 0, collisionLate},
		{1, 2, 0, 0, collisionSame},
		{1, 2, 1, 2, collisionSame},
		{9, 9, 0, 0, collisionNone},
		{9, 9, 1, 9, collisionNone},
		{9, 9, 9, 2, collisionNone},
		{9, 2, 1, 2, collisionNone},
	}
	for _, tt := range tests {
		k := cookie{localTag: tt.local, localTie: tt.localTie, peerTie: tt.peerTie, peer: peerInit{tag: tt.peer}}
		if got := id.collide(&k); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
	early := identity{localTag: 1} // the peer's tag is not known yet
	if got := early.collide(&cookie{localTag: 1, peer: peerInit{tag: 2}}); got != collisionCrossed {
		t.Errorf("in COOKIE-WAIT: %d", got)
	}
}

// TestRestart: the peer has forgotten the association and begins anew. // 9260-5.2.2-a 9260-5.2.4-c 9260-11.2-a DCSCTP-restart
func TestRestart(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, sid: 2, ssn: 0, flags: whole, payload: "old"})
	tc.want("SACK", "SACK cum=0")
	if err := tc.a.ResetStreams(tc.now, 7); err != nil {
		t.Fatal(err)
	}
	tc.wantPackets("a reset in flight", 1)
	tc.send(Message{Stream: 2, Payload: payload(3000)})
	tc.wantPackets("DATA", 3)
	tc.events = nil
	oldTag, oldPeer := tc.localTag, tc.peerTag
	tc.peerTag, tc.peerTSN = 0x12345678, 5000
	tc.write(tc.init())
	tc.want("a new tag", "INIT ACK")
	if tc.localTag == oldTag {
		t.Fatal("the tag of the old association again")
	}
	tc.wantState("nothing changes before the cookie", Established)
	if tc.a.id.peerTag != oldPeer || tc.a.id.localTag != oldTag {
		t.Fatal("INIT changed the association")
	}
	tc.write(tc.cookieEcho(), data{tsn: 0, sid: 2, ssn: 0, flags: whole, payload: "new"})
	tc.want("established again", "COOKIE ACK", "SACK cum=0")
	tc.wantEvent("told as a restart", EventRestarted)
	tc.wantRead("what was received is not lost", 2, "old", io.EOF.Error(), "new")
	s := tc.a.Stats()
	if s.SendBuffered != 0 || s.FlightSize != 0 || s.CongestionWindow != 4404 {
		t.Fatalf("%+v", s)
	}
	tc.send(Message{Stream: 2, Payload: payload(10)})
	tc.want("numbers start anew", "DATA tsn=0 sid=2 ssn=0")
	if err := tc.a.ResetStreams(tc.now, 7); err != nil {
		t.Fatal(err)
	}
}

// TestRestartWhileShuttingDown: in SHUTDOWN-ACK-SENT the end comes first. // 9260-5.2.4-c 9260-9.2-d
func TestRestartWhileShuttingDown(t *testing.T) {
	tc := inState(t, Established)
	tc.peerTag = 0x12345678
	tc.write(tc.init())
	tc.want("INIT ACK", "INIT ACK")
	newTag := tc.localTag
	tc.localTag, tc.localTSN = tc.a.id.localTag, tc.a.hs.localTSN
	tc.peerTag = tc.a.id.peerTag
	tc.write(shutdownChunk{cum: -1})
	tc.sent = nil
	tc.wantState("both have nothing left", ShutdownAckSent)
	tc.writeTag(newTag, tc.cookieEcho())
	tc.want("the SHUTDOWN ACK again, and why", "ERROR cause=10", "SHUTDOWN ACK")
	tc.wantState("no new association", ShutdownAckSent)
	tc.write(tc.init())
	tc.want("an INIT is answered likewise", "SHUTDOWN ACK")
}

// TestRestartFlood: restarts that are begun and not finished leave nothing behind.
func TestRestartFlood(t *testing.T) {
	tc := newConnected(t, Config{})
	own, peer := tc.a.id.localTag, tc.peerTag
	for i := range 1000 {
		tc.peerTag = uint32(i + 1)
		tc.write(tc.init())
		tc.sent = nil
	}
	tc.localTag, tc.peerTag = own, peer
	tc.write(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("undisturbed", "SACK cum=0")
	tc.wantState("established", Established)
}

// TestConfigErrors names the field.
func TestConfigErrors(t *testing.T) {
	tests := []struct {
		cfg   Config
		field string
	}{
		{Config{MTU: 100}, "MTU"},
		{Config{MTU: 1 << 17}, "MTU"},
		{Config{ReceiveBuffer: 1000}, "ReceiveBuffer"},
		{Config{SendBuffer: -1}, "SendBuffer"},
		{Config{RTOMin: 2 * time.Minute}, "RTOMin"},
		{Config{RTOMin: -1}, "RTOMin"},
		{Config{RTOInitial: -1}, "RTOInitial"},
		{Config{RTOInitial: time.Microsecond}, "RTOInitial"},
		{Config{RTOInitial: 2 * time.Minute}, "RTOInitial"},
		{Config{RTOMax: -1}, "RTOMax"},
		{Config{RTOMax: 1, RTOMin: 1, RTOInitial: 1}, "RTOMax"},
		{Config{RTOMax: math.MaxInt64}, "RTOMax"},
		{Config{MaxInitRetransmits: -1}, "MaxInitRetransmits"},
		{Config{MaxRetransmits: -1}, "MaxRetransmits"},
		{Config{MaxBurst: -1}, "MaxBurst"},
		{Config{MaxBurst: math.MaxInt32}, "MaxBurst"}, // times the size of a packet it would overflow
		{Config{MaxMTU: 1 << 16}, "MaxMTU"},
		{Config{ReceiveBuffer: math.MaxInt32}, "ReceiveBuffer"},
		{Config{SendBuffer: math.MaxInt32}, "SendBuffer"},
		{Config{InitialWindow: -1}, "InitialWindow"},
		{Config{InitialWindow: 100}, "InitialWindow"},
		{Config{InitialWindow: math.MaxInt32}, "InitialWindow"},
		{Config{Scheduler: 99}, "Scheduler"},
		{Config{LossDetection: 99}, "LossDetection"},
		{Config{CongestionControl: 99}, "CongestionControl"},
		{Config{HeartbeatInterval: math.MaxInt64}, "HeartbeatInterval"},
		{Config{CookieLife: -1}, "CookieLife"},
		{Config{CookieLife: math.MaxInt64}, "CookieLife"},
		{Config{SackDelay: -1}, "SackDelay"},
		{Config{SackDelay: 501 * time.Millisecond}, "SackDelay"}, // 9260-6.2-a
		{Config{ZeroChecksum: 7}, "ZeroChecksum"},
		{Config{Frugal: true, NRSACK: true}, "NRSACK"},
	}
	for _, tt := range tests {
		_, err := New(tt.cfg)
		var ce *ConfigError
		if !errors.As(err, &ce) || ce.Field != tt.field {
			t.Errorf("%s: %v", tt.field, err)
		}
	}
	for _, cfg := range []Config{{}, {MaxBurst: 1 << 14, MaxRetransmits: math.MaxInt, MaxInitRetransmits: math.MaxInt}, {HeartbeatInterval: math.MinInt64, MaxMTU: math.MinInt}} {
		if _, err := New(cfg); err != nil {
			t.Error(err)
		}
	}
}

// TestCookiePreservative: a peer may ask for a cookie that lives longer, within bounds. // 9260-3.3.2.1-b 9260-5.2.6-a
func TestCookiePreservative(t *testing.T) {
	for _, tt := range []struct {
		desc  string
		value []byte
		life  time.Duration
	}{
		{"half a second", []byte{0, 0, 1, 0xF4}, 10500 * time.Millisecond},
		{"49 days: twice the life at most", []byte{255, 255, 255, 255}, 20 * time.Second},
		{"none", []byte{0, 0, 0, 0}, 10 * time.Second},
		{"malformed", []byte{1, 2, 3, 4, 5, 6, 7, 8}, 10 * time.Second},
	} {
		for _, late := range []time.Duration{0, time.Millisecond} {
			tc := newTestConn(t, Config{CookieLife: 10 * time.Second})
			tc.peerParams = func(b []byte, n int) []byte { return wire.AppendParam(b, n, wire.ParamCookiePreservative, tt.value) }
			tc.write(tc.init())
			tc.want(tt.desc, "INIT ACK")
			tc.now = tc.now.Add(tt.life + late)
			tc.write(tc.cookieEcho())
			if late == 0 {
				tc.want(tt.desc, "COOKIE ACK")
			} else {
				tc.want(tt.desc, "ERROR cause=3")
			}
		}
	}
}

// TestOwnCookiePreserved: after its cookie was called stale, INIT asks for the round
// trip of the COOKIE ECHO and a second more, not for the time that went by before. // 9260-5.2.6-a
func TestOwnCookiePreserved(t *testing.T) {
	stale := causeChunk(wire.TypeError, 0, wire.CauseStaleCookie, "\x00\xFF\xFF\xFF")
	tc := newTestConn(t, Config{})
	preservative := func() (ms uint32) {
		t.Helper()
		b := tc.sent[0]
		tc.want("an INIT", "INIT")
		it := wire.Packet(b).Chunks()
		c, _ := it.Next()
		in, err := c.Init()
		if err != nil {
			t.Fatal(err)
		}
		for p, ok := in.Params.Next(); ok; p, ok = in.Params.Next() {
			if p.Type() == wire.ParamCookiePreservative {
				ms, _ = p.Uint32()
			}
		}
		return ms
	}
	if err := tc.a.Connect(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.drain()
	if ms := preservative(); ms != 0 {
		t.Fatalf("the first INIT asks for %d ms", ms)
	}
	tc.now = tc.now.Add(50 * time.Millisecond)
	tc.write(tc.initAck())
	tc.want("COOKIE ECHO", "COOKIE ECHO")
	tc.now = tc.now.Add(300 * time.Millisecond)
	tc.write(stale)
	if ms := preservative(); ms != 1300 {
		t.Fatalf("INIT asks for %d ms", ms)
	}
	tc.advanceToTimer()
	if ms := preservative(); ms != 1300 {
		t.Fatalf("INIT asks for %d ms when it is repeated", ms)
	}
	tc.write(tc.initAck())
	tc.want("COOKIE ECHO", "COOKIE ECHO")
	tc.advanceToTimer()
	tc.want("COOKIE ECHO once more", "COOKIE ECHO")
	tc.write(stale)
	if ms := preservative(); ms != 1050 {
		t.Fatalf("the second COOKIE ECHO measures nothing, so the RTT known counts; INIT asks for %d ms", ms)
	}
}

// TestHMAC: the keyed hash of cookies is HMAC as package hmac has it, for messages of any
// length, and costs no memory.
func TestHMAC(t *testing.T) {
	key := [32]byte{1, 2, 3, 31: 255}
	message := bytes.Repeat([]byte{7, 0, 200}, 100)
	for n := range message {
		h := hmac.New(sha256.New, key[:])
		h.Write(message[:n])
		if got := hmacSHA256(&key, message[:n]); !bytes.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("of %d bytes: %x", n, got)
		}
	}
	if raceDetector {
		return
	}
	if n := testing.AllocsPerRun(100, func() { hmacSHA256(&key, message[:cookieBody]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	k, peer := cookieKeys{n: 1}, netip.MustParseAddrPort("[2001:db8::1]:5000")
	if n := testing.AllocsPerRun(100, func() { k.bound(0, peer) }); n != 0 {
		t.Errorf("%v allocations for the key of an address", n)
	}
}

// TestRandom: words come from blocks of four, and no part of a block comes twice.
func TestRandom(t *testing.T) {
	key := [32]byte{1, 2, 3}
	r := random{key: &key}
	seen := make(map[uint64]bool)
	take := func(x uint64) {
		if seen[x] {
			t.Fatalf("%x comes again after %d others", x, len(seen))
		}
		seen[x] = true
	}
	for i := range 100 {
		for range i % 6 {
			take(r.Uint64())
		}
		for b, j := r.block(), 0; j < len(b); j += 8 {
			take(be.Uint64(b[j:]))
		}
	}
}
