package sluice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/pion/stun"
	"github.com/pion/transport/v2"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

var addressAttributes = []stun.AttrType{stun.AttrMappedAddress, stun.AttrXORMappedAddress, stun.AttrXORPeerAddress,
	stun.AttrXORRelayedAddress, stun.AttrAlternateServer, stun.AttrResponseOrigin, stun.AttrOtherAddress}

// stunMessage builds a message with one attribute.
func stunMessage(t testing.TB, typ stun.MessageType, attr stun.AttrType, value []byte) []byte {
	t.Helper()
	m, err := stun.Build(stun.TransactionID, typ)
	if err != nil {
		t.Fatal(err)
	}
	m.Add(attr, value)
	m.WriteHeader()
	return m.Raw
}

// strayIndication is the 24-byte packet that ends a process with a TURN or STUN
// server configured: a Data indication with an empty XOR-PEER-ADDRESS.
func strayIndication(t testing.TB) []byte {
	return stunMessage(t, stun.NewType(stun.MethodData, stun.ClassIndication), stun.AttrXORPeerAddress, nil)
}

// panics reports whether the STUN library panics when it reads the attribute.
func panics(b []byte, attr stun.AttrType) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	m := &stun.Message{Raw: bytes.Clone(b)}
	if m.Decode() != nil {
		return false
	}
	var x stun.XORMappedAddress
	x.GetFromAs(m, attr)
	var a stun.MappedAddress
	a.GetFromAs(m, attr)
	return false
}

// TRANSPORT [T]: whatever passes does not make the library panic, and what does
// is refused.
func TestAdmitSTUN(t *testing.T) {
	refused := 0
	for _, attr := range addressAttributes {
		for size := range 41 {
			for _, family := range []byte{0, 1, 2, 255} {
				value := make([]byte, size)
				if size > 1 {
					value[1] = family
				}
				b := stunMessage(t, stun.BindingSuccess, attr, value)
				if got, want := stunmsg.Admit(b), size == 8 || size == 20; got != want {
					t.Errorf("%v of %d bytes: admitted %v, want %v", attr, size, got, want)
				}
				switch p := panics(b, attr); {
				case p && stunmsg.Admit(b):
					t.Errorf("%v of %d bytes was admitted and panics", attr, size)
				case p:
					refused++
				}
				for cut := range b { // every truncation
					if cut >= 20 && stunmsg.Admit(b[:cut]) {
						t.Errorf("%v of %d bytes cut to %d of %d was admitted", attr, size, cut, len(b))
					}
				}
			}
		}
	}
	if refused == 0 {
		t.Error("the library no longer panics: is the guard still needed?")
	}
	for _, b := range [][]byte{nil, {22, 254, 253}, bytes.Repeat([]byte{23}, 100)} {
		if !stunmsg.Admit(b) {
			t.Errorf("%x is no STUN and was refused", b)
		}
	}
	// A second attribute of the type is looked at, too.
	m, _ := stun.Build(stun.TransactionID, stun.BindingSuccess)
	m.Add(stun.AttrXORMappedAddress, []byte{0, 1, 0, 0, 1, 2, 3, 4})
	m.Add(stun.AttrXORMappedAddress, nil)
	m.WriteHeader()
	if stunmsg.Admit(m.Raw) {
		t.Error("a second, empty address was admitted")
	}
}

func FuzzAdmitSTUN(f *testing.F) {
	f.Add(stunMessage(f, stun.BindingSuccess, stun.AttrXORMappedAddress, make([]byte, 8)))
	f.Add(strayIndication(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !stunmsg.Admit(b) {
			return
		}
		for _, attr := range addressAttributes {
			if panics(b, attr) {
				t.Errorf("admitted, and panics on %v", attr)
			}
		}
	})
}

func newTestNet(t testing.TB, turns map[string]string) *guardedNet {
	t.Helper()
	n := newGuardedNet(turns, &iceMarks{}, newLogFactory(nil).scoped("test"))
	t.Cleanup(n.close)
	return n
}

