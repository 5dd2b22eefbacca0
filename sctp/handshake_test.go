package sctp

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// newAccepted returns a testConn in ESTABLISHED whose peer has initiated.
func newAccepted(t *testing.T, cfg Config) *testConn {
	t.Helper()
	tc := newTestConn(t, cfg)
	tc.write(tc.init())
	tc.want("INIT is answered", "INIT ACK")
	tc.write(tc.cookieEcho())
	tc.want("and the cookie", "COOKIE ACK")
	tc.wantEvent("the association is established", EventConnected)
	return tc
}

// TestAccept: the responder keeps nothing until the cookie comes back, and takes
// DATA behind it. // 9260-4-b 9260-5.1-b 9260-5.1.5-a DCSCTP-connect
func TestAccept(t *testing.T) {
	tc := newTestConn(t, Config{})
	before := tc.a.id
	tc.write(tc.init())
	tc.want("INIT ACK goes out with the tag of the INIT", "INIT ACK")
	tc.wantState("no state is kept", Closed)
	if tc.a.id != before || tc.a.peer != (peerInit{}) {
		t.Fatal("INIT left something behind")
	}
	if _, ok := tc.a.Timeout(); ok {
		t.Fatal("INIT started a timer")
	}
	tc.write(tc.cookieEcho(), data{tsn: 0, flags: whole, payload: "early"})
	tc.want("COOKIE ACK is first", "COOKIE ACK", "SACK cum=0")
	tc.wantEvent("established", EventConnected)
	tc.wantRead("DATA behind the cookie", 0, "early")
}

// TestInitTagPerInit: each INIT in CLOSED gets a tag and TSN of its own. // 9260-5.3.1-a
func TestInitTagPerInit(t *testing.T) {
	tc := newTestConn(t, Config{})
	seen := map[uint32]bool{}
	for range 50 {
		tc.write(tc.init())
		tc.want("INIT ACK", "INIT ACK")
		if tc.localTag == 0 || seen[tc.localTag] {
			t.Fatalf("tag %08x again", tc.localTag)
		}
		seen[tc.localTag] = true
	}
}

// TestSimultaneousOpen is the normal case of WebRTC, in the orders in which the
// four packets of each side can cross. // 9260-5.2.1-a 8841-9.3-a DCSCTP-connect
func TestSimultaneousOpen(t *testing.T) {
	start := func(t *testing.T) *testConn {
		tc := newTestConn(t, Config{})
		if err := tc.a.Connect(tc.now); err != nil {
			t.Fatal(err)
		}
		tc.want("our INIT", "INIT")
		return tc
	}
	t.Run("INIT first, then its answer", func(t *testing.T) {
		tc := start(t)
		tag := tc.localTag
		tc.write(tc.init())
		tc.want("answered with our own tag", "INIT ACK")
		if tc.localTag != tag {
			t.Fatalf("tag %08x, want that of our INIT", tc.localTag)
		}
		tc.wantState("unchanged", CookieWait)
		tc.write(tc.initAck())
		tc.want("our cookie echo", "COOKIE ECHO")
		tc.write(tc.cookieEcho())
		tc.want("both tags match", "COOKIE ACK")
		tc.wantEvent("established by it", EventConnected)
		tc.write(chunk{t: wire.TypeCookieAck})
		tc.wantNoEvent("the COOKIE ACK comes too late to matter")
		tc.wantState("established", Established)
	})
	t.Run("COOKIE ECHO before INIT ACK", func(t *testing.T) {
		tc := start(t)
		tc.write(tc.init())
		tc.want("answered", "INIT ACK")
		tc.write(tc.cookieEcho())
		tc.want("the peer's handshake is complete", "COOKIE ACK")
		tc.wantEvent("established", EventConnected)
		tc.write(tc.initAck())
		tc.wantIdle("a late INIT ACK is discarded") // 9260-5.2.3-a
		tc.advance(10 * time.Second)
		tc.wantIdle("T1-init was stopped")
	})
	t.Run("INIT after INIT ACK", func(t *testing.T) {
		tc := start(t)
		tc.write(tc.initAck())
		tc.want("our cookie echo", "COOKIE ECHO")
		tag := tc.localTag
		tc.write(tc.init())
		tc.want("answered with our own tag", "INIT ACK") // 9260-5.2.1-b
		if tc.localTag != tag {
			t.Fatalf("tag %08x, want that of our INIT", tc.localTag)
		}
		tc.wantState("unchanged", CookieEchoed)
		tc.write(chunk{t: wire.TypeCookieAck})
		tc.wantEvent("established", EventConnected)
		tc.write(tc.cookieEcho())
		tc.want("a lost COOKIE ACK is repeated", "COOKIE ACK") // 9260-5.2.4-d
		tc.wantNoEvent("and that is all")
	})
}

