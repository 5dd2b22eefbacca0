package sluice

import (
	"net"
	"syscall"
	"testing"

	"github.com/pion/turn/v2"

	"github.com/sluice-rtc/sluice/datachannel"
)

// marks returns the codepoints of the sockets that are no ports, as the system has them.
func (p *testPeer) marks(t *testing.T) []int {
	t.Helper()
	m := &p.core.ice.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	var codepoints []int
	for c := range m.sockets {
		raw, err := c.SyscallConn()
		must(t, err)
		must(t, raw.Control(func(fd uintptr) {
			octet, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TOS)
			if err != nil {
				t.Error(err)
			}
			codepoints = append(codepoints, octet>>2)
		}))
	}
	return codepoints
}

func (p *testPeer) wantMarks(t *testing.T, want int) {
	t.Helper()
	if !eventually(func() bool {
		got := p.marks(t)
		for _, codepoint := range got {
			if codepoint != want {
				return false
			}
		}
		return len(got) > 0
	}) {
		t.Errorf("codepoints %d, want %d", p.marks(t), want)
	}
}

// What goes to a TURN server, over UDP and TCP, and over TCP candidates, is marked as what goes from
// ports; so are sockets that come later (8837-t).
func TestMarksBesidePorts(t *testing.T) {
	udp := listenLoopback(t)
	turnServer(t, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: udp, RelayAddressGenerator: relayOnLoopback()}}})
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	turnServer(t, turn.ServerConfig{ListenerConfigs: []turn.ListenerConfig{{Listener: tcp, RelayAddressGenerator: relayOnLoopback()}}})
	for name, change := range map[string]func(*Config){
		"TURN over UDP": func(c *Config) {
			c.ICETransportPolicy = ICETransportPolicyRelay
			c.ICEServers = []ICEServer{{URLs: []string{"turn:" + udp.LocalAddr().String()}, Username: "u", Credential: "p"}}
		},
		"TURN over TCP": func(c *Config) {
			c.ICETransportPolicy = ICETransportPolicyRelay
			c.ICEServers = []ICEServer{{URLs: []string{"turn:" + tcp.Addr().String() + "?transport=tcp"}, Username: "u", Credential: "p"}}
		},
		"TCP": func(c *Config) { c.NetworkTypes = []string{"tcp4"} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := loopbackConfig()
			change(&cfg)
			a, b := newTestPeer(t, cfg), newTestPeer(t, cfg)
			ch := wantChannel(t, a.PeerConnection)
			negotiate(t, a, b, false)
			exchange(t, ch, receive(t, "channel", b.channels))
			a.wantMarks(t, 0)
			high, err := a.CreateDataChannel("", &datachannel.Init{Priority: 1024})
			must(t, err)
			exchange(t, high, receive(t, "channel", b.channels))
			a.wantMarks(t, 18)
			b.wantMarks(t, 0)
			before := usedGeneration(a.core)
			a.RestartICE()
			negotiate(t, a, b, false)
			wantMoved(t, a.core, before)
			a.wantMarks(t, 18)
			high.Close()
			a.wantMarks(t, 0)
			a.Close()
			if left := a.marks(t); len(left) > 0 {
				t.Errorf("%d sockets are left", len(left))
			}
		})
	}
}
