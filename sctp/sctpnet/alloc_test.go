package sctpnet

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// A ring is one end of a transport in memory that allocates nothing: what is
// written at one end waits in a slot until it is read at the other, or is lost
// when all slots are taken.
type ring struct {
	net.Conn // nil: for the methods that are not called
	in, out  *slots
}

type slots struct {
	mu     sync.Mutex
	cond   sync.Cond
	buf    [256][2048]byte
	size   [256]int
	head   int
	n      int
	closed bool
}

func newRings() (a, b *ring) {
	x, y := new(slots), new(slots)
	x.cond.L, y.cond.L = &x.mu, &y.mu
	return &ring{in: x, out: y}, &ring{in: y, out: x}
}

func (r *ring) Write(p []byte) (int, error) {
	s := r.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if s.n < len(s.buf) {
		i := (s.head + s.n) % len(s.buf)
		s.size[i] = copy(s.buf[i][:], p)
		s.n++
		s.cond.Signal()
	}
	return len(p), nil
}

func (r *ring) Read(p []byte) (int, error) {
	s := r.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.n == 0 && !s.closed {
		s.cond.Wait()
	}
	if s.closed {
		return 0, net.ErrClosed
	}
	n := copy(p, s.buf[s.head][:s.size[s.head]])
	s.head = (s.head + 1) % len(s.buf)
	s.n--
	return n, nil
}

func (r *ring) Close() error {
	for _, s := range []*slots{r.in, r.out} {
		s.mu.Lock()
		s.closed = true
		s.cond.Broadcast()
		s.mu.Unlock()
	}
	return nil
}

func (r *ring) SetWriteDeadline(time.Time) error { return nil }

func connectRings(t testing.TB, cfg Config) (a, b *Conn) {
	t.Helper()
	ra, rb := newRings()
	return connectOver(t, ra, rb, cfg)
}

func connectOver(t testing.TB, na, nb net.Conn, cfg Config) (a, b *Conn) {
	t.Helper()
	b, err := New(nb, cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = Client(background, na, cfg); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitConnected(background); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Abort("")
		b.Abort("")
		<-a.Done()
		<-b.Done()
	})
	return a, b
}

// ringSocket is a ring as a UDP socket with one peer.
type ringSocket struct{ *ring }

var ringPeer = netip.MustParseAddrPort("192.0.2.1:9899")

func (r ringSocket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, err := r.Read(b)
	return n, ringPeer, err
}

func (r ringSocket) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return r.Write(b) }

func connectSockets(t testing.TB, cfg Config) (a, b *Conn) {
	t.Helper()
	ra, rb := newRings()
	return connectBetween(t, ringSocket{ra}, ringSocket{rb}, cfg)
}

func connectBetween(t testing.TB, sa, sb udpsock.PacketConn, cfg Config) (a, b *Conn) {
	t.Helper()
	l, err := listen(sb, ListenConfig{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	if a, err = dial(sa, ringPeer, cfg); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(background); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Abort("")
		b.Abort("")
		<-a.Done()
		<-b.Done()
		l.Close()
	})
	return a, b
}

// connectUDP returns an association over UDP on loopback.
func connectUDP(t testing.TB, cfg Config) (a, b *Conn) {
	t.Helper()
	a, b, end := listenAndDial(t, cfg)
	t.Cleanup(end)
	return a, b
}

