package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/pion/dtls/v2"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/bench/internal/tally"
	"github.com/sluice-rtc/sluice/internal/dtlsrecord"
	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// A crowd is many sessions at one port of a server, each with a peer at an address of
// its own. The peers share one socket, which sends from any address of loopback.
type crowd struct {
	mux     *udpmux.Mux
	servers []*joined
	peers   []*dtlsrecord.Session
	socket  *net.UDPConn
	arrived *tally.Tally
}

// addressOf returns where the peer with a number is.
func addressOf(i int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)}), port)
}

// sendFrom returns a function that sends datagrams from an address.
func (c *crowd) sendFrom(from netip.Addr, to netip.AddrPort) func([][]byte) (int, error) {
	var control [16 + 12 + 4]byte // struct cmsghdr, struct in_pktinfo, padding
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&control))
	h.Level, h.Type = syscall.IPPROTO_IP, syscall.IP_PKTINFO
	h.SetLen(syscall.CmsgLen(12))
	source := from.As4()
	copy(control[syscall.CmsgLen(4):], source[:])
	return func(datagrams [][]byte) (lost int, err error) {
		for _, d := range datagrams {
			if _, _, e := c.socket.WriteMsgUDPAddrPort(d, control[:], to); e != nil {
				lost, err = lost+1, e
			}
		}
		return lost, err
	}
}

// lane carries the handshake of a session in memory.
type lane struct {
	net.Conn
	to *dtlsrecord.Session
}

func (l lane) Write(p []byte) (int, error) {
	l.to.HandleDatagrams([][]byte{append([]byte(nil), p...)})
	return len(p), nil
}

// join adds a session, after its handshake.
func (c *crowd) join(cfg *dtls.Config) error {
	local := c.mux.Addrs()[0]
	remote := addressOf(len(c.servers), uint16(c.socket.LocalAddr().(*net.UDPAddr).Port))
	s := &joined{path: c.mux.NewSession(false)}
	s.Session = dtlsrecord.New(dtlsrecord.Config{DTLS: cfg, Send: s.path.Write})
	var send func([][]byte) (int, error)
	p := dtlsrecord.New(dtlsrecord.Config{Client: true, DTLS: cfg, Send: func(datagrams [][]byte) (int, error) {
		if send != nil {
			return send(datagrams)
		}
		for _, d := range datagrams {
			s.path.Deliver([][]byte{append([]byte(nil), d...)}, nil)
		}
		return 0, nil
	}})
	s.path.SetConn(lane{to: p}, nil)
	s.path.Receive(s.HandleDatagrams)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	done := make(chan error)
	go func() { done <- s.Handshake(ctx) }()
	if err := p.Handshake(ctx); err != nil {
		return err
	}
	if err := <-done; err != nil {
		return err
	}
	s.Receive(func(payloads [][]byte, _ error) {
		for _, b := range payloads {
			c.arrived.Arrive(len(b))
		}
	})
	send = c.sendFrom(remote.Addr(), local)
	c.servers, c.peers = append(c.servers, s), append(c.peers, p)
	return s.path.SetPath(local, remote)
}

// visit sends some records to each of the first n sessions in turn, for a time, and
// returns how many bytes arrived.
func (c *crowd) visit(t testing.TB, n, records int, d time.Duration) int64 {
	frames := make([][]byte, records)
	for i := range frames {
		frames[i] = make([]byte, roomBefore+recordSize+roomAfter)
	}
	begin := c.arrived.Load()
	for i, sent, start := 0, begin, time.Now(); time.Since(start) < d; i++ {
		sent = c.arrived.Await(sent, window)
		if _, err := c.peers[i%n].WriteInPlace(frames); err != nil {
			t.Fatal(err)
		}
		sent += int64(records) * recordSize
	}
	return c.arrived.Load() - begin
}

