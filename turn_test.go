package sluice

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/pion/turn/v2"
)

// turnServer runs a TURN server on loopback: user "u", password "p".
func turnServer(t testing.TB, cfg turn.ServerConfig) {
	t.Helper()
	cfg.Realm, cfg.LoggerFactory = "r", newLogFactory(nil)
	cfg.AuthHandler = func(user, realm string, _ net.Addr) ([]byte, bool) {
		return turn.GenerateAuthKey(user, realm, "p"), user == "u"
	}
	s, err := turn.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
}

func relayOnLoopback() turn.RelayAddressGenerator {
	return &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"}
}

// spyConn is the TURN server's socket; it tells who writes to it.
type spyConn struct {
	net.PacketConn
	clients chan net.Addr
}

func (c spyConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.PacketConn.ReadFrom(p)
	if err == nil {
		select {
		case c.clients <- addr:
		default:
		}
	}
	return n, addr, err
}

// TRANSPORT [T]: reference/attacks/turn_stray_packet. Without the guard this
// ends the process. The relayed connection afterwards shows that the packets
// were behind us when it came about.
func TestStrayPacketToTURNClient(t *testing.T) {
	spy := spyConn{listenLoopback(t), make(chan net.Addr, 1)}
	turnServer(t, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: spy, RelayAddressGenerator: relayOnLoopback()}}})
	cfg := loopbackConfig()
	cfg.ICETransportPolicy = ICETransportPolicyRelay
	cfg.ICEServers = []ICEServer{{URLs: []string{"turn:" + spy.LocalAddr().String() + "?transport=udp"}, Username: "u", Credential: "p"}}
	a, b := newTestCore(t, cfg), newTestCore(t, loopbackConfig())
	if err := a.gather(); err != nil {
		t.Fatal(err)
	}
	<-a.gathered()
	client := <-spy.clients
	target := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: client.(*net.UDPAddr).Port}
	stranger := listenLoopback(t)
	for range 3 {
		stranger.WriteTo(strayIndication(t), target)
		spy.WriteTo(strayIndication(t), target) // and from the server itself
	}
	connectCores(t, a, b)
	if c := a.localCandidates(); len(c) != 1 || !slices.Contains(splitFields(c[0]), "relay") {
		t.Errorf("candidates %q, want one of type relay", c)
	}
}

// Credentials of TURN servers end: what SetICEServers says holds for the next ICE restart, whoever begins it.
func TestSetICEServers(t *testing.T) {
	server := func() (spyConn, ICEServer) {
		spy := spyConn{listenLoopback(t), make(chan net.Addr, 1)}
		turnServer(t, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: spy, RelayAddressGenerator: relayOnLoopback()}}})
		return spy, ICEServer{URLs: []string{"turn:" + spy.LocalAddr().String() + "?transport=udp"}, Username: "u", Credential: "p"}
	}
	_, first := server()
	cfg := loopbackConfig()
	cfg.ICETransportPolicy, cfg.ICEServers = ICETransportPolicyRelay, []ICEServer{first}
	broken, servers := new(*ConfigError), []ICEServer{{URLs: []string{"nonsense"}}}

	a, b := newTestPeer(t, cfg), newTestPeer(t, loopbackConfig())
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	exchange(t, ch, other)
	for _, by := range []string{"this side", "the peer"} {
		if err := a.SetICEServers(servers); !errors.As(err, broken) {
			t.Errorf("SetICEServers = %v, want a *ConfigError", err)
		}
		spy, next := server()
		given := []ICEServer{next}
		must(t, a.SetICEServers(given))
		given[0] = ICEServer{} // it is the caller's still
		before := usedGeneration(a.core)
		if by == "the peer" {
			b.RestartICE()
			negotiate(t, b, a, false)
		} else {
			a.RestartICE()
			negotiate(t, a, b, false)
		}
		receive(t, "somebody at the new server", spy.clients)
		wantMoved(t, a.core, before)
		exchange(t, ch, other)
	}
	a.Close()
	if err := a.SetICEServers(nil); !errors.As(err, new(*InvalidStateError)) {
		t.Errorf("SetICEServers after Close = %v", err)
	}
	lite := newTestPeer(t, Config{ICELite: true, IncludeLoopback: true})
	if err := lite.SetICEServers([]ICEServer{first}); !errors.As(err, broken) {
		t.Errorf("SetICEServers with ICELite = %v, want a *ConfigError", err)
	}

	tr := newTestTransport(t, func(c *Config) { c.ICETransportPolicy, c.ICEServers = cfg.ICETransportPolicy, cfg.ICEServers })
	peer := newTestTransport(t, nil)
	connect(t, tr, peer)
	if err := tr.SetICEServers(servers); !errors.As(err, broken) {
		t.Errorf("SetICEServers = %v, want a *ConfigError", err)
	}
	spy, next := server()
	must(t, tr.SetICEServers([]ICEServer{next}))
	must(t, tr.RestartICE())
	localParameters(t, tr)
	receive(t, "somebody at the new server", spy.clients)
	tr.Abort()
	if err := tr.SetICEServers(nil); err != ErrClosed {
		t.Errorf("SetICEServers after Abort = %v", err)
	}
}

// TURN over TCP and TLS goes through Dial, where the guard sees the messages.
func TestTURNOverStream(t *testing.T) {
	for _, scheme := range []string{"turn", "turns"} {
		t.Run(scheme, func(t *testing.T) {
			var l net.Listener
			l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			address := l.Addr().String()
			cert := mustCertificate(t)
			if scheme == "turns" {
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert.tls()}})
			}
			turnServer(t, turn.ServerConfig{ListenerConfigs: []turn.ListenerConfig{{Listener: l, RelayAddressGenerator: relayOnLoopback()}}})
			cfg := loopbackConfig()
			cfg.ICETransportPolicy = ICETransportPolicyRelay
			cfg.ICEServers = []ICEServer{{URLs: []string{scheme + ":" + address + "?transport=tcp"}, Username: "u", Credential: "p"}}
			a, b := newTestCore(t, cfg), newTestCore(t, loopbackConfig())
			a.generation().net.tls.InsecureSkipVerify = true // the test's certificate names no host; e2e has one that does
			connectCores(t, a, b)
		})
	}
}

// The name in the certificate of a TURN server over TLS is verified.
func TestTURNServerCertificate(t *testing.T) {
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	l := tls.NewListener(tcp, &tls.Config{Certificates: []tls.Certificate{mustCertificate(t).tls()}})
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	n := newTestNet(t, map[string]string{l.Addr().String(): "127.0.0.1"})
	var unverified *tls.CertificateVerificationError
	if c, err := n.Dial("tcp4", l.Addr().String()); !errors.As(err, &unverified) {
		t.Errorf("Dial = %v, %v; want a certificate error", c, err)
	}
}