// TestUDPEndGivesBuffersBack: the goroutine that reads gives back what it has read into when what it read was the end.
func TestUDPEndGivesBuffersBack(t *testing.T) {
	if raceDetector {
		t.Skip("pools drop some of what they get")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties them
	for _, over := range []struct {
		desc    string
		connect func(testing.TB, Config) (a, b *Conn)
	}{{"Endpoint", connectUDP}, {"Conn", connectUDPConns}} {
		const times = 20
		var before, after runtime.MemStats
		for i := range 2 * times {
			if i == times {
				runtime.ReadMemStats(&before)
			}
			a, b := over.connect(t, Config{})
			b.Abort("")
			<-a.Done()
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 50_000 {
			t.Errorf("%s: %d bytes for an association", over.desc, each)
		}
	}
}

// connectUDPConns is connectUDP with a net.Conn at each end.
func connectUDPConns(t testing.TB, cfg Config) (a, b *Conn) {
	t.Helper()
	a, b, end := dialEachOther(t, cfg)
	t.Cleanup(end)
	return a, b
}

// listenAndDial returns both ends of an association, and what ends them.
func listenAndDial(t testing.TB, cfg Config) (a, b *Conn, end func()) {
	t.Helper()
	l, err := Listen("udp4", "127.0.0.1:0", ListenConfig{Config: cfg})
	if err != nil {
		t.Skip("no UDP on loopback:", err)
	}
	if a, err = Dial(background, "udp4", l.Addr().String(), cfg); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(background); err != nil {
		t.Fatal(err)
	}
	return a, b, func() {
		abort(a, b)
		l.Close()
	}
}

// dialEachOther is listenAndDial with a net.Conn at each end.
func dialEachOther(t testing.TB, cfg Config) (a, b *Conn, end func()) {
	t.Helper()
	x, y := freeAddrs(t)
	dial := func(from, to *net.UDPAddr) net.Conn {
		c, err := net.DialUDP("udp4", from, to)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	b, err := New(dial(y, x), cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = Client(background, dial(x, y), cfg); err != nil {
		t.Fatal(err)
	}
	return a, b, func() { abort(a, b) }
}

// abort ends both ends, and waits until nothing is left of them.
func abort(a, b *Conn) {
	a.Abort("")
	b.Abort("")
	<-a.Done()
	<-b.Done()
}

// freeAddrs are addresses of two ports that are free. Both are taken before one is given back: it could be the next that the system gives.
func freeAddrs(t testing.TB) (x, y *net.UDPAddr) {
	var conns [2]*net.UDPConn
	for i := range conns {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Skip("no UDP on loopback:", err)
		}
		defer c.Close()
		conns[i] = c
	}
	return conns[0].LocalAddr().(*net.UDPAddr), conns[1].LocalAddr().(*net.UDPAddr)
}

// inPlace is a transport in memory that pushes and takes packets in place, and
// allocates nothing: what is sent is handed to the peer within WriteInPlace.
type inPlace struct {
	net.Conn // nil: for the methods that are not called
	peer     *inPlace
	f        atomic.Pointer[func([][]byte, error)]
	packets  [][]byte
}

func (p *inPlace) Room() (before, after int)        { return 21, 16 }
func (p *inPlace) Receive(f func([][]byte, error))  { p.f.Store(&f) }
func (p *inPlace) Close() error                     { return nil }
func (p *inPlace) SetWriteDeadline(time.Time) error { return nil } // where the machine stalls

func (p *inPlace) WriteInPlace(frames [][]byte) (lost int, err error) {
	p.packets = p.packets[:0]
	for _, f := range frames {
		p.packets = append(p.packets, f[21:len(f)-16])
	}
	if f := p.peer.f.Load(); f != nil {
		(*f)(p.packets, nil)
	}
	return 0, nil
}

func connectInPlace(t testing.TB, cfg Config) (a, b *Conn) {
	t.Helper()
	pa, pb := new(inPlace), new(inPlace)
	pa.peer, pb.peer = pb, pa
	b, err := New(pb, cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	for pb.f.Load() == nil {
		runtime.Gosched()
	}
	if a, err = Client(background, pa, cfg); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitConnected(background); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Abort("")
		b.Abort("")
		<-a.Done()
		<-b.Done()
	})
	return a, b
}

// A message costs its copy at the sender, and neither a packet nor a wait nor an
// event costs an allocation.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties pools")
	}
	var buf [64 << 10]byte
	for _, tc := range []struct {
		desc    string
		size    int
		connect func(testing.TB, Config) (a, b *Conn)
	}{
		{"one packet", 1000, connectRings},
		{"many packets", 20000, connectRings},
		{"one packet, read in batches", 1000, connectGatherings},
		{"many packets, read in batches", 20000, connectGatherings},
		{"one packet on a socket", 1000, connectSockets},
		{"many packets on a socket", 20000, connectSockets},
		{"one packet over UDP", 1 << 10, connectUDP},
		{"many packets over UDP", 20000, connectUDP},
		{"one packet over a UDP net.Conn", 1 << 10, connectUDPConns},
		{"many packets over a UDP net.Conn", 20000, connectUDPConns},
		{"one packet in place", 1000, connectInPlace},
		{"many packets in place", 20000, connectInPlace},
	} {
		a, b := tc.connect(t, Config{})
		m := message(1, tc.size, 0)
		once := func() {
			if err := a.WriteMessage(background, m); err != nil {
				t.Fatal(err)
			}
			for {
				_, info, err := b.ReadMessage(background, 1, buf[:])
				if err != nil {
					t.Fatal(err)
				}
				if info.Complete {
					return
				}
			}
		}
		for range 1000 {
			once() // fills the pools
		}
		if got := testing.AllocsPerRun(1000, once); got != 0 {
			t.Errorf("%s: %v allocations per message", tc.desc, got)
		}
	}
}

