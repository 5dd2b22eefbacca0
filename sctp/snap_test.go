package sctp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// peerToken is the token of the peer that tc speaks for.
func (tc *testConn) peerToken() []byte { return tc.init().append(tc, nil) }

// learnToken takes from the association's token what the peer must know.
func (tc *testConn) learnToken() {
	tc.t.Helper()
	c, err := wire.ParseChunk(tc.a.InitToken())
	if err != nil {
		tc.t.Fatal(err)
	}
	in, err := c.Init()
	if err != nil {
		tc.t.Fatal(err)
	}
	tc.localTag, tc.localTSN = in.Tag, in.InitialTSN
}

// newByToken returns a testConn in ESTABLISHED by tokens.
func newByToken(t testing.TB, cfg Config) *testConn {
	t.Helper()
	tc := newTestConn(t, cfg)
	tc.learnToken()
	if err := tc.a.ConnectWithToken(tc.now, tc.peerToken()); err != nil {
		t.Fatal(err)
	}
	tc.wantEvent("established at once", EventConnected)
	tc.wantIdle("without a packet")
	tc.wantState("by the tokens alone", Established)
	return tc
}

// TestInitToken: the token is the INIT that Connect sends, and asking for it
// changes nothing. // snap-a snap-c
func TestInitToken(t *testing.T) {
	cfg := Config{Seed: [32]byte{3}, ZeroChecksum: DTLSDetection, ReceiveBuffer: 1 << 20}
	tc := newTestConn(t, cfg)
	token := tc.a.InitToken()
	again, err := InitToken(cfg)
	if err != nil || !bytes.Equal(token, again) || !bytes.Equal(token, tc.a.InitToken()) {
		t.Fatalf("tokens %x and %x, %v", token, again, err)
	}
	tc.wantState("unchanged", Closed)
	if _, on := tc.a.Timeout(); on {
		t.Fatal("a timer runs")
	}
	tc.learnToken()
	tag, tsn := tc.localTag, tc.localTSN
	if err := tc.a.Connect(tc.now); err != nil {
		t.Fatal(err)
	}
	var buf [2048]byte
	tx, _ := tc.a.Transmit(tc.now, buf[:0])
	if !bytes.Equal(tx.Packet[commonHeader:][:len(token)], token) {
		t.Fatalf("INIT %x, token %x", tx.Packet, token)
	}
	if tc.learn(tx.Packet); tc.localTag != tag || tc.localTSN != tsn {
		t.Fatal("another tag or TSN")
	}
	var bad *ConfigError
	if _, err := InitToken(Config{MTU: 1}); !errors.As(err, &bad) {
		t.Fatalf("InitToken: %v", err)
	}
}

// TestTokenOfChromium: the vector of the draft's example. // snap-e
func TestTokenOfChromium(t *testing.T) {
	token, err := base64.StdEncoding.DecodeString("AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA")
	if err != nil {
		t.Fatal(err)
	}
	tc := newTestConn(t, Config{})
	if err := errors.Join(CheckInitToken(token), tc.a.ConnectWithToken(tc.now, token)); err != nil {
		t.Fatal(err)
	}
	want := peerInit{tag: 0x896cdd1d, window: 0x500000, outStreams: 65535, inStreams: 65535, initialTSN: 0xe079651d,
		forwardTSN: true, reconfig: true, pads: true}
	if tc.a.peer != want || tc.a.id.peerTag != want.tag {
		t.Fatalf("%+v", tc.a.peer)
	}
	padded := append(token, 0, 0)
	if err := CheckInitToken(padded); err != nil {
		t.Fatalf("with its padding: %v", err)
	}
}

