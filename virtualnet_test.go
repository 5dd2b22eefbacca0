package sluice

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// virtualNet is a link between two hosts, in the virtual time of a bubble.
type virtualNet struct {
	mu    sync.Mutex
	net   *netsim.Network
	link  netsim.Link
	hosts [2]*virtualHost
	wake  chan struct{} // capacity 1: something was sent
	done  chan struct{}
}

// virtualHost is a host with one address and one port.
type virtualHost struct {
	net    *virtualNet
	out    netsim.Dir
	at     netip.AddrPort
	in     chan []byte
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	dscps []uint8 // codepoints of what is sent, one after the other; 0 at first
}

// newVirtualNet makes a network with the same conditions both ways.
func newVirtualNet(t *testing.T, seed uint64, c netsim.Conditions) *virtualNet {
	n := &virtualNet{net: netsim.New(seed, time.Now()), wake: make(chan struct{}, 1), done: make(chan struct{})}
	n.link = n.net.AddLink(c, c)
	for i, addr := range []string{"192.0.2.1:4001", "192.0.2.2:4002"} {
		n.hosts[i] = &virtualHost{net: n, out: netsim.Dir(i), at: netip.MustParseAddrPort(addr),
			in: make(chan []byte, 1024), closed: make(chan struct{})}
	}
	go n.run()
	t.Cleanup(func() { close(n.done) })
	return n
}

// run delivers what arrives.
func (n *virtualNet) run() {
	for {
		n.mu.Lock()
		now := time.Now()
		for d, ok := n.net.Deliver(now); ok; d, ok = n.net.Deliver(now) {
			select {
			case n.hosts[d.Dir.Reverse()].in <- append([]byte(nil), d.Packet...):
			default: // a host that does not read
			}
		}
		next, ok := n.net.Next()
		n.mu.Unlock()
		wait := time.Hour
		if ok {
			wait = next.Sub(now)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-n.wake:
		case <-n.done:
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// open is udpmux.Config.Open on the host.
func (h *virtualHost) open(netip.AddrPort) (udpmux.PacketConn, error) { return h, nil }

func (h *virtualHost) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-h.in:
		return copy(b, p), h.net.hosts[h.out.Reverse()].at, nil
	case <-h.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (h *virtualHost) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	h.net.mu.Lock()
	h.net.net.Send(time.Now(), h.net.link, h.out, b)
	h.net.mu.Unlock()
	select {
	case h.net.wake <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (h *virtualHost) SetDSCP(codepoint uint8) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dscps = append(h.dscps, codepoint)
	return nil
}

func (h *virtualHost) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(h.at) }

func (h *virtualHost) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// mux is the socket of the host, for Config.UDPMux.
func (h *virtualHost) mux(t *testing.T) *UDPMux {
	m := udpmux.New(udpmux.Config{Shared: true, Open: h.open})
	must(t, m.Listen([]netip.Addr{h.at.Addr()}, h.at.Port()))
	t.Cleanup(func() { m.Close() })
	return &UDPMux{m}
}
