package udpmux

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
	"github.com/sluice-rtc/sluice/internal/udpsock"
)

// at is an address that nobody has to own.
func at(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i >> 16)}), uint16(i))
}

// Sessions that have a claim on the same address all hear what comes from there, each a
// copy of its own: a liar takes nothing from anybody.
func TestContestedAddress(t *testing.T) {
	m := newTestMux(t, loopback[0])
	x := newPeer(t)
	var all []*testSession
	for i := range maxClaims {
		s := newTestSession(t, m, fmt.Sprint("ufrag", i))
		got := s.got
		s.Receive(func(datagrams [][]byte) {
			for _, d := range datagrams {
				got <- bytes.Clone(d)
				clear(d) // as a record is opened in place
			}
		})
		s.conn.WriteTo(stunMessage(stunmsg.BindingSuccess, 1, ""), x.LocalAddr())
		all = append(all, s)
	}
	for range 3 {
		x.send(m, record("whose?"))
		for i, s := range all {
			if d := <-s.got; !bytes.Equal(d, record("whose?")) {
				t.Errorf("session %d got %q", i, d)
			}
		}
	}
	all[1].Close()
	x.send(m, record("one less"))
	for _, i := range []int{0, 2, 3} {
		if d := <-all[i].got; !bytes.Equal(d, record("one less")) {
			t.Errorf("session %d got %q", i, d)
		}
	}
}

// Runs of one sender that were read together come in together, up to a full batch.
func TestTogether(t *testing.T) {
	m := newTestMux(t, loopback[0])
	p, s := m.ports[0], m.NewSession(false)
	defer s.Close()
	s.SetPath(p.sock.local, at(1))
	var sizes []int
	s.Receive(func(datagrams [][]byte) { sizes = append(sizes, len(datagrams)) })
	run := func(i, n int) udpsock.Run {
		d := record("together")
		return udpsock.Run{Data: bytes.Repeat(d, n), Size: len(d), From: at(i)}
	}
	runs := []udpsock.Run{run(1, 1), run(1, 2), run(2, 5), run(1, 60), run(1, 8), run(1, 1)}
	for len(runs) > 0 {
		runs, _ = p.dispatch(runs, nil)
	}
	if want := []int{3, 68, 1}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %v datagrams, want %v", sizes, want)
	}
}

// However many sessions check an address, who does so now hears the answer: a peer that is
// lite never proves a claim by checks of its own.
func TestAnswerFromCrowdedAddress(t *testing.T) {
	m := newTestMux(t, loopback[0])
	x := newPeer(t)
	var all []*testSession
	for i := range 2 * maxClaims {
		s := newTestSession(t, m, fmt.Sprint("ufrag", i))
		check := stunMessage(stunmsg.BindingRequest, byte(i), "x:y")
		s.conn.WriteTo(check, x.LocalAddr())
		x.want("check", check, m.Addrs()[0])
		all = append(all, s)
	}
	last := len(all) - 1
	answer := stunMessage(stunmsg.BindingSuccess, byte(last), "")
	x.send(m, answer)
	eventually(t, "the answer", func() bool {
		c := all[last].conn
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.queue) == 1
	})
	all[last].wantSTUN("answer", answer, x.addr())
}