// TestConnectWithToken: data flows both ways at once, under the tags and TSNs of
// the tokens, and what both announced is in force. // snap-c snap-d
func TestConnectWithToken(t *testing.T) {
	tc := newTestConn(t, Config{ZeroChecksum: DTLSDetection, OutboundStreams: 10, InboundStreams: 20})
	tc.acceptsZero(DTLSDetection)
	tc.peerStreams = 15
	tc.learnToken()
	if err := tc.a.ConnectWithToken(tc.now, tc.peerToken()); err != nil {
		t.Fatal(err)
	}
	tc.wantEvent("established", EventConnected)
	if out, in := tc.a.OutboundStreams(), tc.a.InboundStreams(); out != 10 || in != 15 {
		t.Fatalf("%d and %d streams", out, in)
	}
	tc.send(Message{Stream: 3, Payload: payload(5)})
	tc.want("the first packet is data", "zero checksum", "DATA tsn=0 sid=3 ssn=0")
	if tc.a.Stats().SNAP {
		t.Fatal("SNAP, though nothing was heard of the peer")
	}
	tc.write(data{tsn: 0, sid: 1, flags: whole, payload: "hello"}, sack{cum: 0})
	tc.wantRead("the peer's first packet too", 1, "hello")
	tc.want("acknowledged at once", "zero checksum", "SACK cum=0")
	if !tc.a.Stats().SNAP {
		t.Fatal("no SNAP in the statistics")
	}
	if err := tc.a.ResetStreams(tc.now, 3); err != nil {
		t.Fatalf("extensions of both sides: %v", err)
	}
	tc.want("request numbers begin at the TSNs", "zero checksum", "RE-CONFIG out-reset req=0 resp=-1 last=0 streams=3")
	if err := tc.a.ConnectWithToken(tc.now, tc.peerToken()); err != ErrAlreadyStarted {
		t.Fatalf("once more: %v", err)
	}
}

// TestTokenWithoutExtensions: what only one side announces is not used. // snap-d
func TestTokenWithoutExtensions(t *testing.T) {
	tc := newTestConn(t, Config{})
	tc.peerParams = func(b []byte, chunk int) []byte { return b }
	tc.learnToken()
	if err := tc.a.ConnectWithToken(tc.now, tc.peerToken()); err != nil {
		t.Fatal(err)
	}
	if err := tc.a.ResetStreams(tc.now, 3); err != ErrNotSupported {
		t.Fatalf("ResetStreams: %v", err)
	}
	if tc.a.forward.enabled {
		t.Fatal("partial reliability")
	}
}

// TestBadToken: what no INIT may hold is refused, and nothing has changed: a
// handshake is possible still. // snap-b 9260-3.3.2-b 9260-3.3.2.1-a
func TestBadToken(t *testing.T) {
	good := wire.Init{Tag: testPeerTag, ARwnd: 1500, OutStreams: 1, InStreams: 1, InitialTSN: 9}
	build := func(chunk wire.ChunkType, change func(*wire.Init), params func(b []byte, n int) []byte) []byte {
		in := good
		if change != nil {
			change(&in)
		}
		b := wire.BeginInit(nil, chunk, in)
		if params != nil {
			b = params(b, 0)
		}
		return wire.EndChunk(b, 0)
	}
	whole := build(wire.TypeInit, nil, nil)
	if err := CheckInitToken(whole); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		desc  string
		token []byte
	}{
		{"nothing", nil},
		{"empty", []byte{}},
		{"cut off", whole[:len(whole)-1]},
		{"two chunks", append(whole[:len(whole):len(whole)], whole...)},
		{"INIT ACK", build(wire.TypeInitAck, nil, nil)},
		{"tag 0", build(wire.TypeInit, func(in *wire.Init) { in.Tag = 0 }, nil)},
		{"small window", build(wire.TypeInit, func(in *wire.Init) { in.ARwnd = 1499 }, nil)},
		{"no streams out", build(wire.TypeInit, func(in *wire.Init) { in.OutStreams = 0 }, nil)},
		{"no streams in", build(wire.TypeInit, func(in *wire.Init) { in.InStreams = 0 }, nil)},
		{"host name", build(wire.TypeInit, nil, func(b []byte, n int) []byte {
			return wire.AppendParam(b, n, wire.ParamHostName, []byte("a.example\x00"))
		})},
		{"parameter cut off", build(wire.TypeInit, nil, func(b []byte, n int) []byte { return append(b, 0x80, 8, 0, 9) })},
		{"too long", build(wire.TypeInit, nil, func(b []byte, n int) []byte {
			return wire.AppendParam(b, n, wire.ParamPad, make([]byte, maxInitToken))
		})},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			tc := newTestConn(t, Config{})
			tc.learnToken()
			var bad *InitTokenError
			if err := CheckInitToken(tt.token); !errors.As(err, &bad) {
				t.Fatalf("CheckInitToken: %v", err)
			}
			if err := tc.a.ConnectWithToken(tc.now, tt.token); !errors.As(err, &bad) {
				t.Fatalf("ConnectWithToken: %v", err)
			}
			if tc.a.peer != (peerInit{}) || tc.a.id.peerTag != 0 {
				t.Fatal("the token left something behind")
			}
			tc.connect()
		})
	}
	t.Run("mirrored", func(t *testing.T) {
		tc := newTestConn(t, Config{})
		var bad *InitTokenError
		if err := tc.a.ConnectWithToken(tc.now, tc.a.InitToken()); !errors.As(err, &bad) {
			t.Fatalf("ConnectWithToken: %v", err)
		}
		tc.connect()
	})
	t.Run("ended", func(t *testing.T) {
		tc := newTestConn(t, Config{})
		tc.a.Abort(tc.now, "")
		if err := tc.a.ConnectWithToken(tc.now, whole); err != ErrClosed {
			t.Fatalf("ConnectWithToken: %v", err)
		}
	})
}

