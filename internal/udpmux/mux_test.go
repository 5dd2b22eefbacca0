package udpmux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// TestMain fails the package if a goroutine is left when all tests are done.
func TestMain(m *testing.M) {
	code := m.Run()
	deadline := time.Now().Add(5 * time.Second)
	for code == 0 {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), "udpmux.(*Mux).read") {
			break
		}
		if time.Now().After(deadline) {
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", stacks)
			code = 1
		}
		runtime.Gosched()
	}
	os.Exit(code)
}

// stunMessage builds a message; username "" is none.
func stunMessage(kind uint16, id byte, username string, more ...[]byte) []byte {
	var body []byte
	if username != "" {
		body = binary.BigEndian.AppendUint16(body, 6)
		body = binary.BigEndian.AppendUint16(body, uint16(len(username)))
		body = append(body, username...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	body = append(body, slices.Concat(more...)...)
	m := binary.BigEndian.AppendUint16(nil, kind)
	m = binary.BigEndian.AppendUint16(m, uint16(len(body)))
	m = append(m, 0x21, 0x12, 0xa4, 0x42)
	m = append(m, bytes.Repeat([]byte{id}, 12)...)
	return append(m, body...)
}

var (
	useCandidate = []byte{0, 0x25, 0, 0}
	emptyAddress = []byte{0, 0x20, 0, 0}
)

// record returns what begins like a DTLS record.
func record(content string) []byte { return append([]byte{23, 254, 253}, content...) }

// newTestMux returns a shared Mux with a port at each of the addresses.
func newTestMux(t testing.TB, addrs ...netip.Addr) *Mux {
	t.Helper()
	m := New(Config{Shared: true})
	if err := m.Listen(addrs, 0); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// testSession is a Session with an agent, and a connection of that to read.
type testSession struct {
	*Session
	t     testing.TB
	agent *Agent
	conn  *Conn
	got   chan []byte // datagrams
}

// newTestSession returns a session whose agent listens at the first port of m for the
// user fragment.
func newTestSession(t testing.TB, m *Mux, ufrag string) *testSession {
	t.Helper()
	s := &testSession{Session: m.NewSession(false), t: t, got: make(chan []byte, 1000)}
	t.Cleanup(func() { s.Close() })
	s.agent = s.NewAgent()
	var addrs []netip.Addr
	for _, a := range m.Addrs() {
		addrs = append(addrs, a.Addr())
	}
	if err := s.agent.Listen(addrs, 0, 0); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.conn, err = s.agent.Conn(ufrag, net.UDPAddrFromAddrPort(m.Addrs()[0])); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *testSession) receiveAll() {
	s.Receive(func(datagrams [][]byte) {
		for _, d := range datagrams {
			s.got <- bytes.Clone(d)
		}
	})
}

// wantSTUN reads one message from the agent's connection.
func (s *testSession) wantSTUN(why string, want []byte, from netip.AddrPort) {
	s.t.Helper()
	b := make([]byte, 2000)
	n, addr, err := s.conn.ReadFrom(b)
	if err != nil || !bytes.Equal(b[:n], want) || addrPort(addr) != from {
		s.t.Errorf("%s: read %x from %v, %v; want %x from %v", why, b[:n], addr, err, want, from)
	}
}

// peer is a socket of somebody else.
type peer struct {
	*net.UDPConn
	t testing.TB
}

func newPeer(t testing.TB) peer {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return peer{c, t}
}

func (p peer) addr() netip.AddrPort { return addrPort(p.LocalAddr()) }

func (p peer) send(m *Mux, b []byte) {
	p.t.Helper()
	if _, err := p.WriteToUDPAddrPort(b, m.Addrs()[0]); err != nil {
		p.t.Fatal(err)
	}
}

// want reads one datagram.
func (p peer) want(why string, want []byte, from netip.AddrPort) {
	p.t.Helper()
	b := make([]byte, 1<<16)
	n, at, err := p.ReadFromUDPAddrPort(b)
	if err != nil || !bytes.Equal(b[:n], want) || at != from {
		p.t.Errorf("%s: read %d bytes from %v, %v; want %d from %v", why, n, at, err, len(want), from)
	}
}

// eventually polls, for what has no event.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("never: " + what)
		}
	}
}