// TestInvalidInit: what is wrong with an INIT decides its answer. // 9260-3.3.2-b 9260-3.3.2-c 9260-3.3.2.1-a
func TestInvalidInit(t *testing.T) {
	base := wire.Init{Tag: testPeerTag, ARwnd: 1500, OutStreams: 1, InStreams: 1}
	with := func(f func(in *wire.Init)) written {
		in := base
		f(&in)
		return initChunk(wire.TypeInit, in, nil)
	}
	tests := []struct {
		desc string
		init written
		want string // "" for silence
	}{
		{"the least that is valid", with(func(*wire.Init) {}), "INIT ACK"},
		{"tag 0", with(func(in *wire.Init) { in.Tag = 0 }), ""},
		{"window below 1500", with(func(in *wire.Init) { in.ARwnd = 1499 }), "ABORT cause=7"},
		{"no outbound streams", with(func(in *wire.Init) { in.OutStreams = 0 }), "ABORT cause=7"},
		{"no inbound streams", with(func(in *wire.Init) { in.InStreams = 0 }), "ABORT cause=7"},
		{"host name", initChunk(wire.TypeInit, base, func(b []byte, n int) []byte {
			return wire.AppendParam(b, n, wire.ParamHostName, []byte("example"))
		}), "ABORT cause=5"},
		{"parameter of length 0", initChunk(wire.TypeInit, base, func(b []byte, _ int) []byte {
			return append(b, 0x80, 8, 0, 0)
		}), "ABORT cause=13"},
		{"parameter past the end", initChunk(wire.TypeInit, base, func(b []byte, _ int) []byte {
			return append(b, 0x80, 8, 0, 200)
		}), "ABORT cause=13"},
		{"too short", chunk{t: wire.TypeInit, value: make([]byte, 15)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			for _, connected := range []bool{false, true} {
				tc := newTestConn(t, Config{})
				if connected {
					tc.connect()
				}
				state := tc.a.State()
				tc.write(tt.init)
				if tt.want == "" {
					tc.wantIdle("silently discarded")
				} else {
					tc.want("answered", tt.want)
				}
				tc.wantState("whatever it says, nothing changes", state)
				tc.wantNoEvent("nor is it told")
			}
		})
	}
	t.Run("bundled", func(t *testing.T) {
		tc := newTestConn(t, Config{})
		tc.write(tc.init(), chunk{t: wire.TypeCookieAck})
		tc.wantIdle("INIT must be alone")
	})
	t.Run("with a tag", func(t *testing.T) {
		tc := newTestConn(t, Config{})
		tc.writeTag(1, tc.init())
		tc.wantIdle("the tag of its packet must be 0")
	})
}

// initChunk is an INIT or INIT ACK with the parameters that f appends.
func initChunk(t wire.ChunkType, in wire.Init, f func(b []byte, n int) []byte) written {
	return built(func(b []byte) []byte {
		n := len(b)
		b = wire.BeginInit(b, t, in)
		if f != nil {
			b = f(b, n)
		}
		return wire.EndChunk(b, n)
	})
}

func withCookie(b []byte, n int) []byte {
	return wire.AppendParam(b, n, wire.ParamStateCookie, []byte("cookie"))
}

