package sluice

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A server behind a 1:1 NAT, on one port for all, is found at its public address, without a STUN server; the private one
// is not told, and nobody outside could reach it. Its peer may be behind such a NAT, too, and ICE restarts.
func TestPublicAddresses(t *testing.T) {
	for name, c := range map[string]struct{ lite, both bool }{"a server": {}, "a lite server": {lite: true}, "both sides": {both: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newVirtualNet(t, 1, netsim.Conditions{Latency: 20 * time.Millisecond})
				var peers [2]*testPeer
				for i, h := range n.hosts {
					cfg := Config{UDPMux: h.mux(t), DisableMulticastDNS: true}
					if i == 0 || c.both {
						h.public = netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)})
						cfg.PublicAddresses = map[netip.Addr]netip.Addr{h.at.Addr(): h.public}
						cfg.ICELite = c.lite
					}
					peers[i] = newTestPeer(t, cfg)
				}
				a, b := peers[0], peers[1]
				ch := wantChannel(t, b.PeerConnection)
				negotiate(t, b, a, false)
				other := receive(t, "channel", a.channels)
				for restarts := range 2 {
					exchange(t, ch, other)
					netsim.Elapse(10 * time.Second) // the agents are gone
					exchange(t, other, ch)
					for i, p := range peers {
						at := n.hosts[i].seen().Addr().String()
						if d := p.LocalDescription().SDP; strings.Count(d, "a=candidate:") != 1 || !strings.Contains(d, " "+at+" ") ||
							at != n.hosts[i].at.Addr().String() && strings.Contains(d, n.hosts[i].at.Addr().String()) {
							t.Errorf("described as\n%s", d)
						}
						local, _ := selectedCandidates(t, p)
						_, remote := selectedCandidates(t, peers[1-i])
						if local.Address != n.hosts[i].at.Addr().String() || remote.Address != at || remote.CandidateType != "host" {
							t.Errorf("selected %+v, which the peer knows as %+v", local, remote)
						}
					}
					if restarts == 0 {
						before := usedGeneration(a.core)
						b.RestartICE()
						negotiate(t, b, a, false)
						wantMoved(t, a.core, before)
					}
				}
			})
		})
	}
}

// forwarder is a 1:1 NAT, in front of 127.0.0.1, whose public address is 127.0.0.2, as far as one peer sees it that
// sends first.
func forwarder(t *testing.T, network string, to netip.AddrPort) {
	public := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), to.Port())
	if network == "tcp" {
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(public))
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				outer, err := l.Accept()
				if err != nil {
					return
				}
				inner, err := net.Dial("tcp4", to.String())
				if err != nil {
					outer.Close()
					continue
				}
				for _, way := range [][2]net.Conn{{outer, inner}, {inner, outer}} {
					go func() {
						io.Copy(way[1], way[0])
						way[0].Close()
						way[1].Close()
					}()
				}
			}
		}()
		return
	}
	outer, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(public))
	if err != nil {
		t.Skip(err)
	}
	inner, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	must(t, err)
	t.Cleanup(func() { outer.Close(); inner.Close() })
	back := func(peer netip.AddrPort) {
		b := make([]byte, maxDatagram)
		for {
			n, err := inner.Read(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			outer.WriteToUDPAddrPort(b[:n], peer)
		}
	}
	go func() {
		b, begun := make([]byte, maxDatagram), false
		for {
			n, from, err := outer.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if !begun {
				begun = true
				go back(from)
			}
			inner.Write(b[:n])
		}
	}()
}

// The same with sockets of the connection's own, over UDP and TCP. The server is told no candidates, so that all goes
// through the NAT.
func TestPublicAddressOwnSockets(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			cfg := loopbackConfig()
			cfg.NetworkTypes = []string{network + "4"}
			peer := newTestPeer(t, cfg)
			cfg.PublicAddresses = map[netip.Addr]netip.Addr{netip.MustParseAddr("127.0.0.1"): netip.MustParseAddr("127.0.0.2")}
			cfg.HideHostAddresses = true // what is public is not hidden
			server := newTestPeer(t, cfg)
			ch := wantChannel(t, server.PeerConnection)
			must(t, server.SetLocalDescription(SessionDescription{}))
			receive(t, "candidates", server.GatheringComplete())
			offer := *server.LocalDescription()
			at := strings.Index(offer.SDP, "a=candidate:")
			f := splitFields(offer.SDP[at:])
			if strings.Count(offer.SDP, "a=candidate:") != 1 || f[4] != "127.0.0.2" || f[2] != network {
				t.Fatalf("offered\n%s", offer.SDP)
			}
			forwarder(t, network, netip.MustParseAddrPort("127.0.0.1:"+f[5]))
			must(t, peer.SetRemoteDescription(offer))
			must(t, peer.SetLocalDescription(SessionDescription{}))
			answer := *peer.LocalDescription()
			answer.SDP = withoutCandidates(answer.SDP)
			must(t, server.SetRemoteDescription(answer))
			exchange(t, ch, receive(t, "channel", peer.channels))
			if _, remote := selectedCandidates(t, peer); remote.Address != "127.0.0.2" || remote.Protocol != network || remote.CandidateType != "host" {
				t.Errorf("selected %+v", remote)
			}
		})
	}
	wantNoLeftovers(t)
}