// Where too many claim an address, the oldest claim of its kind goes for the next, but for those of paths in use.
func TestClaimsAreBounded(t *testing.T) {
	m := newTestMux(t, loopback[0])
	p, addr := m.ports[0], at(1)
	var s []*Session
	for range maxClaims + 8 {
		s = append(s, m.NewSession(false))
	}
	claimed := func(want ...int) {
		t.Helper()
		var got []int
		for _, c := range p.lookup(addr) {
			for i := range s {
				if s[i] == c.s {
					got = append(got, i)
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("claims of %v, want %v", got, want)
		}
	}
	prove := func(i int) { s[i].claim(address{p, addr}, true) }
	for i := range maxUnproven + 1 { // one too many: the oldest goes
		s[i].claim(address{p, addr}, false)
	}
	claimed(1, 2, 3, 4)
	s[0].claim(address{p, addr}, false)
	claimed(2, 3, 4, 0)
	prove(4)
	s[4].claim(address{p, addr}, false)
	claimed(2, 3, 0, 4)
	s[5].SetPath(p.sock.local, addr)
	claimed(2, 3, 0, 4, 5)
	if s[5].Crowded() || !s[5].Contested() {
		t.Error("a claim like others")
	}
	want := []int{2, 3, 0, 4, 5}
	for i := 6; len(want) < maxClaims+3; i++ {
		prove(i)
		want = append(want, i)
	}
	claimed(want...)
	prove(maxClaims + 4) // in place of the oldest that is not in use
	want = append(slices.Delete(want, 3, 4), maxClaims+4)
	claimed(want...)
	for _, i := range want[3:] {
		s[i].SetPath(p.sock.local, addr)
	}
	claimed(want...)
	for _, i := range []int{maxClaims + 5, 0} {
		s[i].SetPath(p.sock.local, addr)
		claimed(want...)
		if !s[i].Crowded() {
			t.Errorf("session %d has a claim beside %d that are in use", i, maxClaims)
		}
	}
	s[5].Close()
	if prove(0); s[0].Crowded() {
		t.Error("no claim, though one has become free")
	}
	for _, other := range s {
		other.Close()
	}
	claimed()
	last := m.NewSession(false)
	defer last.Close()
	last.SetPath(p.sock.local, addr)
	if !last.Contested() {
		t.Error("the sessions of before are forgotten")
	}
	last.SetPath(p.sock.local, at(2))
	last.mu.Lock()
	last.addresses = last.addresses[1:]
	last.mu.Unlock()
	if last.Contested() {
		t.Error("others at an address of which nobody has heard")
	}
	for i := range 3 * maxLeft {
		p.claim(at(10+i), claim{s: s[0]})
		p.disclaim(at(10+i), s[0])
	}
	if len(p.left) != maxLeft || p.contested(addr, last) || !p.contested(at(9+3*maxLeft), last) {
		t.Errorf("%d addresses are remembered", len(p.left))
	}
}

// failingConn is a socket on which reading fails a number of times.
type failingConn struct {
	PacketConn
	errs chan error // closed when the socket is
}

func (c failingConn) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	if err, ok := <-c.errs; ok {
		return 0, netip.AddrPort{}, err
	}
	return 0, netip.AddrPort{}, net.ErrClosed
}

func (c failingConn) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (c failingConn) Close() error {
	close(c.errs)
	return nil
}

// Systems that report ICMP messages as failed reads (Windows) report one for each: they
// come as fast as anybody likes, and no session waits for them. A socket that fails for
// another reason is asked less often.
func TestFailedReads(t *testing.T) {
	for err, patient := range map[error]bool{
		syscall.ECONNREFUSED:   true,
		syscall.Errno(10054):   true, // WSAECONNRESET
		syscall.ENOMEM:         false,
		errors.New("whatever"): false,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := failingConn{errs: make(chan error)}
			m := New(Config{Open: func(netip.AddrPort) (PacketConn, error) { return c, nil }})
			if err := m.Listen([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			for range 1000 {
				c.errs <- &net.OpError{Op: "read", Err: os.NewSyscallError("recvfrom", err)}
			}
			if took := time.Since(begin); (took == 0) != patient {
				t.Errorf("%v: 1000 failures in %v", err, took)
			}
			m.Close()
			if n := m.Stats().ReadErrors; n != 1000 {
				t.Errorf("%v: %d were counted", err, n)
			}
		})
	}
}

// The addresses of a session are bounded; that of its path stays.
func TestAddressesAreBounded(t *testing.T) {
	m := newTestMux(t, loopback[0])
	p, s := m.ports[0], m.NewSession(false)
	s.SetPath(p.sock.local, at(0))
	for i := range 3 * maxAddresses {
		s.claim(address{p, at(i)}, true)
		s.claim(address{p, at(i)}, false)
	}
	if len(p.claims) != maxAddresses || len(s.addresses) != maxAddresses {
		t.Errorf("%d claims, %d addresses", len(p.claims), len(s.addresses))
	}
	for i, want := range map[int]bool{0: true, 1: false, 3*maxAddresses - 1: true} {
		if got := len(p.lookup(at(i))) == 1; got != want {
			t.Errorf("address %d: claimed %v", i, got)
		}
	}
	s.Close()
	if len(p.claims) != 0 {
		t.Errorf("%d claims left", len(p.claims))
	}
}

// A peer that checks from ever new addresses gets only so many taken for candidates.
func TestNewcomersAreBounded(t *testing.T) {
	m := newTestMux(t, loopback[0])
	p, s := m.ports[0], newTestSession(t, m, "aaaa")
	check, answer := stunMessage(stunmsg.BindingRequest, 1, "aaaa:x"), stunMessage(stunmsg.BindingSuccess, 1, "")
	taken := 0
	for i := range 2 * maxNewcomers {
		from := netip.AddrPortFrom(loopback[0], uint16(20000+i))
		before := len(s.conn.queue)
		p.dispatch([]udpsock.Run{{Data: check, Size: len(check), From: from}}, nil)
		if len(s.conn.queue) == before {
			continue
		}
		s.wantSTUN("check", check, from)
		s.conn.WriteTo(answer, net.UDPAddrFromAddrPort(from))
		taken++
	}
	if taken != maxNewcomers {
		t.Errorf("%d addresses were taken, want %d", taken, maxNewcomers)
	}
	known := netip.AddrPortFrom(loopback[0], 20000)
	p.dispatch([]udpsock.Run{{Data: check, Size: len(check), From: known}}, nil)
	s.wantSTUN("check of a known address", check, known)
}

// Floods of strangers leave nothing behind, and take no memory for a packet.
func TestFloodOfStrangers(t *testing.T) {
	m := newTestMux(t, loopback[0])
	p, s := m.ports[0], newTestSession(t, m, "aaaa")
	s.receiveAll()
	flood := map[string][]byte{
		"DTLS":              record("hello"),
		"unknown fragment":  stunMessage(stunmsg.BindingRequest, 1, "bbbb:x"),
		"answers":           stunMessage(stunmsg.BindingSuccess, 1, ""),
		"indications":       stunMessage(stunmsg.BindingIndication, 1, ""),
		"malformed":         stunMessage(stunmsg.BindingSuccess, 1, "", emptyAddress),
		"anything":          {200, 1, 2, 3},
		"several in a read": bytes.Repeat([]byte{23}, 4000),
	}
	batch := make([][]byte, 0, udpsock.MaxSegments)
	for name, b := range flood {
		size := min(len(b), 100)
		i := 0
		if allocs := testing.AllocsPerRun(1000, func() {
			p.dispatch([]udpsock.Run{{Data: b, Size: size, From: at(i)}}, batch)
			i++
		}); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	if len(p.claims) != 0 || len(m.agents) != 1 || len(s.conn.queue) != 0 {
		t.Errorf("claims on %d addresses, %d agents, %d messages queued", len(p.claims), len(m.agents), len(s.conn.queue))
	}
	// Who knows the fragment can fill the agent's queue, no more.
	check := stunMessage(stunmsg.BindingRequest, 1, "aaaa:x")
	for i := range 10 * maxQueued {
		p.dispatch([]udpsock.Run{{Data: check, Size: len(check), From: at(i)}}, batch)
	}
	if n := len(s.conn.queue); n != maxQueued || m.Stats().QueueFull != 9*maxQueued {
		t.Errorf("%d messages queued, %d dropped", n, m.Stats().QueueFull)
	}
	if len(p.claims) != 0 {
		t.Errorf("claims on %d addresses", len(p.claims))
	}
}

// A datagram's way from the socket to its session and out again takes no memory.
func TestSessionAllocs(t *testing.T) {
	m := newTestMux(t, loopback[0])
	p, s := m.ports[0], m.NewSession(false)
	defer s.Close()
	x := newTestSocket(t, loopback[0])
	s.SetPath(p.sock.local, x.local)
	bytesIn := 0
	s.Receive(func(datagrams [][]byte) {
		for _, d := range datagrams {
			bytesIn += len(d)
		}
	})
	in := bytes.Repeat(append(record(""), make([]byte, 97)...), 30)
	batch := make([][]byte, 0, udpsock.MaxSegments)
	runs := []udpsock.Run{{Data: in, Size: 100, From: x.local}}
	if n := testing.AllocsPerRun(100, func() { p.dispatch(runs, batch) }); n != 0 {
		t.Errorf("in: %v allocations", n)
	}
	if bytesIn != 101*3000 {
		t.Errorf("%d bytes", bytesIn)
	}
	out := numbered(repeated(30, 1200))
	if n := testing.AllocsPerRun(100, func() {
		if lost, err := s.Write(out); lost != 0 || err != nil {
			t.Error(lost, err)
		}
		for left := 30 * 1200; left > 0; {
			runs, err := x.receive()
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range runs {
				left -= len(r.Data)
			}
		}
	}); n != 0 {
		t.Errorf("out: %v allocations", n)
	}
}

// Checks go out at 50 a second at first, at 2 a second in the end; a check of the
// peer, another address or a nomination is not slowed down by that.
func TestPacing(t *testing.T) {
	m := newTestMux(t, loopback[0])
	c := newTestSession(t, m, "aaaa").conn
	now := time.Unix(1e9, 0)
	const interval = 20 * time.Millisecond
	sentIn := func(d time.Duration, to netip.AddrPort) (n int) {
		for range d / interval {
			if c.pacer.allow(now, to) {
				n++
			}
			now = now.Add(interval)
		}
		return n
	}
	if n := sentIn(200*time.Millisecond, at(1)); n != 10 {
		t.Errorf("%d checks in the first 200 ms, want all 10", n)
	}
	if n := sentIn(2*time.Second, at(1)); n != 20 {
		t.Errorf("%d checks in the next two seconds, want 20", n)
	}
	if n := sentIn(20*time.Second, at(1)); n > 42 || n < 38 {
		t.Errorf("%d checks in 20 s, want about 40", n)
	}
	if n := sentIn(200*time.Millisecond, at(2)); n != 10 {
		t.Errorf("%d checks to another address, want 10", n)
	}
	c.pacer.heard(at(1))
	if n := sentIn(200*time.Millisecond, at(1)); n < 9 {
		t.Errorf("%d checks after one from the peer, want 10", n)
	}
	for i := range 3 * maxPaces {
		c.pacer.allow(now, at(i))
	}
	if n := len(c.pacer.paths); n > maxPaces {
		t.Errorf("%d addresses remembered", n)
	}
}

// Over the agent's connection the same: nominations go out, checks beyond the pace do
// not, and a check of the peer begins it anew.
func TestPacedConn(t *testing.T) {
	m := newTestMux(t, loopback[0])
	s := newTestSession(t, m, "aaaa")
	x := newPeer(t)
	check, nominate := stunMessage(stunmsg.BindingRequest, 1, "x:aaaa"), stunMessage(stunmsg.BindingRequest, 2, "x:aaaa", useCandidate)
	write := func(b []byte, n int) {
		t.Helper()
		for range n {
			if k, err := s.conn.WriteTo(b, x.LocalAddr()); k != len(b) || err != nil {
				t.Fatalf("WriteTo = %d, %v", k, err)
			}
		}
	}
	read := func(b []byte, n int) {
		t.Helper()
		for range n {
			x.want("check", b, m.Addrs()[0])
		}
	}
	for range 2 {
		write(check, 12) // within 100 ms, or a few more are allowed
		read(check, 10)
		write(nominate, 5)
		b := make([]byte, 100)
		for left := 5; left > 0; {
			n, _, err := x.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(b[:n], nominate) {
				left--
			}
		}
		request := stunMessage(stunmsg.BindingRequest, 3, "aaaa:x")
		x.send(m, request)
		s.wantSTUN("request", request, x.addr())
	}
}

// Sessions come and go while packets come in for them.
func TestSessionsComeAndGo(t *testing.T) {
	m := newTestMux(t, loopback[0])
	stop := make(chan struct{})
	var senders, others sync.WaitGroup
	x := newPeer(t)
	senders.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			x.send(m, record("data"))
			x.send(m, stunMessage(stunmsg.BindingRequest, 1, fmt.Sprintf("ufrag%d:x", i%8)))
			x.send(m, stunMessage(stunmsg.BindingSuccess, 1, ""))
		}
	})
	for i := range 8 {
		others.Go(func() {
			for range 30 {
				s := newTestSession(t, m, fmt.Sprint("ufrag", i))
				s.conn.WriteTo(stunMessage(stunmsg.BindingRequest, 1, "x:y"), x.LocalAddr())
				s.SetPath(m.Addrs()[0], x.addr())
				heard := make(chan struct{}, 1)
				s.Receive(func([][]byte) {
					select {
					case heard <- struct{}{}:
					default:
					}
					s.Write([][]byte{record("answer")})
				})
				// Of more sessions than an address may belong to, some hear nothing.
				s.wantSTUNFrom(x)
				s.Close()
			}
		})
	}
	others.Wait()
	close(stop)
	senders.Wait()
	if p := m.ports[0]; len(p.claims) != 0 || len(m.agents) != 0 {
		t.Errorf("left: claims on %v, agents %v", p.claims, m.agents)
	}
}