// memory returns the bytes in use on the heap and on stacks, and the goroutines.
func memoryInUse() (bytes int64, goroutines int) {
	runtime.GC()
	runtime.GC() // what pools keep goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}

// benchCrowd: ten thousand sessions on one port.
func benchCrowd(t *testing.T) {
	const few, many = 10, 10_000
	c := &crowd{arrived: tally.New(), mux: newMux(t, udpmux.Config{Shared: true})}
	var err error
	if c.socket, err = net.ListenUDP("udp4", nil); err != nil {
		t.Fatal(err)
	}
	defer c.socket.Close()
	cfg := dtlsConfig(t)
	join := func(n int) {
		for len(c.servers) < n {
			if err := c.join(cfg); err != nil {
				t.Fatal(err)
			}
		}
	}
	join(few)
	visit := func(n, records int) func() int64 {
		return func() int64 { return c.visit(t, n, records, time.Second/2) }
	}
	perRecord := func(costs []cost) float64 { return median(costs, cost.perGB) * recordSize / 1e3 }
	table(t, "Many sessions on one port: CPU time of a record, both ends", "us, one to each in turn", "us, 16 to each in turn", "us, one to each of ten, the others idle")
	costs := alternate(rounds, visit(few, 1), visit(few, 16))
	row(t, "10 sessions", fmt.Sprintf("%.2f", perRecord(costs[0])), fmt.Sprintf("%.2f", perRecord(costs[1])), fmt.Sprintf("%.2f", perRecord(costs[0])))
	before, goroutinesBefore := memoryInUse()
	join(many)
	costs = alternate(rounds, visit(many, 1), visit(many, 16), visit(few, 1))
	row(t, "10000 sessions", fmt.Sprintf("%.2f", perRecord(costs[0])), fmt.Sprintf("%.2f", perRecord(costs[1])), fmt.Sprintf("%.2f", perRecord(costs[2])))
	_, goroutines := memoryInUse()
	c.peers = nil // what is left is the server's
	after, _ := memoryInUse()
	table(t, "What an idle connection keeps, one end", "KiB on heap and stacks", "goroutines")
	row(t, "DTLS and sockets alone, 10000 on one port", fmt.Sprintf("%.1f", float64(after-before)/(many-few)/1024),
		fmt.Sprintf("%.1f", float64(goroutines-goroutinesBefore)/(many-few)))
	runtime.KeepAlive(c)
	own := func(int, *sluice.Config) {}
	memory, routines := idle(t, own)
	row(t, "the whole stack with a data channel", fmt.Sprintf("%.1f", memory/2), fmt.Sprintf("%.1f", routines/2))
	mux, err := sluice.NewUDPMux(sluice.UDPMuxConfig{Addresses: []netip.Addr{loopback}})
	if err != nil {
		t.Fatal(err)
	}
	defer mux.Close()
	shared, sharedRoutines := idle(t, func(end int, c *sluice.Config) {
		if end == 0 {
			c.UDPMux = mux
		}
	})
	row(t, "the same, all on one port (UDPMux)", fmt.Sprintf("%.1f", shared-memory/2), fmt.Sprintf("%.1f", sharedRoutines-routines/2))
	memory, routines = idle(t, func(_ int, c *sluice.Config) { c.PlainTransport = true })
	row(t, "the same with PlainTransport", fmt.Sprintf("%.1f", memory/2), fmt.Sprintf("%.1f", routines/2))
}

// idle returns what both ends of an idle connection keep together: KiB and goroutines.
func idle(t *testing.T, change func(end int, c *sluice.Config)) (memory, goroutines float64) {
	connectTransports(t, change) // what is made once
	const pairs = 200
	before, goroutinesBefore := memoryInUse()
	for range pairs {
		connectTransports(t, change)
	}
	for start := time.Now(); time.Since(start) < 5*time.Second; { // until what connecting needed is gone, ICE's agent too
		runtime.GC()
	}
	after, goroutinesAfter := memoryInUse()
	return float64(after-before) / pairs / 1024, float64(goroutinesAfter-goroutinesBefore) / pairs
}
