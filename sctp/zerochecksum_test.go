package sctp

import (
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// acceptsZero makes the peer announce that it accepts zero checksums under a method.
func (tc *testConn) acceptsZero(method ErrorDetection) {
	params := tc.peerParams
	tc.peerParams = func(b []byte, n int) []byte {
		return wire.AppendParamUint32(params(b, n), n, wire.ParamZeroChecksum, uint32(method))
	}
}

// TestZeroChecksumSent: only when the peer accepts it under our method, and never
// on INIT, COOKIE ECHO and what is out of the blue. // 9653-5.2-a DCSCTP-zero-checksum
func TestZeroChecksumSent(t *testing.T) {
	tests := []struct {
		ours, theirs ErrorDetection
		zero         bool
	}{
		{DTLSDetection, DTLSDetection, true},
		{DTLSDetection, NoZeroChecksum, false},
		{NoZeroChecksum, DTLSDetection, false},
		{DTLSDetection, 2, false},
	}
	for _, tt := range tests {
		tc := newTestConn(t, Config{ZeroChecksum: tt.ours})
		if tt.theirs != NoZeroChecksum {
			tc.acceptsZero(tt.theirs)
		}
		tc.connect() // wants INIT and COOKIE ECHO without "zero checksum"
		tc.send(Message{Payload: payload(10)})
		want := []string{"DATA tsn=0"}
		if tt.zero {
			want = append([]string{"zero checksum"}, want...)
		}
		tc.want("DATA", want...)
		if tc.a.Stats().ZeroChecksumSending != tt.zero {
			t.Fatalf("%+v", tt)
		}
		tc.a.Abort(tc.now, "")
		tc.want("the end has a checksum", "ABORT cause=12")
	}
	tc := newTestConn(t, Config{ZeroChecksum: DTLSDetection})
	tc.acceptsZero(DTLSDetection)
	tc.write(tc.init())
	tc.want("INIT ACK has a checksum", "INIT ACK")
	tc.write(tc.cookieEcho())
	tc.want("COOKIE ACK has none", "zero checksum", "COOKIE ACK")
}

// TestZeroChecksumReceived: zero is accepted if we said so; anything else must be
// right. The directions are independent. // 9653-5.1-a 9653-5.3-a DCSCTP-zero-checksum
func TestZeroChecksumReceived(t *testing.T) {
	for _, accept := range []bool{false, true} {
		cfg := Config{}
		if accept {
			cfg.ZeroChecksum = DTLSDetection
		}
		tc := newConnected(t, cfg)
		tc.zeroWrites = true
		tc.write(data{tsn: 0, flags: whole, payload: "x"})
		if accept {
			tc.want("taken", "SACK cum=0")
		} else {
			tc.wantIdle("dropped")
		}
		b := wire.AppendHeader(nil, 5000, 5000, tc.localTag)
		b = data{tsn: 1, flags: whole, payload: "y"}.append(tc, b)
		wire.SetChecksum(b)
		b[8] ^= 1
		tc.writeRaw(b)
		tc.wantIdle("a wrong checksum is never right") // 9260-6.8-a
		if s := tc.a.Stats(); s.PacketsDropped == 0 {
			t.Fatal("not counted")
		}
	}
}

// TestZeroChecksumIsRight: zero can also be the right checksum. // 9653-5.3-a
func TestZeroChecksumIsRight(t *testing.T) {
	tc := newTestConn(t, Config{LocalPort: 5001, RemotePort: 5001})
	b := wire.AppendHeader(nil, 5001, 5001, 0)
	n := len(b)
	b = wire.EndChunk(wire.BeginInit(b, wire.TypeInit, wire.Init{Tag: 0xFCB75CCA, ARwnd: 1500, OutStreams: 1, InStreams: 1}), n)
	if !wire.Packet(b).ChecksumOK() {
		t.Fatal("the vector of RFC 9653")
	}
	tc.peerTag = 0xFCB75CCA
	tc.writeRaw(b)
	tc.want("taken", "INIT ACK")
}