// TestInvalidInitAck ends the attempt where the RFC says so. // 9260-3.3.3-b 9260-5.1-c
func TestInvalidInitAck(t *testing.T) {
	base := wire.Init{Tag: testPeerTag, ARwnd: 1500, OutStreams: 1, InStreams: 1}
	with := func(f func(in *wire.Init)) written {
		in := base
		f(&in)
		return initChunk(wire.TypeInitAck, in, withCookie)
	}
	tests := []struct {
		desc  string
		ack   written
		want  []string
		state State
	}{
		{"valid", with(func(*wire.Init) {}), []string{"COOKIE ECHO"}, CookieEchoed},
		{"tag 0", with(func(in *wire.Init) { in.Tag = 0 }), []string{"tag reflected", "ABORT T cause=7"}, Closed},
		{"no outbound streams", with(func(in *wire.Init) { in.OutStreams = 0 }), []string{"ABORT cause=7"}, Closed},
		{"no inbound streams", with(func(in *wire.Init) { in.InStreams = 0 }), []string{"ABORT cause=7"}, Closed},
		{"window below 1500", with(func(in *wire.Init) { in.ARwnd = 1499 }), []string{"ABORT cause=7"}, CookieWait},
		{"no cookie", initChunk(wire.TypeInitAck, base, nil), []string{"ABORT cause=2 info=000000010007"}, Closed},
		{"host name", initChunk(wire.TypeInitAck, base, func(b []byte, n int) []byte {
			return wire.AppendParam(withCookie(b, n), n, wire.ParamHostName, []byte("example"))
		}), []string{"ABORT cause=5"}, Closed},
		{"too short", chunk{t: wire.TypeInitAck, value: make([]byte, 15)}, nil, CookieWait},
		{"a cookie that fits no packet", initChunk(wire.TypeInitAck, base, func(b []byte, n int) []byte {
			return wire.AppendParam(b, n, wire.ParamStateCookie, make([]byte, 1200))
		}), []string{"ABORT cause=4"}, Closed},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			tc := newTestConn(t, Config{})
			if err := tc.a.Connect(tc.now); err != nil {
				t.Fatal(err)
			}
			tc.want("INIT", "INIT")
			tc.write(tt.ack)
			if tt.want == nil {
				tc.wantIdle("discarded")
			} else {
				tc.want("answered", tt.want...)
			}
			tc.wantState("state", tt.state)
			if tt.state == Closed {
				e := tc.wantEvent("the attempt is over", EventClosed)
				var ae *AbortedError
				if !errors.As(e.Err, &ae) {
					t.Fatalf("%v", e.Err)
				}
			}
		})
	}
}

// TestStreams: the usable streams are the less of what one side sends and the
// other takes. // 9260-5.1.1-a 9260-3.3.3-a
func TestStreams(t *testing.T) {
	tests := []struct{ ours, theirs, want uint16 }{{10, 65535, 10}, {65535, 10, 10}, {7, 7, 7}}
	for _, tt := range tests {
		for _, accept := range []bool{false, true} {
			tc := newTestConn(t, Config{OutboundStreams: tt.ours, InboundStreams: tt.ours})
			tc.peerStreams = tt.theirs
			if tc.a.OutboundStreams() != 0 {
				t.Fatal("streams before the association is established")
			}
			if accept {
				tc.write(tc.init())
				b := wire.Packet(tc.sent[0])
				it := b.Chunks()
				c, _ := it.Next()
				if ack, _ := c.InitAck(); ack.OutStreams > tt.theirs {
					t.Fatalf("INIT ACK asks for %d streams of %d", ack.OutStreams, tt.theirs)
				}
				tc.write(tc.cookieEcho())
			} else {
				tc.connect()
			}
			if tc.a.OutboundStreams() != int(tt.want) || tc.a.InboundStreams() != int(tt.want) {
				t.Fatalf("%d/%d streams, want %d", tc.a.OutboundStreams(), tc.a.InboundStreams(), tt.want)
			}
		}
	}
}