// TestPeerFallsBack: the peer has our token but begins a handshake, perhaps under
// other numbers. It is no restart: what was sent is sent again, and nothing is lost.
// // snap-c 9260-5.2.1-a
func TestPeerFallsBack(t *testing.T) {
	for _, same := range []bool{true, false} {
		tc := newByToken(t, Config{HeartbeatInterval: -1})
		tc.send(Message{Stream: 1, Payload: payload(10)})
		tc.want("data goes out", "DATA tsn=0 sid=1 ssn=0")
		tc.wantEvent("all of it", EventBufferedAmountLow)
		tag, tsn := tc.localTag, tc.localTSN
		if !same {
			tc.peerTag, tc.peerTSN, tc.peerWindow = 0xABCD, 77000, 5000
		}
		tc.write(tc.init())
		tc.want("INIT is answered as in COOKIE-WAIT", "INIT ACK")
		if tc.localTag != tag || tc.localTSN != tsn {
			t.Fatal("under a new tag or TSN")
		}
		tc.write(tc.init())
		tc.want("again, if it comes again", "INIT ACK")
		tc.wantNoEvent("nothing has changed")
		tc.write(tc.cookieEcho())
		tc.want("the same data, to the new tag", "COOKIE ACK", "DATA tsn=0 sid=1 ssn=0")
		if tc.a.id.peerTag != tc.peerTag {
			t.Fatal("the peer's tag is still that of its token")
		}
		tc.wantNoEvent("and no restart")
		tc.write(data{tsn: 0, flags: whole, payload: "late"}, sack{cum: 0})
		tc.want("the peer's TSNs are those of its INIT", "SACK cum=0")
		tc.wantRead("and its data is taken", 0, "late")
		tc.wantEvent("which could be read", EventReadable)
		tc.write(tc.cookieEcho())
		tc.want("a lost COOKIE ACK is repeated", "COOKIE ACK") // 9260-5.2.4-d
		tc.wantNoEvent("that is all")
		if s := tc.a.Stats(); s.SNAP || s.SendBuffered != 0 {
			t.Fatalf("%+v", s)
		}
		if err := tc.a.ResetStreams(tc.now, 1); err != nil {
			t.Fatal(err)
		}
		tc.want("numbers of requests too", "RE-CONFIG out-reset req=0 resp=-1 last=0 streams=1")
	}
}

