package sctp

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestMetrics: the figures before an association, after its handshake, and as messages
// are sent, lost, sent again and received. // DCSCTP-metrics
func TestMetrics(t *testing.T) {
	tc := newTestConn(t, Config{HeartbeatInterval: -1})
	if s := tc.a.Stats(); s.State != Closed || s.OutboundStreams != 0 || s.SRTT != 0 || s.PeerWindow != 0 || s.Peer != PeerUnknown {
		t.Fatalf("before: %+v", s)
	}
	tc.peerStreams, tc.peerWindow = 20, 100_000
	if err := tc.a.Connect(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.want("INIT", "INIT")
	tc.now = tc.now.Add(80 * time.Millisecond)
	tc.write(tc.initAck())
	tc.want("COOKIE ECHO", "COOKIE ECHO")
	tc.write(chunk{t: wire.TypeCookieAck})
	s := tc.a.Stats()
	if s.State != Established || s.OutboundStreams != 20 || s.InboundStreams != 20 || s.PeerWindow != 100_000 || s.SRTT != 80*time.Millisecond ||
		!s.PartialReliability || !s.StreamReset || s.ZeroChecksumSending || s.PacketsSent != 2 || s.PacketsReceived != 2 {
		t.Fatalf("connected: %+v", s)
	}
	for range 5 {
		tc.send(Message{Payload: payload(1000)})
	}
	sent := uint64(len(tc.sent))
	s = tc.a.Stats()
	if s.MessagesSent != 5 || s.UnackedDataChunks+s.QueuedMessages != 5 || s.SendBuffered != 5000 ||
		s.DataChunksSent != sent || s.PacketsSent != 2+sent || s.PeerWindow != 100_000-1000*int(sent) {
		t.Fatalf("sent: %+v", s)
	}
	tc.sent = nil
	tc.advanceToTimer() // a probe or T3-rtx
	again := tc.a.Stats()
	if again.DataChunksSent <= s.DataChunksSent || again.Retransmissions == 0 && again.TailLossProbes == 0 {
		t.Fatalf("sent again: %+v", again)
	}
	for tc.a.Stats().SendBuffered > 0 {
		tc.write(sack{cum: tc.a.sent.highest().Since(tc.localTSN)})
	}
	tc.write(data{tsn: 0, flags: whole, payload: "abc"})
	tc.write(data{tsn: 0, flags: whole, payload: "abc"})
	tc.writeTag(1, data{tsn: 1, flags: whole, payload: "abc"})
	s = tc.a.Stats()
	if s.MessagesDelivered != 5 || s.UnackedDataChunks != 0 || s.FlightSize != 0 || s.MessagesReceived != 1 || s.DuplicatesReceived != 1 ||
		s.PacketsDropped != 1 || s.ReceiveBuffered != 3 || s.UnreadDataChunks != 1 || s.LocalWindow >= 2<<20 {
		t.Fatalf("received: %+v", s)
	}
	tc.wantRead("the message", 0, "abc")
	if s := tc.a.Stats(); s.ReceiveBuffered != 0 || s.UnreadDataChunks != 0 || s.LocalWindow != 2<<20 {
		t.Fatalf("read: %+v", s)
	}
}
