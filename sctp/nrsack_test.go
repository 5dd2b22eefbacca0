package sctp

import (
	"fmt"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// nrSack is an NR-SACK of the peer; as in sack.
type nrSack struct {
	cum      int
	gaps, nr []wire.GapBlock
}

func (s nrSack) append(tc *testConn, b []byte) []byte {
	return wire.AppendNRSack(b, tc.localTSN.Add(s.cum), 1<<20, s.gaps, s.nr, nil)
}

// block is one gap block.
func block(start, end uint16) []wire.GapBlock { return []wire.GapBlock{{Start: start, End: end}} }

// newNRSACK returns an established testConn whose peer wants NR-SACKs, too.
func newNRSACK(t testing.TB, cfg Config) *testConn {
	t.Helper()
	cfg.NRSACK = true
	tc := newTestConn(t, cfg)
	tc.peerParams = extensions(wire.TypeReconfig, wire.TypeForwardTSN, wire.TypeNRSack)
	tc.connect()
	return tc
}

// TestNRSackNegotiated: both sides must list the chunk. // nrsack-a
func TestNRSackNegotiated(t *testing.T) {
	for _, ours := range []bool{false, true} {
		for _, peers := range []bool{false, true} {
			for _, initiate := range []bool{false, true} {
				tc := newTestConn(t, Config{NRSACK: ours})
				if peers {
					tc.peerParams = extensions(wire.TypeNRSack)
				}
				if initiate {
					tc.connect()
				} else {
					tc.write(tc.init())
					tc.want("INIT", "INIT ACK")
					tc.write(tc.cookieEcho())
					tc.want("COOKIE ECHO", "COOKIE ACK")
				}
				tc.write(data{tsn: 0, flags: whole, payload: "x"})
				want := "SACK cum=0"
				if ours && peers {
					want = "NR-SACK cum=0"
				}
				tc.want(fmt.Sprintf("ours %v, peer's %v, initiating %v", ours, peers, initiate), want)
				// An unknown chunk of this type ends the packet.
				tc.write(nrSack{cum: -1}, heartbeatChunk(wire.TypeHeartbeat, []byte("x")))
				if ours && peers {
					tc.want("NR-SACK is known", "HEARTBEAT ACK")
				} else {
					tc.wantIdle("NR-SACK is unknown")
				}
			}
		}
	}
}

// TestNRSackSent: all that came in above the cumulative TSN is reported for good,
// and never dropped for what fills gaps. // nrsack-a
func TestNRSackSent(t *testing.T) {
	tc := newNRSACK(t, Config{ReceiveBuffer: 4096})
	tc.write(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("nothing out of order", "NR-SACK cum=0 gaps=0 nr= dups=0")
	fragment := string(payload(1050))
	for i := range 4 { // fragments that others would drop
		tc.write(data{tsn: 3 + 2*i, sid: 1, payload: fragment})
	}
	tc.sent = nil
	tc.write(data{tsn: 20, flags: whole, payload: "full"})
	tc.want("no room", "NR-SACK cum=0 gaps=0 nr=3-3,5-5,7-7,9-9")
	for i := range 3 {
		tc.write(data{tsn: 4 + 2*i, sid: 1, payload: fragment})
	}
	tc.sent = tc.sent[len(tc.sent)-1:]
	tc.want("gaps are filled", "NR-SACK cum=0 gaps=0 nr=3-9")
	for i := range 10 {
		tc.write(data{tsn: 2, sid: 1, flags: wire.FlagBegin, payload: fragment})
		if i == 0 {
			tc.want("more than enough", "NR-SACK cum=0 gaps=0 nr=2-9")
		}
	}
	tc.sent = nil
	tc.write(data{tsn: 1, flags: whole, ssn: 1, payload: "y"})
	tc.want("nothing was dropped", "NR-SACK cum=9")
	tc.wantRead("in order", 0, "x", "y")
}

// TestNRSackFrees: what is acknowledged for good leaves the send buffer at once, and
// is done with the cumulative TSN. // nrsack-a
func TestNRSackFrees(t *testing.T) {
	tc := newNRSACK(t, Config{SendBuffer: 3000, MaxBurst: 100})
	for range 3 {
		tc.send(Message{Payload: payload(1000)})
	}
	if err := tc.a.Send(tc.now, Message{Payload: payload(1000)}); err != ErrSendBufferFull {
		t.Fatal(err)
	}
	tc.sent, tc.events = nil, nil
	tc.write(nrSack{cum: -1, gaps: block(2, 2), nr: block(3, 3)})
	if st := tc.a.Stats(); st.SendBuffered != 2000 || st.UnackedDataChunks != 1 {
		t.Fatalf("%+v", st)
	}
	tc.wantEvent("room", EventWritable)
	if m := tc.a.sent.at(tc.localTSN.Add(2)).msg; m.payload != nil {
		t.Error("the payload is kept")
	}
	if m := tc.a.sent.at(tc.localTSN.Add(1)).msg; m.payload == nil {
		t.Error("the payload of what may be reneged is gone")
	}
	tc.write(nrSack{cum: -1, nr: block(2, 3)})
	if st := tc.a.Stats(); st.SendBuffered != 1000 {
		t.Fatalf("reported before, and now for good: %+v", st)
	}
	tc.write(sack{cum: 2})
	if st := tc.a.Stats(); st.SendBuffered != 0 || st.MessagesDelivered != 3 || tc.a.out.messages != 0 {
		t.Fatalf("%+v", st)
	}
}

// TestNRSackReneged: a peer that does not mention it any more has what it acknowledged
// for good all the same; what it only acknowledged it may have dropped. // nrsack-a
func TestNRSackReneged(t *testing.T) {
	tc := newNRSACK(t, Config{MaxBurst: 100})
	for range 4 {
		tc.send(Message{Payload: payload(800)})
	}
	tc.sent = nil
	tc.write(nrSack{cum: -1, gaps: block(4, 4), nr: block(2, 3)})
	if st := tc.a.Stats(); st.UnackedDataChunks != 1 || st.SendBuffered != 1600 {
		t.Fatalf("%+v", st)
	}
	tc.write(nrSack{cum: -1})
	if st := tc.a.Stats(); st.UnackedDataChunks != 2 || st.SendBuffered != 1600 {
		t.Fatalf("%+v", st)
	}
	tc.sent = nil
	for range 3 { // T3-rtx takes it no other way
		tc.advanceToTimer()
		for _, b := range tc.sent {
			for _, c := range tc.describePacket(b) {
				var tsn int
				if n, _ := fmt.Sscanf(c, "DATA tsn=%d", &tsn); n == 1 && tsn != 0 && tsn != 3 {
					t.Fatalf("sent again: %q", c)
				}
			}
		}
		tc.sent = nil
	}
	tc.write(sack{cum: 3})
	if st := tc.a.Stats(); st.SendBuffered != 0 || st.MessagesDelivered != 4 {
		t.Fatalf("%+v", st)
	}
}

// TestNRSackAbandoned: the rest of a message that is partly acknowledged for good may
// still be given up, or displaced.
func TestNRSackAbandoned(t *testing.T) {
	tc := newNRSACK(t, Config{MaxBurst: 100})
	tc.send(Message{Payload: payload(2000), Reliability: rexmit(0)})
	tc.sent = nil
	tc.write(nrSack{cum: -1, nr: block(2, 2)})
	tc.want("lost, and given up", "FORWARD-TSN cum=1")
	if st := tc.a.Stats(); st.SendBuffered != 0 || st.MessagesAbandoned != 1 {
		t.Fatalf("%+v", st)
	}
	tc.write(nrSack{cum: 1})
	if tc.a.out.messages != 0 || tc.a.out.buffered != 0 {
		t.Fatalf("%d messages, %d bytes", tc.a.out.messages, tc.a.out.buffered)
	}
}

// TestNRSackMalformed: nothing comes of blocks that cannot be, or lists that are cut
// off; lists may overlap.
func TestNRSackMalformed(t *testing.T) {
	tc := newNRSACK(t, Config{MaxBurst: 100})
	for range 3 {
		tc.send(Message{Payload: payload(100)})
	}
	tc.sent = nil
	for _, nr := range [][]wire.GapBlock{block(0, 1), block(3, 2), block(2, 4), block(1, 65535)} {
		tc.write(nrSack{cum: -1, nr: nr})
		if st := tc.a.Stats(); st.SendBuffered != 300 || st.UnackedDataChunks != 3 {
			t.Fatalf("%v: %+v", nr, st)
		}
	}
	good := nrSack{cum: -1, gaps: block(2, 2), nr: block(3, 3)}.append(tc, nil)
	for n := 4; n < len(good); n += 4 {
		tc.write(chunk{t: wire.TypeNRSack, value: good[4:n]})
		if st := tc.a.Stats(); st.SendBuffered != 300 || st.UnackedDataChunks != 3 {
			t.Fatalf("%d bytes: %+v", n, st)
		}
	}
	tc.write(nrSack{cum: -1, gaps: block(2, 3), nr: append(block(3, 3), block(2, 3)...)})
	if st := tc.a.Stats(); st.SendBuffered != 100 || st.UnackedDataChunks != 1 {
		t.Fatalf("%+v", st)
	}
}
