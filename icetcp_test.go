package sluice

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun"
)

func tcpConfig() Config {
	cfg := loopbackConfig()
	cfg.NetworkTypes = []string{"tcp4"}
	cfg.ICEKeepaliveInterval = 50 * time.Millisecond
	return cfg
}

// RFC 6544: over TCP alone, whoever has listening candidates; consent is checked
// there, too, and ICE restarts.
func TestTCPCandidates(t *testing.T) {
	for _, listens := range []string{"both", "offerer", "answerer"} {
		t.Run(listens, func(t *testing.T) {
			a, b := newTestPeer(t, tcpConfig()), newTestPeer(t, tcpConfig())
			ch := wantChannel(t, a.PeerConnection)
			describe := func(p *testPeer, shown bool) SessionDescription {
				must(t, p.SetLocalDescription(SessionDescription{}))
				receive(t, "candidates", p.GatheringComplete())
				d := *p.LocalDescription()
				if !strings.Contains(d.SDP, " tcp ") || !strings.Contains(d.SDP, " tcptype passive") || strings.Contains(d.SDP, " udp ") {
					t.Errorf("candidates of\n%s", d.SDP)
				}
				if !shown {
					d.SDP = withoutCandidates(d.SDP)
				}
				return d
			}
			must(t, b.SetRemoteDescription(describe(a, listens != "answerer")))
			must(t, a.SetRemoteDescription(describe(b, listens != "offerer")))
			other := receive(t, "channel", b.channels)
			exchange(t, ch, other)
			local, remote := selectedCandidates(t, a)
			if local.Protocol != "tcp" || remote.Protocol != "tcp" {
				t.Errorf("selected %+v, %+v", local, remote)
			}
			for _, p := range []*testPeer{a, b} {
				if !eventually(func() bool { return checksAnswered(p) > 5 }) {
					t.Error("no consent is given")
				}
			}
			before := usedGeneration(a.core)
			a.RestartICE()
			negotiate(t, a, b, false)
			wantMoved(t, a.core, before)
			exchange(t, ch, other)
		})
	}
	wantNoLeftovers(t)
}

// UDP is preferred where both work, and TCP is not used unless it is wanted.
func TestTCPBesideUDP(t *testing.T) {
	both := loopbackConfig()
	both.NetworkTypes = []string{"udp4", "tcp4"}
	a, b := newTestPeer(t, both), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	exchange(t, ch, receive(t, "channel", b.channels))
	if local, _ := selectedCandidates(t, a); local.Protocol != "udp" {
		t.Errorf("selected %+v", local)
	}
	if strings.Contains(b.LocalDescription().SDP, " tcp ") {
		t.Error("TCP candidates that nobody asked for")
	}
}

// tcpPortOf returns the first TCP port of the generation that is gathered.
func tcpPortOf(c *testCore) *tcpPort {
	c.core.ice.mu.Lock()
	defer c.core.ice.mu.Unlock()
	g := c.core.ice.newest()
	g.tcp.mu.Lock()
	defer g.tcp.mu.Unlock()
	return g.tcp.ports[0]
}

// link returns a copy of what is known of a connection that came in.
func (p *tcpPort) link(c net.Conn) *tcpLink {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.links[addrPortOfTCP(c.LocalAddr())]; l != nil {
		copied := *l
		return &copied
	}
	return nil
}

// Who connects to a listening port must begin with a check for us; what is longer
// than a check, or no frame, ends the connection, and the next one is served.
func TestTCPStrangers(t *testing.T) {
	c := newTestCore(t, tcpConfig())
	must(t, c.gather())
	<-c.gathered()
	f := splitFields(c.localCandidates()[0])
	address := net.JoinHostPort(f[4], f[5])
	other, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername("x:y"))
	must(t, err)
	username, password := stun.NewUsername(c.localCredentials().ufrag+":x"), stun.NewShortTermIntegrity(c.localCredentials().pwd)
	forged, err := stun.Build(stun.BindingRequest, stun.TransactionID, username, stun.NewShortTermIntegrity("of somebody else"))
	must(t, err)
	for name, first := range map[string][]byte{
		"too long": {0xFF, 0xFF},
		"no STUN":  append([]byte{0, 20}, make([]byte, 20)...),
		"another":  append([]byte{0, byte(len(other.Raw))}, other.Raw...),
		"forged":   append([]byte{0, byte(len(forged.Raw))}, forged.Raw...),
	} {
		conn, err := net.Dial("tcp4", address)
		must(t, err)
		defer conn.Close()
		_, err = conn.Write(first)
		must(t, err)
		must(t, conn.SetReadDeadline(time.Now().Add(testTimeout)))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: read %d, %v", name, n, err)
		}
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp4", address)
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	isOpen := func(conn net.Conn) bool {
		must(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		_, err := conn.Read(make([]byte, 1))
		return err != nil && strings.Contains(err.Error(), "timeout")
	}
	// Those that say nothing keep nobody away, neither before nor after.
	var open []net.Conn
	for range tcpMaxLinks {
		open = append(open, dial())
	}
	peer := dial()
	port := tcpPortOf(c)
	if !eventually(func() bool { return port.link(peer) != nil }) {
		t.Fatal("who connects after many that are silent is refused")
	}
	check, err := stun.Build(stun.BindingRequest, stun.TransactionID, username, password)
	must(t, err)
	_, err = peer.Write(append([]byte{0, byte(len(check.Raw))}, check.Raw...))
	must(t, err)
	if !eventually(func() bool { l := port.link(peer); return l != nil && !l.strange }) {
		t.Error("a check for us is not noticed")
	}
	for range tcpMaxLinks {
		open = append(open, dial())
	}
	stayed := 0
	for _, conn := range open {
		if isOpen(conn) {
			stayed++
		}
	}
	if !isOpen(peer) || stayed >= tcpMaxLinks {
		t.Errorf("the peer's connection is open: %v; besides %d of %d", isOpen(peer), stayed, len(open))
	}
	open = append(open, peer)
	c.close()
	for _, conn := range open {
		must(t, conn.SetReadDeadline(time.Now().Add(testTimeout)))
		if _, err := io.Copy(&bytes.Buffer{}, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Error("a connection is open after close")
		}
	}
}
