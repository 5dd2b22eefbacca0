package udpmux

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
)

// A socket is one UDP socket bound to a local address.
//
// One goroutine reads. Any may write; they take turns.
type socket struct {
	sock  *udpsock.Socket
	local netip.AddrPort

	sendMu sync.Mutex
	whole  bool  // datagrams are sent with the DF bit
	dscp   uint8 // codepoint with which they are
	frozen bool  // there is no saying whether they are
}

// socketBuffers are the sizes asked of the system, in bytes; what it gives is its
// own matter.
type socketBuffers struct{ receive, send int }

// openSocket binds a socket to an address, whose port may be 0.
func openSocket(at netip.AddrPort, buffers socketBuffers) (*socket, error) {
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	s := &socket{sock: udpsock.New(conn), local: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	s.local = netip.AddrPortFrom(s.local.Addr().Unmap().WithZone(""), s.local.Port())
	s.sock.SetBuffers(buffers.receive, buffers.send)
	s.frozen = s.sock.SetDontFragment(false) != nil
	return s, nil
}

// openOther is openSocket by a function of Config.
func openOther(at netip.AddrPort, open func(netip.AddrPort) (PacketConn, error)) (*socket, error) {
	conn, err := open(at)
	if err != nil {
		return nil, err
	}
	return &socket{sock: udpsock.New(conn), local: addrPort(conn.LocalAddr()), frozen: true}, nil
}

func (s *socket) close() error { return s.sock.Close() }

// receive waits for datagrams. They are valid until the next call.
func (s *socket) receive() ([]udpsock.Run, error) { return s.sock.Receive() }

// wakeAfter makes receive return an error that matches os.ErrDeadlineExceeded after a while, if
// it waits then or is called later; 0 takes that back.
func (s *socket) wakeAfter(d time.Duration) {
	at := time.Time{}
	if d > 0 {
		at = time.Now().Add(d)
	}
	_ = s.sock.SetReadDeadline(at) // fails where there is none, or nothing to wait for
}

// fragmentation says what to do about the DF bit of a datagram.
type fragmentation uint8

const (
	fragmentAny   fragmentation = iota // as the last ones
	fragmentAllow                      // hosts and routers may cut it
	fragmentNever
)

// treatment is how the network is to treat a datagram.
type treatment struct {
	fragmentation
	dscp uint8 // codepoint; heeded unless fragmentation is fragmentAny
}

// asBefore is the treatment of what comes now and then: as the last ones.
var asBefore = treatment{}

// treat makes the socket send as said. sendMu is held. The error says that it is closed.
func (s *socket) treat(how treatment) error {
	if how.fragmentation == fragmentAny {
		return nil
	}
	if whole := how.fragmentation == fragmentNever; whole != s.whole && !s.frozen {
		if err := s.sock.SetDontFragment(whole); err != nil && errors.Is(err, net.ErrClosed) {
			return err
		}
		s.whole = whole
	}
	if how.dscp != s.dscp {
		if err := s.sock.SetDSCP(how.dscp); err != nil && errors.Is(err, net.ErrClosed) {
			return err
		}
		s.dscp = how.dscp // or it cannot be done, and need not be tried again
	}
	return nil
}

// send sends packets to one address, in order, and returns how many the system
// took. Those it did not take are lost, for the last reason returned; an error
// that matches net.ErrClosed means that nothing will be sent any more.
//
// Packets that follow each other in memory and have one size, but for a smaller
// last one, are the cheapest.
func (s *socket) send(packets [][]byte, to netip.AddrPort, how treatment) (sent int, err error) {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	if err := s.treat(how); err != nil {
		return 0, err
	}
	b := batches.Get().(*batch)
	defer batches.Put(b)
	for len(packets) > 0 {
		n := min(len(packets), len(b))
		for i, p := range packets[:n] {
			b[i] = udpsock.Datagram{Data: p, To: to}
		}
		k, e := s.sock.Send(b[:n])
		clear(b[:n])
		sent, packets = sent+k, packets[n:]
		if e != nil {
			if err = e; errors.Is(e, net.ErrClosed) {
				break
			}
		}
	}
	return sent, err
}

// A batch is the datagrams that go to a socket at a time.
type batch [udpsock.MaxSegments]udpsock.Datagram

var batches = sync.Pool{New: func() any { return new(batch) }}