// TestPeerFallsBackRequests: a request that the peer could not take is made again at
// once, and that it did not answer is no error of the path.
func TestPeerFallsBackRequests(t *testing.T) {
	tc := newByToken(t, Config{HeartbeatInterval: -1, MaxRetransmits: 1})
	if err := tc.a.RequestReset(tc.now, 1); err != nil {
		t.Fatal(err)
	}
	const request = "RE-CONFIG in-reset req=0 streams=1"
	tc.want("a request", request)
	tc.advanceToTimer()
	tc.want("again", request)
	tc.write(tc.init())
	tc.want("the peer falls back", "INIT ACK")
	tc.write(tc.cookieEcho())
	tc.want("the same request", "COOKIE ACK", request)
	tc.advanceToTimer()
	tc.want("one error is allowed", request)
	tc.wantState("one error is allowed", Established)
	tc = newByToken(t, Config{HeartbeatInterval: -1})
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.want("the end", "SHUTDOWN")
	tc.write(tc.init())
	tc.want("the peer falls back", "INIT ACK")
	tc.write(tc.cookieEcho())
	tc.want("the end again", "COOKIE ACK", "SHUTDOWN")
}

// TestPeerFallsBackChanged: a peer whose INIT says something else than its token
// did is taken as one that restarts, and so is one whose cookie is of before.
// // 9260-5.2.4-c
func TestPeerFallsBackChanged(t *testing.T) {
	t.Run("announces less", func(t *testing.T) {
		tc := newByToken(t, Config{})
		tc.send(Message{Stream: 1, Payload: payload(10)})
		tc.want("data goes out", "DATA tsn=0")
		tc.wantEvent("all of it", EventBufferedAmountLow)
		tc.peerParams = func(b []byte, chunk int) []byte { return b }
		tc.write(tc.init())
		tc.want("answered", "INIT ACK")
		tc.write(tc.cookieEcho())
		tc.want("accepted", "COOKIE ACK")
		tc.wantEvent("as a restart", EventRestarted)
	})
	t.Run("cookie of before", func(t *testing.T) {
		tc := newTestConn(t, Config{})
		tc.write(tc.init())
		tc.want("answered", "INIT ACK")
		echo := tc.cookieEcho()
		tag := tc.localTag
		if err := tc.a.ConnectWithToken(tc.now, tc.peerToken()); err != nil {
			t.Fatal(err)
		}
		tc.wantEvent("established by tokens", EventConnected)
		tc.writeTag(tag, echo)
		tc.want("the peer has another idea", "COOKIE ACK")
		tc.wantEvent("which counts", EventRestarted)
	})
}