// Requests go to whom they name, answers to who has asked there.
func TestSTUNToItsAgent(t *testing.T) {
	m := newTestMux(t, loopback[0])
	a, b := newTestSession(t, m, "aaaa"), newTestSession(t, m, "bbbb")
	x, y := newPeer(t), newPeer(t)
	forA, forB := stunMessage(stunmsg.BindingRequest, 1, "aaaa:xxxx"), stunMessage(stunmsg.BindingRequest, 2, "bbbb:xxxx")
	for _, p := range []peer{x, y} {
		p.send(m, forA)
		p.send(m, forB)
		a.wantSTUN("request for a", forA, p.addr())
		b.wantSTUN("request for b", forB, p.addr())
	}
	// Answers of an address at which nobody was asked are nobody's.
	x.send(m, stunMessage(stunmsg.BindingSuccess, 3, ""))
	eventually(t, "an answer of a stranger counted", func() bool { return m.Stats().Strangers == 1 })
	for _, kind := range []uint16{stunmsg.BindingSuccess, stunmsg.BindingError} {
		for i, s := range []*testSession{a, b} {
			check, answer := stunMessage(stunmsg.BindingRequest, byte(10+i), "xxxx:aaaa"), stunMessage(kind, byte(10+i), "")
			if _, err := s.conn.WriteTo(check, x.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			x.want("check", check, m.Addrs()[0])
			x.send(m, answer)
			s.wantSTUN("answer", answer, x.addr())
		}
	}
	// Earlier checks are remembered, too.
	for i, s := range []*testSession{a, b} {
		for k := range byte(3) {
			check := stunMessage(stunmsg.BindingRequest, byte(20+10*i)+k, "xxxx:aaaa")
			s.conn.WriteTo(check, x.LocalAddr())
			x.want("check", check, m.Addrs()[0])
		}
	}
	for i, s := range []*testSession{a, b} {
		answer := stunMessage(stunmsg.BindingSuccess, byte(20+10*i), "")
		x.send(m, answer)
		s.wantSTUN("answer to the first of three", answer, x.addr())
	}
	// Of answers to nothing known both hear.
	late := stunMessage(stunmsg.BindingSuccess, 99, "")
	x.send(m, late)
	a.wantSTUN("late answer", late, x.addr())
	b.wantSTUN("late answer", late, x.addr())
}

// What is broken, or is no use, reaches nobody.
func TestDropped(t *testing.T) {
	m := newTestMux(t, loopback[0])
	a := newTestSession(t, m, "aaaa")
	a.receiveAll()
	x := newPeer(t)
	want := Stats{Sessions: 1}
	drop := func(counter *uint64, datagrams ...[]byte) {
		t.Helper()
		for _, d := range datagrams {
			x.send(m, d)
			*counter++
			eventually(t, fmt.Sprintf("%x counted: %+v, %+v", d, m.Stats(), want), func() bool { return m.Stats() == want })
		}
	}
	check := stunMessage(stunmsg.BindingRequest, 1, "aaaa:xxxx")
	drop(&want.Malformed,
		[]byte{0}, []byte{3}, check[:19], check[:len(check)-1], append(bytes.Clone(check), 0, 0, 0, 0),
		stunMessage(stunmsg.BindingRequest, 1, "aaaa:xxxx", emptyAddress),
		stunMessage(stunmsg.BindingSuccess, 1, "", emptyAddress),
		stunMessage(stunmsg.BindingRequest, 1, "aaaa:xxxx", append([]byte{0x80, 0x22, 0x07, 0xd0}, make([]byte, 2000)...)))
	drop(&want.Strangers,
		stunMessage(stunmsg.BindingRequest, 1, ""), stunMessage(stunmsg.BindingRequest, 1, "aaaa"),
		stunMessage(stunmsg.BindingRequest, 1, "aaa:xxxx"), stunMessage(stunmsg.BindingRequest, 1, ":aaaa"),
		stunMessage(stunmsg.BindingRequest, 1, "AAAA:xxxx"), stunMessage(stunmsg.BindingSuccess, 1, "aaaa:xxxx"),
		record("from nobody we know"), []byte{20}, []byte{63})
	drop(&want.Unknown,
		stunMessage(stunmsg.BindingIndication, 1, "aaaa:xxxx"), stunMessage(0x0003, 1, "aaaa:xxxx"), // Allocate
		[]byte{4}, []byte{19}, []byte{64}, []byte{127}, []byte{128, 0}, bytes.Repeat([]byte{255}, 100))
	x.send(m, nil) // an empty datagram is not even counted
	x.send(m, check)
	a.wantSTUN("the good one", check, x.addr())
	if got := m.Stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(a.got) != 0 {
		t.Errorf("received %q", <-a.got)
	}
}

// DTLS is heard from where the agent sends checks to, or a check passed, and on the
// selected path; not from where somebody only claims to be.
func TestOnlyKnownAddresses(t *testing.T) {
	m := newTestMux(t, loopback[0])
	cases := map[string]struct {
		known func(s *testSession, x peer)
		want  bool
	}{
		"stranger": {func(*testSession, peer) {}, false},
		"request that the agent did not answer": {func(s *testSession, x peer) {
			b := stunMessage(stunmsg.BindingRequest, 1, "aaaa:xxxx")
			x.send(m, b)
			s.wantSTUN("request", b, x.addr())
		}, false},
		"request answered by an error": {func(s *testSession, x peer) {
			s.conn.WriteTo(stunMessage(stunmsg.BindingError, 1, ""), x.LocalAddr())
		}, false},
		"request answered": {func(s *testSession, x peer) {
			s.conn.WriteTo(stunMessage(stunmsg.BindingSuccess, 1, ""), x.LocalAddr())
		}, true},
		"candidate": {func(s *testSession, x peer) {
			s.conn.WriteTo(stunMessage(stunmsg.BindingRequest, 1, "x:a"), x.LocalAddr())
		}, true},
		"selected": {func(s *testSession, x peer) {
			if err := s.SetPath(m.Addrs()[0], x.addr()); err != nil {
				t.Error(err)
			}
		}, true},
		"closed": {func(s *testSession, x peer) {
			s.SetPath(m.Addrs()[0], x.addr())
			s.Close()
		}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newTestSession(t, m, "aaaa")
			s.receiveAll()
			x := newPeer(t)
			c.known(s, x)
			before := m.Stats().Strangers
			x.send(m, record(name))
			if !c.want {
				eventually(t, "counted", func() bool { return m.Stats().Strangers == before+1 })
				if len(s.got) != 0 {
					t.Errorf("received %q", <-s.got)
				}
			} else if d := <-s.got; !bytes.Equal(d, record(name)) {
				t.Errorf("received %q", d)
			}
			s.Close()
		})
	}
	if p := m.ports[0]; len(p.claims) != 0 || len(m.agents) != 0 {
		t.Errorf("left: claims on %v, agents %v", p.claims, m.agents)
	}
}