// OnEvent costs no allocation either.
func TestAllocationsWithEvents(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties pools")
	}
	var buf [2048]byte
	got := make(chan struct{}, 1)
	ra, rb := newRings()
	b, err := New(rb, Config{OnEvent: func(c *Conn, ev sctp.Event) {
		for ev.Kind == sctp.EventReadable {
			if _, _, err := c.TryReadMessage(ev.Stream, buf[:]); err != nil {
				return
			}
			got <- struct{}{}
		}
	}}, false)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Client(background, ra, Config{})
	if err != nil {
		t.Fatal(err)
	}
	m := message(1, 1000, 0)
	once := func() {
		if err := a.TryWriteMessage(m); err != nil {
			t.Fatal(err)
		}
		<-got
	}
	for range 1000 {
		once()
	}
	if got := testing.AllocsPerRun(1000, once); got > 1 {
		t.Errorf("%v allocations per message, want 1", got)
	}
	a.Abort("")
	<-a.Done()
	<-b.Done()
}

func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{100, 1000, 64 << 10} {
		b.Run(byteCount(size), func(b *testing.B) {
			tx, rx := connectRings(b, Config{})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			m := message(1, size, 0)
			b.ResetTimer()
			done := result(func() error {
				buf := make([]byte, 64<<10)
				for n := 0; n < b.N; {
					_, info, err := rx.ReadMessage(background, 1, buf)
					if err != nil {
						return err
					}
					if info.Complete {
						n++
					}
				}
				return nil
			})
			for range b.N {
				if err := tx.WriteMessage(background, m); err != nil {
					b.Fatal(err)
				}
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	x, y := connectRings(b, Config{})
	m := message(1, 64, 0)
	b.ReportAllocs()
	done := result(func() error {
		buf := make([]byte, 100)
		for range b.N {
			n, _, err := y.ReadMessage(background, 1, buf)
			if err != nil {
				return err
			}
			if err := y.WriteMessage(background, sctp.Message{Stream: 1, Payload: buf[:n]}); err != nil {
				return err
			}
		}
		return nil
	})
	buf := make([]byte, 100)
	for range b.N {
		if err := x.WriteMessage(background, m); err != nil {
			b.Fatal(err)
		}
		if _, _, err := x.ReadMessage(background, 1, buf); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func byteCount(n int) string {
	if n >= 1<<10 && n%(1<<10) == 0 {
		return fmt.Sprint(n>>10, "KiB")
	}
	return fmt.Sprint(n, "B")
}