// TestT1: INIT and COOKIE ECHO are repeated with backoff, each Max.Init.Retransmits
// times, and then the attempt fails. // 9260-4-c DCSCTP-connect
func TestT1(t *testing.T) {
	for _, step := range []string{"INIT", "COOKIE ECHO"} {
		t.Run(step, func(t *testing.T) {
			tc := newTestConn(t, Config{MaxInitRetransmits: 3, RTOMax: 3 * time.Second})
			if err := tc.a.Connect(tc.now); err != nil {
				t.Fatal(err)
			}
			tc.want("INIT", "INIT")
			if step == "COOKIE ECHO" {
				tc.write(tc.initAck())
				tc.want("COOKIE ECHO", step)
			}
			for _, want := range []time.Duration{1, 2, 3} {
				if d := tc.advanceToTimer(); d != want*time.Second {
					t.Fatalf("repeated after %v, want %v s", d, want)
				}
				tc.want("the same chunk", step)
			}
			if d := tc.advanceToTimer(); d != 3*time.Second {
				t.Fatalf("given up after %v", d)
			}
			if e := tc.wantEvent("given up", EventClosed); !errors.Is(e.Err, ErrHandshakeTimeout) {
				t.Fatal(e.Err)
			}
			if _, ok := tc.a.Timeout(); ok {
				t.Fatal("a timer runs")
			}
			tc.wantIdle("no more")
		})
	}
}

// TestExpectRTT: with a round-trip time known from below INIT and COOKIE ECHO are sent
// again after three of them, then with backoff as ever, and given up no earlier than
// without; timeouts of data stay above RTO.Min. // 9260-4-c 9260-6.3.1-a
func TestExpectRTT(t *testing.T) {
	const ms = time.Millisecond
	for _, step := range []string{"INIT", "COOKIE ECHO"} {
		t.Run(step, func(t *testing.T) {
			tc := newTestConn(t, Config{MaxInitRetransmits: 1, RTOInitial: 900 * ms, RTOMin: 400 * ms})
			tc.a.ExpectRTT(40 * ms)
			if rto := tc.a.Stats().RTO; rto != 400*ms {
				t.Fatalf("RTO %v, want RTO.Min", rto)
			}
			if err := tc.a.Connect(tc.now); err != nil {
				t.Fatal(err)
			}
			tc.want("INIT", "INIT")
			if step == "COOKIE ECHO" {
				tc.write(tc.initAck())
				tc.want("COOKIE ECHO", step)
			}
			for _, want := range []time.Duration{120, 240, 400} {
				if d := tc.advanceToTimer(); d != want*ms {
					t.Fatalf("repeated after %v, want %v ms", d, want)
				}
				tc.want("the same chunk", step)
			}
			if d := tc.advanceToTimer(); d != 800*ms {
				t.Fatalf("given up after %v", d)
			}
			tc.wantEvent("given up", EventClosed)
		})
	}
	tc := newTestConn(t, Config{})
	tc.a.ExpectRTT(ms)
	if err := tc.a.Connect(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.a.ExpectRTT(ms / 2) // too late
	tc.want("INIT", "INIT")
	if d := tc.advanceToTimer(); d != 50*ms {
		t.Fatalf("repeated after %v on a short path", d)
	}
	tc.want("INIT", "INIT")
	tc.now = tc.now.Add(700 * ms)
	tc.write(tc.initAck())
	tc.want("the answer to the second is no sample", "COOKIE ECHO")
	if s := tc.a.Stats(); s.SRTT != 0 || s.RTO != time.Second {
		t.Fatalf("SRTT %v, RTO %v", s.SRTT, s.RTO)
	}
	slow := newTestConn(t, Config{})
	slow.a.ExpectRTT(time.Hour)
	if rto := slow.a.Stats().RTO; rto != time.Second {
		t.Fatalf("RTO %v, want RTO.Initial", rto)
	}
}

// TestHandshakeRTT: the handshake is a round-trip sample, unless repeated. // 9260-6.3.1-a 9260-6.3.1-b
func TestHandshakeRTT(t *testing.T) {
	for _, repeated := range []bool{false, true} {
		tc := newTestConn(t, Config{})
		if err := tc.a.Connect(tc.now); err != nil {
			t.Fatal(err)
		}
		tc.want("INIT", "INIT")
		if repeated {
			tc.advanceToTimer()
			tc.want("INIT again", "INIT")
		}
		tc.now = tc.now.Add(300 * time.Millisecond)
		tc.write(tc.initAck())
		want := 300 * time.Millisecond
		if repeated {
			want = 0
		}
		if got := tc.a.Stats().SRTT; got != want {
			t.Fatalf("SRTT %v, want %v", got, want)
		}
	}
}

// TestUnknownParameters applies the two highest bits of an unknown parameter. // 9260-3.2.1-a 9260-3.2.2-a
func TestUnknownParameters(t *testing.T) {
	tests := []struct {
		desc          string
		param         wire.ParamType
		report, later bool // it is reported; parameters behind it are read
	}{
		{"stop", 0x3ABC, false, false},
		{"stop and report", 0x7ABC, true, false},
		{"skip", 0xBABC, false, true},
		{"skip and report", 0xFABC, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			params := func(b []byte, n int) []byte {
				b = wire.AppendParam(b, n, tt.param, []byte("what?"))
				return wire.AppendParam(b, n, wire.ParamForwardTSN, nil)
			}
			tc := newTestConn(t, Config{})
			tc.peerParams = params
			tc.write(tc.init())
			p := wire.Packet(tc.sent[0])
			tc.want("INIT ACK is sent in all four cases", "INIT ACK")
			if got := reportsParam(p, tt.param); got != tt.report {
				t.Fatalf("INIT ACK reports it: %v", got)
			}
			tc.write(tc.cookieEcho())
			tc.want("accepted", "COOKIE ACK")
			if tc.a.forward.enabled != tt.later {
				t.Fatalf("parameters behind it are read: %v", tc.a.forward.enabled)
			}

			tc = newTestConn(t, Config{})
			tc.peerParams = params
			if err := tc.a.Connect(tc.now); err != nil {
				t.Fatal(err)
			}
			tc.want("INIT", "INIT")
			tc.write(tc.initAck())
			if tt.report {
				tc.want("reported behind the COOKIE ECHO", "COOKIE ECHO", "ERROR cause=8")
			} else {
				tc.want("not reported", "COOKIE ECHO")
			}
		})
	}
}