// wantSTUNFrom reads any message of the peer.
func (s *testSession) wantSTUNFrom(x peer) {
	if _, from, err := s.conn.ReadFrom(make([]byte, 100)); err != nil || addrPort(from) != x.addr() {
		s.t.Errorf("ReadFrom: %v, %v", from, err)
	}
}

// The counters of an address that was forgotten for others begin anew, and what has been counted
// since is no less than nothing.
func TestTrafficBeginsAnew(t *testing.T) {
	m := newTestMux(t, loopback[0])
	p, s := m.ports[0], m.NewSession(false)
	defer s.Close()
	s.Receive(func([][]byte) {})
	count := func() TrafficStats {
		s.SetPath(p.sock.local, at(1))
		p.deliver([][]byte{record("counted")}, at(1))
		for _, pair := range s.Traffic() {
			if pair.Remote == at(1) {
				return pair.TrafficStats
			}
		}
		t.Fatal("there is no claim")
		panic("unreachable")
	}
	count()
	before := count()
	if before.Received != 2 {
		t.Errorf("%d datagrams, want 2", before.Received)
	}
	for i := range maxAddresses + 1 {
		s.SetPath(p.sock.local, at(2+i))
	}
	if now := count(); now.Received != 1 || now.Since(before).Received != 1 {
		t.Errorf("%d datagrams, %d since, want 1", now.Received, now.Since(before).Received)
	}
}