// What a STUN server says of a port behind a 1:1 NAT is known already; that there is another NAT is not.
func TestPublicAddressBesideSTUN(t *testing.T) {
	for _, c := range []struct {
		name    string
		address string
		other   int // port number than that sent from
		want    int // server-reflexive candidates
	}{{"the same", "203.0.113.7", 0, 0}, {"another address", "203.0.113.8", 0, 1}, {"another port", "203.0.113.7", 1, 1}} {
		t.Run(c.name, func(t *testing.T) {
			server := listenLoopback(t)
			go func() {
				b := make([]byte, 1500)
				for {
					n, from, err := server.ReadFrom(b)
					if err != nil {
						return
					}
					m := &stun.Message{Raw: slices.Clone(b[:n])}
					if m.Decode() != nil {
						continue
					}
					mapped := &stun.XORMappedAddress{IP: net.ParseIP(c.address), Port: from.(*net.UDPAddr).Port + c.other}
					if answer, err := stun.Build(m, stun.BindingSuccess, mapped); err == nil {
						server.WriteTo(answer.Raw, from)
					}
				}
			}()
			cfg := loopbackConfig()
			cfg.ICEServers = []ICEServer{{URLs: []string{"stun:" + server.LocalAddr().String()}}}
			cfg.PublicAddresses = map[netip.Addr]netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1"): netip.MustParseAddr("203.0.113.7")}
			a := newTestCore(t, cfg)
			must(t, a.gather())
			<-a.gathered()
			types := map[string]int{}
			for _, line := range a.localCandidates() {
				f := splitFields(line)
				types[f[7]]++
				if f[7] == "host" && f[4] != "203.0.113.7" {
					t.Errorf("candidate %s", line)
				}
			}
			if types["host"] != 1 || types["srflx"] != c.want {
				t.Errorf("candidates %q", a.localCandidates())
			}
		})
	}
}

func TestPublicAddressErrors(t *testing.T) {
	mux, err := NewUDPMux(UDPMuxConfig{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}})
	if err != nil {
		t.Skip(err)
	}
	defer mux.Close()
	for want, c := range map[string]struct {
		pairs []string
		cfg   Config
	}{
		"192.0.2.1 is not a local address of host candidates":            {pairs: []string{"192.0.2.1", "203.0.113.7"}},
		"127.0.0.1 is not a local address of host candidates":            {pairs: []string{"127.0.0.1", "203.0.113.7"}},
		"127.0.0.3 is not a local address of host candidates":            {pairs: []string{"127.0.0.3", "203.0.113.7"}, cfg: Config{UDPMux: mux}},
		"0.0.0.0 is not a local address of host candidates":              {pairs: []string{"0.0.0.0", "203.0.113.7"}, cfg: loopbackConfig()},
		"0.0.0.0, of 127.0.0.1, is not an address to be reached at":      {pairs: []string{"127.0.0.1", "0.0.0.0"}, cfg: loopbackConfig()},
		"224.0.0.1, of 127.0.0.1, is not an address to be reached at":    {pairs: []string{"127.0.0.1", "224.0.0.1"}, cfg: loopbackConfig()},
		"fe80::1%eth0, of 127.0.0.1, is not an address to be reached at": {pairs: []string{"127.0.0.1", "fe80::1%eth0"}, cfg: loopbackConfig()},
		"127.0.0.1 and 2001:db8::1 are not of one family":                {pairs: []string{"127.0.0.1", "2001:db8::1"}, cfg: loopbackConfig()},
		"has 127.0.0.1 twice": {pairs: []string{"127.0.0.1", "203.0.113.7", "::ffff:127.0.0.1", "203.0.113.8"}, cfg: loopbackConfig()},
		"has 203.0.113.7 for both 127.0.0.": {pairs: []string{"127.0.0.1", "203.0.113.7", "127.0.0.2", "203.0.113.7"},
			cfg: Config{UDPMux: mux}},
		"goes without the relay policy": {pairs: []string{"127.0.0.1", "203.0.113.7"}, cfg: Config{ICETransportPolicy: ICETransportPolicyRelay}},
	} {
		cfg := c.cfg
		cfg.PublicAddresses = make(map[netip.Addr]netip.Addr)
		for i := 0; i < len(c.pairs); i += 2 {
			cfg.PublicAddresses[netip.MustParseAddr(c.pairs[i])] = netip.MustParseAddr(c.pairs[i+1])
		}
		var broken *ConfigError
		if tr, err := NewTransport(cfg); tr != nil || !errors.As(err, &broken) || broken.Field != "PublicAddresses" || !strings.HasPrefix(broken.Rule, want) {
			t.Errorf("%v: NewTransport = %v, %v", c.pairs, tr, err)
		}
	}
	cfg := loopbackConfig()
	cfg.PublicAddresses = map[netip.Addr]netip.Addr{netip.MustParseAddr("127.0.0.1"): {}}
	var broken *ConfigError
	if _, err := NewTransport(cfg); !errors.As(err, &broken) {
		t.Errorf("the zero Addr: %v", err)
	}
}