func listenLoopback(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Every way to a socket is guarded, and every way to read from it: the bad
// message is passed over, the good one after it arrives.
func TestSocketsAreGuarded(t *testing.T) {
	good := stunMessage(t, stun.BindingSuccess, stun.AttrXORMappedAddress, make([]byte, 8))
	bad := strayIndication(t)
	reads := map[string]func(c transport.UDPConn, p []byte) (int, error){
		"ReadFrom":    func(c transport.UDPConn, p []byte) (int, error) { n, _, err := c.ReadFrom(p); return n, err },
		"ReadFromUDP": func(c transport.UDPConn, p []byte) (int, error) { n, _, err := c.ReadFromUDP(p); return n, err },
		"ReadMsgUDP": func(c transport.UDPConn, p []byte) (int, error) {
			n, _, _, _, err := c.ReadMsgUDP(p, nil)
			return n, err
		},
		"Read": func(c transport.UDPConn, p []byte) (int, error) { return c.Read(p) },
	}
	opens := map[string]func(n *guardedNet, peer *net.UDPConn) (net.PacketConn, error){
		"ListenPacket": func(n *guardedNet, peer *net.UDPConn) (net.PacketConn, error) {
			c, err := n.ListenPacket("udp4", "127.0.0.1:0")
			if err == nil {
				_, err = c.WriteTo([]byte("hello"), peer.LocalAddr())
			}
			return c, err
		},
		"DialUDP": func(n *guardedNet, peer *net.UDPConn) (net.PacketConn, error) {
			return n.DialUDP("udp4", nil, peer.LocalAddr().(*net.UDPAddr))
		},
	}
	for how, open := range opens {
		for call, read := range reads {
			t.Run(how+"/"+call, func(t *testing.T) {
				peer := listenLoopback(t)
				c, err := open(newTestNet(t, nil), peer)
				if err != nil {
					t.Fatal(err)
				}
				for _, b := range [][]byte{bad, good} {
					if _, err := peer.WriteTo(b, c.LocalAddr()); err != nil {
						t.Fatal(err)
					}
				}
				p := make([]byte, 1500)
				n, err := read(c.(transport.UDPConn), p)
				if err != nil || !bytes.Equal(p[:n], good) {
					t.Errorf("read %x, %v; want the good message", p[:n], err)
				}
			})
		}
	}
}

// A TURN socket hears the server only, whatever the packet is.
func TestTURNSocketHearsOnlyServer(t *testing.T) {
	server, stranger := listenLoopback(t), listenLoopback(t)
	c, err := newTestNet(t, nil).ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteTo([]byte("to the server"), server.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	good := stunMessage(t, stun.BindingSuccess, stun.AttrXORMappedAddress, make([]byte, 8))
	for _, b := range [][]byte{good, []byte("no STUN"), {0x40, 0, 0, 1, 9}} {
		stranger.WriteTo(b, c.LocalAddr())
	}
	server.WriteTo([]byte("from the server"), c.LocalAddr())
	p := make([]byte, 100)
	n, from, err := c.ReadFrom(p)
	if err != nil || string(p[:n]) != "from the server" || from.String() != server.LocalAddr().String() {
		t.Errorf("read %q from %v, %v", p[:n], from, err)
	}
}

func loopbackConfig() Config {
	return Config{IncludeLoopback: true, IPFilter: func(ip net.IP) bool { return ip.IsLoopback() },
		NetworkTypes: []string{"udp4"}, DisableMulticastDNS: true}
}

// A server that answers with a malformed address is no better than a stranger.
func TestMalformedAnswerOfSTUNServer(t *testing.T) {
	server := listenLoopback(t)
	go func() {
		p := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(p)
			if err != nil {
				return
			}
			q := &stun.Message{Raw: bytes.Clone(p[:n])}
			if q.Decode() != nil {
				continue
			}
			for _, value := range [][]byte{nil, {0}, {0, 1, 0, 0}, {0, 1, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}} {
				m, _ := stun.Build(stun.NewTransactionIDSetter(q.TransactionID), stun.BindingSuccess)
				m.Add(stun.AttrXORMappedAddress, value)
				m.WriteHeader()
				server.WriteTo(m.Raw, from)
			}
		}
	}()
	cfg := loopbackConfig()
	cfg.ICEServers = []ICEServer{{URLs: []string{"stun:" + server.LocalAddr().String()}}}
	c := newTestCore(t, cfg)
	if err := c.gather(); err != nil {
		t.Fatal(err)
	}
	<-c.gathered()
	found := false
	for _, line := range c.localCandidates() {
		found = found || slices.Contains(splitFields(line), "srflx")
	}
	if !found {
		t.Errorf("no server-reflexive candidate in %q, though the fourth answer was good", c.localCandidates())
	}
}

// tcpPair returns both ends of a connection over loopback, ours by dial.
func tcpPair(t *testing.T, dial func(addr *net.TCPAddr) (net.Conn, error)) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours, err = dial(l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	return ours, theirs
}

func TestStreamGuard(t *testing.T) {
	good := stunMessage(t, stun.BindingSuccess, stun.AttrXORMappedAddress, make([]byte, 20))
	bad := strayIndication(t)
	data := []byte{0x40, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0}
	dials := map[string]func(n *guardedNet, addr *net.TCPAddr) (net.Conn, error){
		"DialTCP": func(n *guardedNet, addr *net.TCPAddr) (net.Conn, error) { return n.DialTCP("tcp4", nil, addr) },
		"Dial":    func(n *guardedNet, addr *net.TCPAddr) (net.Conn, error) { return n.Dial("tcp4", addr.String()) },
	}
	for how, dial := range dials {
		for _, piece := range []int{1, 3, 1000} {
			t.Run(fmt.Sprintf("%s in pieces of %d", how, piece), func(t *testing.T) {
				n := newTestNet(t, nil)
				ours, theirs := tcpPair(t, func(addr *net.TCPAddr) (net.Conn, error) { return dial(n, addr) })
				stream := slices.Concat(data, bad, good, bad, data, bad)
				go func() {
					for chunk := range slices.Chunk(stream, piece) {
						theirs.Write(chunk)
					}
					theirs.Close()
				}()
				got, err := io.ReadAll(ours)
				if want := slices.Concat(data, good, data); err != nil || !bytes.Equal(got, want) {
					t.Errorf("read %x, %v; want %x", got, err, want)
				}
			})
		}
	}
	for desc, stream := range map[string][]byte{
		"TLS":                    append([]byte{22, 3, 1, 0, 200}, make([]byte, 20)...),
		"SSH":                    []byte("SSH-2.0-OpenSSH_9.2\r\n"),
		"no cookie":              make([]byte, 30),
		"length not of 4":        append([]byte{1, 1, 0, 3, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...),
		"message of 65552 bytes": append([]byte{1, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...),
		"channel data too large": {0x40, 0, 0xff, 0xff, 0, 0, 0, 0},
	} {
		t.Run(desc, func(t *testing.T) {
			s := streamGuard{next: bytes.NewReader(stream)}
			if n, err := s.Read(make([]byte, 100)); n != 0 || !errors.Is(err, errNotTURN) {
				t.Errorf("Read = %d, %v; want errNotTURN", n, err)
			}
		})
	}
}

func TestGuardedNetClose(t *testing.T) {
	n := newTestNet(t, nil)
	listener, err := n.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	blocked := make(chan error)
	go func() {
		_, _, err := listener.ReadFrom(make([]byte, 100))
		blocked <- err
	}()
	n.close()
	if err := <-blocked; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom during close = %v", err)
	}
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	if c, err := n.ListenPacket("udp4", "127.0.0.1:0"); c != nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("ListenPacket after close = %v, %v", c, err)
	}
	if c, err := n.DialUDP("udp4", nil, &net.UDPAddr{IP: local.IP, Port: 9}); c != nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("DialUDP after close = %v, %v", c, err)
	}
	if c, err := n.DialTCP("tcp4", nil, &net.TCPAddr{IP: local.IP, Port: 9}); c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("DialTCP after close = %v, %v", c, err)
	}
	if _, err := n.ResolveUDPAddr("udp4", "localhost.invalid:1"); err == nil {
		t.Error("ResolveUDPAddr after close succeeded")
	}
}

func TestResolve(t *testing.T) {
	n := newTestNet(t, nil)
	udp, err := n.ResolveUDPAddr("udp4", "127.0.0.1:3478")
	if err != nil || udp.AddrPort() != netip.MustParseAddrPort("127.0.0.1:3478") {
		t.Errorf("ResolveUDPAddr = %v, %v", udp, err)
	}
	tcp, err := n.ResolveTCPAddr("tcp6", "[::1]:5349")
	if err != nil || tcp.AddrPort() != netip.MustParseAddrPort("[::1]:5349") {
		t.Errorf("ResolveTCPAddr = %v, %v", tcp, err)
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", "[::1]:1"} {
		if a, err := n.ResolveUDPAddr("udp4", address); err == nil {
			t.Errorf("ResolveUDPAddr(%q) = %v", address, a)
		}
	}
}