// TestRestartAfterTokens: once the peer was heard of, its INIT is that of a restart,
// with Tie-Tags. // 9260-5.2.2-a 9260-5.2.4-c
func TestRestartAfterTokens(t *testing.T) {
	tc := newByToken(t, Config{HeartbeatInterval: -1})
	tc.write(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("acknowledged", "SACK cum=0")
	tc.wantEvent("readable", EventReadable)
	tc.wantRead("it is", 0, "x")
	old := tc.localTag
	tc.peerTag, tc.peerTSN = 0xABCD, 500
	tc.write(tc.init())
	tc.want("answered", "INIT ACK")
	if tc.localTag == old {
		t.Fatal("under the old tag")
	}
	tc.wantNoEvent("the INIT alone changes nothing")
	tc.write(tc.cookieEcho())
	tc.want("the cookie does", "COOKIE ACK")
	tc.wantEvent("a restart", EventRestarted)
	tc.write(data{tsn: 0, flags: whole, payload: "y"})
	tc.want("from the new TSN on", "SACK cum=0")
}

// TestTokenUnanswered: a peer that is not there is found out by what is sent, as
// after any handshake, and an ABORT ends the association.
func TestTokenUnanswered(t *testing.T) {
	tc := newByToken(t, Config{MaxRetransmits: 2, HeartbeatInterval: -1})
	tc.send(Message{Payload: payload(10)})
	for range 3 {
		tc.want("sent", "DATA tsn=0")
		tc.advanceToTimer()
	}
	tc.wantEvent("all was sent", EventBufferedAmountLow)
	if e := tc.wantEvent("the path is down", EventPathDown); e.Path != 0 {
		t.Fatal(e)
	}
	if e := tc.wantEvent("given up", EventClosed); e.Err != ErrPeerUnreachable {
		t.Fatal(e)
	}
	tc = newByToken(t, Config{})
	tc.write(causeChunk(wire.TypeAbort, 0, wire.CauseUserAbort, "no"))
	tc.wantEvent("aborted", EventClosed)
}

// TestShutdownByTokens: a graceful end before anything was heard.
func TestShutdownByTokens(t *testing.T) {
	tc := newByToken(t, Config{})
	if err := tc.a.Shutdown(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.want("begins", "SHUTDOWN cum=-1")
	tc.write(chunk{t: wire.TypeShutdownAck})
	tc.want("ends", "SHUTDOWN COMPLETE")
	tc.wantEvent("gracefully", EventClosed)
}

// TestBothByTokens runs two associations that exchanged tokens: nothing but data
// and acknowledgements is ever sent.
func TestBothByTokens(t *testing.T) {
	var ends [2]*Association
	now := time.Unix(5000, 0)
	for i := range ends {
		a, err := New(Config{Seed: [32]byte{byte(i + 1)}, MaxMTU: -1})
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = a
	}
	tokens := [2][]byte{ends[0].InitToken(), ends[1].InitToken()}
	for i, a := range ends {
		if err := a.ConnectWithToken(now, tokens[1-i]); err != nil {
			t.Fatal(err)
		}
		if err := a.Send(now, Message{Stream: 1, Payload: payload(5000)}); err != nil {
			t.Fatal(err)
		}
	}
	var buf [2048]byte
	for quiet := 0; quiet < 2; {
		quiet = 0
		for i, a := range ends {
			tx, ok := a.Transmit(now, buf[:0])
			if !ok {
				if quiet++; quiet == 2 && (ends[0].ack.delay.on() || ends[1].ack.delay.on()) {
					now, quiet = now.Add(200*time.Millisecond), 0
					ends[0].HandleTimeout(now)
					ends[1].HandleTimeout(now)
				}
				continue
			}
			it := wire.Packet(tx.Packet).Chunks()
			for c, ok := it.Next(); ok; c, ok = it.Next() {
				if c.Type() != wire.TypeData && c.Type() != wire.TypeSack && c.Type() != wire.TypeIData {
					t.Fatalf("%v on the wire", c.Type())
				}
			}
			ends[1-i].HandlePacket(now, 0, tx.Packet)
		}
	}
	for i, a := range ends {
		if info, err := a.Peek(1); err != nil || info.Size != 5000 {
			t.Errorf("end %d: %+v, %v", i, info, err)
		}
		if s := a.Stats(); !s.SNAP || s.UnackedDataChunks != 0 || s.Retransmissions != 0 {
			t.Errorf("end %d: %+v", i, s)
		}
	}
}

// FuzzInitToken: no token does harm, and one that is taken makes an association
// that works.
func FuzzInitToken(f *testing.F) {
	token, err := InitToken(Config{Seed: [32]byte{9}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, token []byte) {
		tc := newTestConn(t, Config{HeartbeatInterval: -1})
		checked, err := CheckInitToken(token), tc.a.ConnectWithToken(tc.now, token)
		if (checked == nil) != (err == nil) && !bytes.Equal(token, tc.a.InitToken()) {
			t.Fatalf("CheckInitToken %v, ConnectWithToken %v", checked, err)
		}
		if err != nil {
			tc.wantState("unchanged", Closed)
			return
		}
		tc.send(Message{Payload: payload(3000)})
		tc.advance(time.Minute)
		tc.a.Abort(tc.now, "")
		tc.drain()
	})
}

// The token takes no association to make, and no more memory than it has itself.
func TestInitTokenAllocs(t *testing.T) {
	cfg := Config{Seed: [32]byte{1}}
	token, err := InitToken(cfg)
	a, err2 := New(cfg)
	if err != nil || err2 != nil || !bytes.Equal(token, a.InitToken()) {
		t.Fatalf("token %x, %v; the association's is %x, %v", token, err, a.InitToken(), err2)
	}
	var before, after runtime.MemStats
	const n = 100
	runtime.ReadMemStats(&before)
	for range n {
		if token, err = InitToken(cfg); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / n; per > 1024 {
		t.Errorf("a token takes %d bytes", per)
	} else {
		t.Logf("a token takes %d bytes", per)
	}
}
