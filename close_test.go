package sluice

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/netsim"
)

// stepOf says what a connection of which much is under way waits for.
func stepOf(pc *PeerConnection, open bool) string {
	c := pc.core
	connected := false
	select {
	case <-c.session.Connected():
		connected = true
	default:
	}
	switch {
	case open:
		return "nothing"
	case connected:
		return "DCEP"
	case c.transport() != nil:
		return "SCTP"
	case c.sctp.dtls.State() == DTLSStateConnecting:
		return "DTLS"
	case pc.SignalingState() != SignalingStateStable:
		return "gathering"
	}
	return "ICE"
}

// TestCloseAtEveryStep closes either side at each 5 ms of setting up a connection, in virtual time. Close waits for
// nobody, and leaves no goroutine (the bubble sees that), nothing at the port, and no memory; the channel is closed without
// a word. The other side notices, or is closed as well as ever.
func TestCloseAtEveryStep(t *testing.T) {
	closedAt := make(map[string]int)
	var made, gone atomic.Int32
	for _, by := range []string{"offerer", "answerer"} {
		for _, snap := range []bool{true, false} {
			for after := time.Duration(0); after <= 150*time.Millisecond; after += 5 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) {
					// The server says nothing, so gathering takes seconds.
					p := newVirtualPairWith(t, Config{DisableSNAP: !snap, ICEServers: []ICEServer{{URLs: []string{"stun:192.0.2.9:3478"}}}})
					for _, pc := range []*PeerConnection{p.a, p.b} {
						made.Add(1)
						runtime.AddCleanup(pc.core, func(int) { gone.Add(1) }, 0)
					}
					closedAt[closeAfter(t, p, by == "offerer", after)]++
				})
			}
		}
	}
	t.Log(closedAt)
	for _, step := range []string{"gathering", "ICE", "DTLS", "SCTP", "DCEP", "nothing"} {
		if closedAt[step] == 0 {
			t.Errorf("none was closed while it waited for %s", step)
		}
	}
	if !eventually(func() bool { runtime.GC(); return gone.Load() == made.Load() }) {
		t.Errorf("%d of %d connections are in memory still", made.Load()-gone.Load(), made.Load())
	}
}

// closeAfter has two sides connect, and one of them closed after that time; it returns at which step.
func closeAfter(t *testing.T, p *virtualPair, byOfferer bool, after time.Duration) (step string) {
	var open atomic.Bool // at the side that closes
	closing, other := p.b, p.a
	if byOfferer {
		closing, other = p.a, p.b
	}
	ch := p.channel(p.a)
	opened := func() { open.Store(true) }
	if byOfferer {
		ch.OnOpen(opened)
		ch.OnClose(func() { t.Errorf("after %v: the channel tells that it was closed", after) })
	} else {
		p.b.OnDataChannel(func(*datachannel.Channel) { opened() })
	}
	begun := time.Now()
	trickleInto := func(from, to *PeerConnection) {
		from.OnICECandidate(func(c *ICECandidateInit) {
			if c != nil && to.RemoteDescription() != nil {
				to.AddICECandidate(*c) // fails once it is closed
			}
		})
	}
	must(t, p.a.SetLocalDescription(SessionDescription{}))
	synctest.Wait() // candidates of the host are there
	if after == 0 {
		return closeNow(t, closing, other, &open)
	}
	must(t, p.b.SetRemoteDescription(*p.a.LocalDescription()))
	trickleInto(p.a, p.b)
	must(t, p.b.SetLocalDescription(SessionDescription{}))
	synctest.Wait()
	if after == 5*time.Millisecond {
		return closeNow(t, closing, other, &open)
	}
	must(t, p.a.SetRemoteDescription(*p.b.LocalDescription()))
	trickleInto(p.b, p.a)
	netsim.Elapse(after - time.Since(begun) - 10*time.Millisecond)
	return closeNow(t, closing, other, &open)
}

// closeNow closes one side, then the other.
func closeNow(t *testing.T, closing, other *PeerConnection, open *atomic.Bool) (step string) {
	step = stepOf(closing, open.Load())
	before := time.Now()
	must(t, closing.Close())
	if d := time.Since(before); d > 0 {
		t.Errorf("at %s: Close took %v", step, d)
	}
	if s := closing.cfg.UDPMux.Stats(); s.Connections != 0 {
		t.Errorf("at %s: a connection is left at the port", step)
	}
	netsim.Elapse(time.Second)
	if step == "nothing" && other.ConnectionState() != ConnectionStateClosed {
		t.Errorf("the other side is %s", other.ConnectionState())
	}
	must(t, other.Close())
	if s := other.cfg.UDPMux.Stats(); s.Connections != 0 {
		t.Errorf("at %s: a connection is left at the other port", step)
	}
	return step
}