// What comes in before there is a receiver waits for it, within bounds.
func TestEarlyDTLS(t *testing.T) {
	for _, size := range []int{100, 1500} {
		m := newTestMux(t, loopback[0])
		s := newTestSession(t, m, "aaaa")
		x := newPeer(t)
		s.claim(address{m.ports[0], x.addr()}, true)
		const n = 100
		for i := range n {
			x.send(m, record(fmt.Sprintf("%04d%0*d", i, size, 0)))
		}
		eventually(t, "all come in", func() bool { return s.Stats().Received == n })
		kept := min(maxHeld, maxHeldBytes/(size+7))
		if lost := s.Stats().ReceiveLost; lost != uint64(n-kept) {
			t.Errorf("%d of %d were lost, want %d", lost, n, n-kept)
		}
		s.receiveAll()
		x.send(m, record("9999"))
		for i := range kept + 1 {
			want := fmt.Sprintf("%04d", i)
			if i == kept {
				want = "9999"
			}
			if d := <-s.got; string(d[3:7]) != want {
				t.Errorf("size %d: datagram %q, want %s", size, d[3:7], want)
			}
		}
	}
}

// Write follows the path, from port to port and over to a connection that is none.
func TestPath(t *testing.T) {
	m := newTestMux(t, loopback[0], netip.MustParseAddr("127.0.0.2"))
	s := newTestSession(t, m, "aaaa")
	x, y := newPeer(t), newPeer(t)
	batch := numbered([]int{1200, 1200, 300})
	wantLost := func(why string, n int, target error) {
		t.Helper()
		if lost, err := s.Write(batch); lost != n || !errors.Is(err, target) {
			t.Errorf("%s: Write = %d, %v; want %d, %v", why, lost, err, n, target)
		}
	}
	wantAt := func(why string, p peer, from netip.AddrPort) {
		t.Helper()
		wantLost(why, 0, nil)
		for _, d := range batch {
			p.want(why, d, from)
		}
		if local, remote := s.LocalAddr(), s.RemoteAddr(); addrPort(local) != from || addrPort(remote) != p.addr() {
			t.Errorf("%s: path %v - %v", why, local, remote)
		}
	}
	wantLost("no path", 3, ErrNoPath)
	for i, p := range []peer{x, y, x} {
		from := m.Addrs()[i%2]
		if err := s.SetPath(from, p.addr()); err != nil {
			t.Fatal(err)
		}
		for _, whole := range []bool{true, false} {
			if err := s.SetDontFragment(whole); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
			wantAt(fmt.Sprint(i), p, from)
		}
	}
	if err := s.SetPath(netip.MustParseAddrPort("127.0.0.1:1"), x.addr()); err == nil {
		t.Error("a path from a port that is not there")
	}
	ours, theirs := net.Pipe()
	defer theirs.Close()
	s.SetConn(ours, nil)
	if local, remote := s.LocalAddr(), s.RemoteAddr(); local != ours.LocalAddr() || remote != ours.RemoteAddr() {
		t.Errorf("path %v - %v", local, remote)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		wantLost("over the connection", 0, nil)
	}()
	b := make([]byte, 2000)
	for i := range batch {
		if n, err := theirs.Read(b); err != nil || !bytes.Equal(b[:n], batch[i]) {
			t.Errorf("over the connection: %d bytes, %v", n, err)
		}
	}
	<-written
	s.SetConn(nil, nil)
	wantLost("path lost", 3, ErrNoPath)
	if local, remote := s.LocalAddr(), s.RemoteAddr(); local != nil || remote != nil {
		t.Errorf("path %v - %v", local, remote)
	}
	s.SetPath(m.Addrs()[0], x.addr())
	s.receiveAll()
	s.Close()
	wantLost("closed", 3, net.ErrClosed)
	if s.Deliver(batch, nil); len(s.got) != 0 {
		t.Error("received after Close")
	}
	if got, want := s.Stats(), (SessionStats{Sent: 7 * 3, SentBytes: 7 * 2700, SendLost: 6}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// goneConn is a connection of an agent that is being closed.
type goneConn struct {
	net.Conn
	err error
}

func (c goneConn) Write([]byte) (int, error) { return 0, c.err }

// A path that ends is no end of what goes over it: ICE may restart.
func TestPathGone(t *testing.T) {
	s := newTestMux(t, loopback[0]).NewSession(false)
	for _, gone := range []error{net.ErrClosed, io.ErrClosedPipe, io.EOF, errors.New("the agent is closed")} {
		s.SetConn(goneConn{err: gone}, nil)
		lost, err := s.Write([][]byte{{1}, {2}})
		if lost != 2 || !errors.Is(err, ErrNoPath) || errors.Is(err, gone) {
			t.Errorf("%v: Write = %d, %v", gone, lost, err)
		}
	}
}

// With a closed Mux there is no path; only the session's own end is one.
func TestMuxClosed(t *testing.T) {
	m := newTestMux(t, loopback[0])
	s := newTestSession(t, m, "aaaa")
	x := newPeer(t)
	s.SetPath(m.Addrs()[0], x.addr())
	ended := make(chan error)
	go func() {
		_, _, err := s.conn.ReadFrom(make([]byte, 100))
		ended <- err
	}()
	addr := net.UDPAddrFromAddrPort(m.Addrs()[0])
	m.Close()
	m.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom = %v", err)
	}
	if lost, err := s.Write([][]byte{{1}}); lost != 1 || !errors.Is(err, ErrNoPath) || errors.Is(err, net.ErrClosed) {
		t.Errorf("Write = %d, %v", lost, err)
	}
	if _, err := s.NewAgent().Conn("bbbb", addr); err == nil {
		t.Error("Conn on a closed Mux")
	}
	if err := m.Listen(loopback[:1], 0); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Listen on a closed Mux: %v", err)
	}
}

