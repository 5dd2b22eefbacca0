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
	for name, first := range map[string][]byte{
		"too long": {0xFF, 0xFF},
		"no STUN":  append([]byte{0, 20}, make([]byte, 20)...),
		"another":  append([]byte{0, byte(len(other.Raw))}, other.Raw...),
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
	var open []net.Conn
	for range 2 * tcpMaxLinks {
		conn, err := net.Dial("tcp4", address)
		must(t, err)
		defer conn.Close()
		open = append(open, conn)
	}
	ended := 0
	for _, conn := range open[tcpMaxLinks:] {
		must(t, conn.SetReadDeadline(time.Now().Add(testTimeout)))
		if _, err := io.Copy(io.Discard, conn); err == nil || !strings.Contains(err.Error(), "timeout") {
			ended++
		}
	}
	if ended < tcpMaxLinks {
		t.Errorf("of %d connections %d were refused", len(open), ended)
	}
	c.close()
	for _, conn := range open {
		must(t, conn.SetReadDeadline(time.Now().Add(testTimeout)))
		if _, err := io.Copy(&bytes.Buffer{}, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Error("a connection is open after close")
		}
	}
}
