package sluice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun"
	"github.com/pion/turn/v2"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/netsim"
)

func newTestUDPMux(t testing.TB) *UDPMux {
	t.Helper()
	m, err := NewUDPMux(UDPMuxConfig{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	must(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

// pair connects a Transport over m with another one, and returns a channel of each.
func (m *UDPMux) pair(t testing.TB, other func(*Config)) (server, client *Transport, a, b *datachannel.Channel) {
	t.Helper()
	server = newTestTransport(t, func(c *Config) { c.UDPMux = m })
	client = newTestTransport(t, other)
	a, err := server.CreateChannel("data", nil)
	must(t, err)
	connect(t, server, client)
	return server, client, a, accept(t, client)
}

// A server has all its connections on one port. Strangers do not disturb them, and
// when one ends the others go on.
func TestUDPMux(t *testing.T) {
	m := newTestUDPMux(t)
	stop := make(chan struct{})
	var strangers sync.WaitGroup
	stranger := listenLoopback(t)
	strangers.Go(func() {
		check := stunMessage(t, stun.BindingRequest, stun.AttrUsername, []byte("nobody:here"))
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, b := range [][]byte{check, strayIndication(t), bytes.Repeat([]byte{23}, 1200)} {
				stranger.WriteTo(b, net.UDPAddrFromAddrPort(m.Addrs()[0]))
			}
		}
	})
	const n = 12
	var servers, clients [n]*Transport
	var a, b [n]*datachannel.Channel
	for i := range n {
		servers[i], clients[i], a[i], b[i] = m.pair(t, nil)
		if got := servers[i].transportAddr(); got != m.Addrs()[0].String() {
			t.Fatalf("connection %d is at %s, want %v", i, got, m.Addrs()[0])
		}
	}
	for _, closed := range []int{-1, 3, 7} {
		if closed >= 0 {
			must(t, servers[closed].Close())
			a[closed] = nil
		}
		var exchanges sync.WaitGroup
		for i := range n {
			if a[i] != nil {
				exchanges.Go(func() { exchange(t, a[i], b[i]) })
			}
		}
		exchanges.Wait()
	}
	close(stop)
	strangers.Wait()
	if s := m.Stats(); s.Connections != n-2 || s.Strangers == 0 || s.Malformed == 0 {
		t.Errorf("%+v", s)
	}
	for i := range n {
		servers[i].Close()
		clients[i].Close()
	}
	if s := m.Stats(); s.Connections != 0 {
		t.Errorf("%+v", s)
	}
	must(t, m.Close())
	wantNoLeftovers(t)
}

// transportAddr returns the local address of a connected Transport.
func (t *Transport) transportAddr() string { return t.core.transport().LocalAddr().String() }

// Connections work, restart and end where datagrams gather in the socket.
func TestUDPMuxReceiveDelay(t *testing.T) {
	m, err := NewUDPMux(UDPMuxConfig{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, ReceiveDelay: 5 * time.Millisecond})
	must(t, err)
	var servers, clients [4]*Transport
	for i := range servers {
		var a, b *datachannel.Channel
		servers[i], clients[i], a, b = m.pair(t, nil)
		exchange(t, a, b)
		must(t, servers[i].RestartICE())
		must(t, clients[i].SetRemoteParameters(overJSON(t, localParameters(t, servers[i]))))
		must(t, servers[i].SetRemoteParameters(overJSON(t, localParameters(t, clients[i]))))
		exchange(t, a, b)
	}
	for i := range servers {
		must(t, servers[i].Close())
		must(t, clients[i].Close())
	}
	must(t, m.Close())
	wantNoLeftovers(t)
}

// Restarts of ICE stay on the port.
func TestUDPMuxRestart(t *testing.T) {
	m := newTestUDPMux(t)
	server, client, a, b := m.pair(t, nil)
	for range 2 {
		before := usedGeneration(client.core)
		must(t, server.RestartICE())
		must(t, client.SetRemoteParameters(overJSON(t, localParameters(t, server))))
		must(t, server.SetRemoteParameters(overJSON(t, localParameters(t, client))))
		wantMoved(t, client.core, before)
		exchange(t, a, b)
		if got := server.transportAddr(); got != m.Addrs()[0].String() {
			t.Errorf("the connection is at %s, want %v", got, m.Addrs()[0])
		}
	}
}

// Two programs that each have one port can have more than one connection between
// them, made one after the other.
func TestUDPMuxBothSides(t *testing.T) {
	m, other := newTestUDPMux(t), newTestUDPMux(t)
	_, _, a1, b1 := m.pair(t, func(c *Config) { c.UDPMux = other })
	exchange(t, a1, b1)
	s2, _, a2, b2 := m.pair(t, func(c *Config) { c.UDPMux = other })
	exchange(t, a1, b1)
	exchange(t, a2, b2)
	must(t, s2.Close())
	exchange(t, a1, b1)
}

// Several connections between the same two ports come about at the same time, as everybody finds
// the handshake that it is about.
func TestUDPMuxesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNet(t, 1, netsim.Conditions{Latency: 20 * time.Millisecond})
		muxes := [2]*UDPMux{n.hosts[0].mux(t), n.hosts[1].mux(t)}
		var channels [][2]*datachannel.Channel
		var peers [][2]*testPeer
		for range 4 {
			a := newTestPeer(t, Config{UDPMux: muxes[0], DisableMulticastDNS: true})
			b := newTestPeer(t, Config{UDPMux: muxes[1], DisableMulticastDNS: true})
			channels = append(channels, [2]*datachannel.Channel{wantChannel(t, a.PeerConnection)})
			peers = append(peers, [2]*testPeer{a, b})
		}
		begin := time.Now()
		for _, p := range peers {
			negotiate(t, p[0], p[1], false)
		}
		for i, p := range peers {
			channels[i][1] = receive(t, "channel", p[1].channels)
			exchange(t, channels[i][0], channels[i][1])
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("connected after %v", took)
		}
		for _, c := range channels {
			exchange(t, c[0], c[1])
		}
	})
}

