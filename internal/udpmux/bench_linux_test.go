package udpmux

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// crowd is a socket that sends from many addresses: all of 127.0.0.0/8 are this host's. So
// the cost of many senders is not measured with that of many sessions.
type crowd struct {
	*net.UDPConn
	port uint16
}

func newCrowd(b *testing.B) crowd {
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return crowd{c, c.LocalAddr().(*net.UDPAddr).AddrPort().Port()}
}

func (c crowd) addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), c.port)
}

// as returns the control message for sending from the address of that number.
func (c crowd) as(i int) []byte {
	return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: c.addr(i).Addr().As4()})
}

// BenchmarkSessions: a packet for a session, and its answer, cost the same however many
// sessions share the port, each with a peer of its own: if all packets are for one of
// them ("one"), and but for what the caches of the processor forget, if it is the turn
// of another with each packet ("all").
func BenchmarkSessions(b *testing.B) {
	for _, count := range []int{10, 10000} {
		b.Run(strconv.Itoa(count)+"/one", func(b *testing.B) { benchmarkSessions(b, count, 0) })
		b.Run(strconv.Itoa(count)+"/all", func(b *testing.B) { benchmarkSessions(b, count, 7919) })
	}
}

func benchmarkSessions(b *testing.B, count, stride int) {
	peers := newCrowd(b)
	m := newTestMux(b, loopback[0])
	to := m.Addrs()[0]
	sink := newPeer(b).addr() // of the answers
	answered := make(chan struct{}, 1)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range count {
		s := m.NewSession(false)
		b.Cleanup(func() { s.Close() })
		a := s.NewAgent()
		a.Listen(loopback[:1], 0, 0)
		c, err := a.Conn(fmt.Sprintf("%016d", i), net.UDPAddrFromAddrPort(to))
		if err != nil {
			b.Fatal(err)
		}
		x := net.UDPAddrFromAddrPort(peers.addr(i))
		c.WriteTo(stunMessage(stunmsg.BindingRequest, 1, "x:y"), x)
		c.WriteTo(stunMessage(stunmsg.BindingSuccess, 1, ""), x)
		s.SetPath(to, sink)
		s.Receive(func(datagrams [][]byte) {
			s.Write(datagrams)
			answered <- struct{}{}
		})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	packet := append(record(""), make([]byte, 1234)...)
	controls := make([][]byte, count)
	for i := range controls {
		controls[i] = peers.as(i)
	}
	next := 0
	reportCPU(b, func() {
		if _, _, err := peers.WriteMsgUDPAddrPort(packet, controls[next%count], to); err != nil {
			b.Fatal(err)
		}
		next += stride
		<-answered
	})
	b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/float64(count), "B/session")
}

// cpuTime returns what the process has used, in all threads and in the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU runs step b.N times and reports the processor time of one.
func reportCPU(b *testing.B, step func()) {
	b.ReportAllocs()
	b.ResetTimer()
	begin := cpuTime()
	for range b.N {
		step()
	}
	b.ReportMetric(float64(cpuTime()-begin)/float64(b.N), "cpu-ns/datagram")
}
