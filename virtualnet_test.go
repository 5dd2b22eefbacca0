package sluice

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// virtualNet is hosts with a link between each two of them, in the virtual time of a bubble.
type virtualNet struct {
	mu    sync.Mutex
	net   *netsim.Network
	link  netsim.Link // of the first two hosts
	hosts []*virtualHost
	ends  map[netsim.Link][2]*virtualHost
	wake  chan struct{} // capacity 1: something was sent
	done  chan struct{}
}

// virtualHost is a host with one address and one port.
type virtualHost struct {
	net    *virtualNet
	at     netip.AddrPort
	public netip.Addr // of a 1:1 NAT in front of the host; the zero Addr without one
	in     chan virtualDatagram
	closed chan struct{}
	once   sync.Once

	drop func(datagram []byte) bool // of what is sent; nil drops nothing

	mu    sync.Mutex
	dscps []uint8 // codepoints of what is sent, one after the other; 0 at first
}

type virtualDatagram struct {
	b    []byte
	from netip.AddrPort
}

// newVirtualNet makes a network of two hosts with the same conditions both ways.
func newVirtualNet(t *testing.T, seed uint64, c netsim.Conditions) *virtualNet {
	n := &virtualNet{net: netsim.New(seed, time.Now()), ends: make(map[netsim.Link][2]*virtualHost),
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	n.addHost(c)
	n.addHost(c)
	go n.run()
	t.Cleanup(func() { close(n.done) })
	return n
}

// addHost makes another host, with links to the others.
func (n *virtualNet) addHost(c netsim.Conditions) *virtualHost {
	number := len(n.hosts) + 1
	h := &virtualHost{net: n, in: make(chan virtualDatagram, 1024), closed: make(chan struct{}),
		at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(number)}), uint16(4000+number))}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, other := range n.hosts {
		n.ends[n.net.AddLink(c, c)] = [2]*virtualHost{other, h}
	}
	n.hosts = append(n.hosts, h)
	return h
}

// run delivers what arrives.
func (n *virtualNet) run() {
	for {
		n.mu.Lock()
		now := time.Now()
		for d, ok := n.net.Deliver(now); ok; d, ok = n.net.Deliver(now) {
			select {
			case n.ends[d.Link][d.Dir.Reverse()].in <- virtualDatagram{bytes.Clone(d.Packet), n.ends[d.Link][d.Dir].seen()}:
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

// seen is the address that others see the host at, and reach it: behind a NAT not its own.
func (h *virtualHost) seen() netip.AddrPort {
	if h.public.IsValid() {
		return netip.AddrPortFrom(h.public, h.at.Port())
	}
	return h.at
}

// open is udpmux.Config.Open on the host.
func (h *virtualHost) open(netip.AddrPort) (udpmux.PacketConn, error) { return h, nil }

func (h *virtualHost) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-h.in:
		return copy(b, p.b), p.from, nil
	case <-h.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// WriteToUDPAddrPort sends. What is for nobody is lost.
func (h *virtualHost) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if h.drop != nil && h.drop(b) {
		return len(b), nil
	}
	h.net.mu.Lock()
	for link, ends := range h.net.ends {
		for dir, end := range ends {
			if end == h && ends[1-dir].seen() == to {
				h.net.net.Send(time.Now(), link, netsim.Dir(dir), b)
			}
		}
	}
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