// So many connections between the same two ports, and no more: the next fails at once and says why, and the others go
// on. When one of them ends there is room for another.
func TestUDPMuxesFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNet(t, 1, netsim.Conditions{Latency: time.Millisecond})
		muxes := [2]*UDPMux{n.hosts[0].mux(t), n.hosts[1].mux(t)}
		pair := func() (a, b *Transport) {
			a = newTestTransport(t, func(c *Config) { *c = Config{UDPMux: muxes[0], DisableMulticastDNS: true} })
			b = newTestTransport(t, func(c *Config) { *c = Config{UDPMux: muxes[1], DisableMulticastDNS: true} })
			return a, b
		}
		type connection struct {
			a    *Transport
			x, y *datachannel.Channel
		}
		var all []connection
		add := func() {
			t.Helper()
			a, b := pair()
			x, err := a.CreateChannel("data", nil)
			must(t, err)
			connect(t, a, b)
			all = append(all, connection{a, x, accept(t, b)})
		}
		for range 16 {
			add()
		}
		a, b := pair()
		begin := time.Now()
		errA, errB := start(t, a, b, localParameters(t, b), localParameters(t, a))
		for _, err := range []error{errA, errB} {
			var failed *HandshakeError
			if !errors.As(err, &failed) || !errors.Is(err, ErrUDPMuxFull) {
				t.Errorf("one too many: %v", err)
			}
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("refused after %v", took)
		}
		must(t, all[0].a.Close())
		all = all[1:]
		netsim.Elapse(time.Second)
		add()
		for _, c := range all {
			exchange(t, c.x, c.y)
		}
	})
}

// A server that is ICE-lite hears of its peers by their checks alone; one with
// PlainTransport has its agents carry the data.
func TestUDPMuxModes(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"lite":  func(c *Config) { c.ICELite = true },
		"plain": func(c *Config) { c.PlainTransport = true },
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestUDPMux(t)
			for range 3 {
				server := newTestTransport(t, func(c *Config) {
					c.UDPMux = m
					change(c)
				})
				client := newTestTransport(t, nil)
				ch, err := server.CreateChannel("data", nil)
				must(t, err)
				connect(t, server, client)
				exchange(t, ch, accept(t, client))
			}
		})
	}
}

// Closing the UDPMux first leaves its connections without a path; they still end.
func TestUDPMuxClosedFirst(t *testing.T) {
	m := newTestUDPMux(t)
	server, client, _, _ := m.pair(t, nil)
	late := newTestTransport(t, func(c *Config) { c.UDPMux = m })
	must(t, m.Close())
	server.Abort()
	client.Abort()
	if p := localParameters(t, late); len(p.Candidates) != 0 {
		t.Errorf("candidates %q", p.Candidates)
	}
	late.Abort()
	wantNoLeftovers(t)
}