// The peer's port is closed: ICMP says so, and nothing follows from it.
func TestPeerUnreachable(t *testing.T) {
	m := newTestMux(t, loopback[0])
	a, b := newTestSession(t, m, "aaaa"), newTestSession(t, m, "bbbb")
	b.receiveAll()
	gone, x := newPeer(t), newPeer(t)
	at := gone.addr()
	gone.Close()
	a.SetPath(m.Addrs()[0], at)
	b.SetPath(m.Addrs()[0], x.addr())
	for range 50 {
		if _, err := a.Write(numbered([]int{500, 500})); errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		x.send(m, record("alive"))
		if d := <-b.got; !bytes.Equal(d, record("alive")) {
			t.Fatalf("received %q", d)
		}
	}
	if lost, err := b.Write(numbered([]int{500})); lost != 0 || err != nil {
		t.Errorf("Write = %d, %v", lost, err)
	}
}

// The agents of a plain session get everything that they would from a socket.
func TestPlainSession(t *testing.T) {
	m := newTestMux(t, loopback[0])
	s := m.NewSession(true)
	defer s.Close()
	a := s.NewAgent()
	a.Listen(loopback[:1], 0, 0)
	c, err := a.Conn("aaaa", net.UDPAddrFromAddrPort(m.Addrs()[0]))
	if err != nil {
		t.Fatal(err)
	}
	x := newPeer(t)
	for _, b := range [][]byte{stunMessage(stunmsg.BindingSuccess, 1, ""), record("data")} {
		if _, err := c.WriteTo(b, x.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		x.want("as written", b, m.Addrs()[0])
	}
	ts := &testSession{Session: s, t: t, conn: c}
	for _, b := range [][]byte{stunMessage(stunmsg.BindingRequest, 1, "aaaa:x"), record("data")} {
		x.send(m, b)
		ts.wantSTUN("as sent", b, x.addr())
	}
}
