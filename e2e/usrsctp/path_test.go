package usrsctp

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// Heartbeats of each side are answered by the other. // 9260-8.3-a
func TestHeartbeat(t *testing.T) {
	need(t)
	t.Parallel()
	a, p := connect(t, testContext(t), setup{cfg: sctp.Config{HeartbeatInterval: 50 * time.Millisecond}})
	answered := 0
	a.see("answers to our heartbeats", a.tap.watch(fromPeer, func(kind byte, _ []byte) bool {
		if kind == typeHeartbeatAck {
			answered++
		}
		return answered == 3
	}))
	if a.Stats().SRTT == 0 {
		t.Error("no round-trip time")
	}
	request, answer := a.tap.watchType(fromPeer, typeHeartbeat), a.tap.watchType(toPeer, typeHeartbeatAck)
	p.do("heartbeat")
	a.see("a heartbeat of usrsctp", request)
	a.see("our answer", answer)
	for p.stats()["acks"] == 0 {
		if a.ctx.Err() != nil {
			t.Fatal("usrsctp never saw our answer")
		}
	}
}

// A peer that is gone is found out by heartbeats alone. // 9260-8.1-a
func TestUnreachable(t *testing.T) {
	need(t)
	t.Parallel()
	a, p := connect(t, testContext(t), setup{cfg: sctp.Config{HeartbeatInterval: 20 * time.Millisecond, MaxRetransmits: 2}})
	p.kill()
	if err := a.ends(); !errors.Is(err, sctp.ErrPeerUnreachable) {
		t.Errorf("our side ends with %v", err)
	}
}

// Damaged packets are found out by both sides. // 9260-6.8-a
func TestDamage(t *testing.T) {
	need(t)
	t.Parallel()
	damage := &netsim.Conditions{Latency: time.Millisecond, Corrupt: 0.1, CorruptBits: 3}
	a, p := connect(t, testContext(t), setup{conditions: damage})
	exchange(t, a, p, batch{streams: 4, count: 40, size: 10_000})
	if bad, dropped := p.stats()["badsum"], a.Stats().PacketsDropped; bad == 0 || dropped == 0 {
		t.Errorf("usrsctp found %d wrong checksums, we dropped %d packets", bad, dropped)
	}
}

// usrsctp 0.9.5 does not know of zero checksums (RFC 9653): it gets right ones. // 9653-5.2-a
func TestZeroChecksumUnknown(t *testing.T) {
	need(t)
	t.Parallel()
	a, p := connect(t, testContext(t), setup{cfg: sctp.Config{ZeroChecksum: sctp.DTLSDetection}})
	exchange(t, a, p, batch{streams: 1, count: 10, size: 1000})
	wantUndamaged(t, a, p)
	if a.Stats().ZeroChecksumSending {
		t.Error("we send zero checksums")
	}
}