func TestUDPMuxConfig(t *testing.T) {
	m := newTestUDPMux(t)
	for _, c := range []Config{
		{UDPMux: m, PortMin: 1, PortMax: 9},
		{UDPMux: m, ICETransportPolicy: ICETransportPolicyRelay, ICEServers: []ICEServer{{URLs: []string{"turn:127.0.0.1"}, Username: "u", Credential: "p"}}},
	} {
		if _, err := NewTransport(c); !isConfigError(err, "UDPMux") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, c := range []UDPMuxConfig{{ReceiveBuffer: -1}, {SendBuffer: -1}, {ReceiveDelay: -1}, {ReceiveDelay: time.Second}, {Addresses: []netip.Addr{netip.IPv4Unspecified()}},
		{Addresses: []netip.Addr{{}}}, {Addresses: []netip.Addr{netip.MustParseAddr("224.0.0.1")}}} {
		if _, err := NewUDPMux(c); !errors.As(err, new(*ConfigError)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	local := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	if _, err := NewUDPMux(UDPMuxConfig{Addresses: local, Port: m.Addrs()[0].Port()}); err == nil || errors.As(err, new(*ConfigError)) {
		t.Errorf("a port in use: %v", err)
	}
	// A candidate at each address that the Config lets pass.
	tr := newTestTransport(t, func(c *Config) {
		c.UDPMux = m
		c.IPFilter = func(net.IP) bool { return false }
	})
	if p := localParameters(t, tr); len(p.Candidates) != 0 {
		t.Errorf("candidates %q in spite of the filter", p.Candidates)
	}
	all, err := NewUDPMux(UDPMuxConfig{})
	if err != nil {
		t.Skip(err) // no network here
	}
	defer all.Close()
	for _, a := range all.Addrs() {
		if a.Addr().IsLoopback() || a.Port() != all.Addrs()[0].Port() {
			t.Errorf("listens at %v", all.Addrs())
		}
	}
}

func isConfigError(err error, field string) bool {
	var c *ConfigError
	return errors.As(err, &c) && c.Field == field
}

// The server-reflexive candidate is that of the host candidate's port, which it names as
// its base (8445-5.1.1.2).
func TestServerReflexiveOfHost(t *testing.T) {
	server := listenLoopback(t)
	turnServer(t, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: server, RelayAddressGenerator: relayOnLoopback()}}})
	stun := func(c *Config) { c.ICEServers = []ICEServer{{URLs: []string{"stun:" + server.LocalAddr().String()}}} }
	a, b := newTestTransport(t, stun), newTestTransport(t, stun)
	for _, tr := range []*Transport{a, b} {
		var host, reflexive []string
		for _, line := range localParameters(t, tr).Candidates {
			switch f := splitFields(line); f[7] {
			case "host":
				host = f[4:6]
			case "srflx":
				reflexive = []string{f[9], f[11]}
			}
		}
		if host == nil || !slices.Equal(host, reflexive) {
			t.Errorf("host %q, base of server-reflexive %q", host, reflexive)
		}
	}
	ch, err := a.CreateChannel("data", nil)
	must(t, err)
	connect(t, a, b)
	exchange(t, ch, accept(t, b))
}

// With PlainTransport the libraries carry the data, over a relay, too.
func TestPlainTransport(t *testing.T) {
	server := listenLoopback(t)
	turnServer(t, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: server, RelayAddressGenerator: relayOnLoopback()}}})
	for _, relay := range []bool{false, true} {
		for _, both := range []bool{false, true} {
			t.Run(fmt.Sprintf("relay=%v/both=%v", relay, both), func(t *testing.T) {
				a := newTestTransport(t, func(c *Config) {
					c.PlainTransport = true
					if relay {
						c.ICETransportPolicy = ICETransportPolicyRelay
						c.ICEServers = []ICEServer{{URLs: []string{"turn:" + server.LocalAddr().String()}, Username: "u", Credential: "p"}}
					}
				})
				b := newTestTransport(t, func(c *Config) { c.PlainTransport = both })
				ch, err := a.CreateChannel("data", nil)
				must(t, err)
				connect(t, a, b)
				exchange(t, ch, accept(t, b))
			})
		}
	}
}

// Data of any size goes over a relay by way of the agent.
func TestRelayed(t *testing.T) {
	server := listenLoopback(t)
	turnServer(t, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: server, RelayAddressGenerator: relayOnLoopback()}}})
	relay := func(c *Config) {
		c.ICETransportPolicy = ICETransportPolicyRelay
		c.ICEServers = []ICEServer{{URLs: []string{"turn:" + server.LocalAddr().String()}, Username: "u", Credential: "p"}}
	}
	a, b := newTestTransport(t, relay), newTestTransport(t, relay)
	ch, err := a.CreateChannel("data", nil)
	must(t, err)
	connect(t, a, b)
	other := accept(t, b)
	exchange(t, ch, other)
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	must(t, ch.WriteMessage(ctx, make([]byte, 200000), false))
	wantChannelMessage(t, other, make([]byte, 200000), false)
	if s := a.Stats().Transport; s.PacketsSent == 0 || s.PacketsReceived == 0 || len(a.core.ice.mux.Addrs()) != 0 {
		t.Errorf("%+v; ports %v", s, a.core.ice.mux.Addrs())
	}
}