// reportsParam reports whether an INIT ACK has a report of the parameter.
func reportsParam(p wire.Packet, t wire.ParamType) bool {
	it := p.Chunks()
	c, _ := it.Next()
	ack, err := c.InitAck()
	if err != nil {
		return false
	}
	for q, ok := ack.Params.Next(); ok; q, ok = ack.Params.Next() {
		if q.Type() == wire.ParamUnrecognized && len(q.Value()) >= 4 && wire.Param(q.Value()).Type() == t {
			return true
		}
	}
	return false
}

// TestInitFlood: INITs cost no memory, and their answers are bounded.
func TestInitFlood(t *testing.T) {
	tc := newTestConn(t, Config{})
	b := wire.AppendHeader(nil, 5000, 5000, 0)
	b = tc.init().append(tc, b)
	wire.SetChecksum(b)
	for range 10_000 { // without letting it send
		tc.a.HandlePacket(tc.now, 0, b)
	}
	if n := tc.a.strays.len(); n > maxStrays {
		t.Fatalf("%d answers wait", n)
	}
	tc.wantPackets("as many answers as are kept", maxStrays)
}

// TestCommandsOutOfState: typed errors, and nothing changes.
func TestCommandsOutOfState(t *testing.T) {
	tc := newTestConn(t, Config{})
	m := Message{Payload: payload(1)}
	if err := tc.a.Send(tc.now, m); !errors.Is(err, ErrNotConnected) {
		t.Fatal(err)
	}
	tc.connect()
	if err := tc.a.Connect(tc.now); !errors.Is(err, ErrAlreadyStarted) {
		t.Fatal(err)
	}
	if err := tc.a.Send(tc.now, Message{}); !errors.Is(err, ErrEmptyMessage) {
		t.Fatal(err)
	}
	if err := tc.a.Send(tc.now, Message{Stream: 65535, Payload: payload(1)}); !errors.Is(err, ErrInvalidStream) {
		t.Fatal(err)
	}
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	if err := tc.a.Send(tc.now, m); !errors.Is(err, ErrShuttingDown) {
		t.Fatal(err)
	}
	if err := tc.a.ResetStreams(tc.now, 1); !errors.Is(err, ErrShuttingDown) {
		t.Fatal(err)
	}
	tc.a.Abort(tc.now, "enough")
	if err := tc.a.Send(tc.now, m); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := tc.a.Connect(tc.now); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := tc.a.Shutdown(tc.now); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
