package udpmux

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/sluice-rtc/sluice/internal/udpsock"
)

const (
	// maxSegments is how many datagrams one call of the system carries in each
	// direction, and maxBytes how many bytes: what fits into the 65535 of an IP
	// packet, which one large datagram of the kernel is until it is cut.
	maxSegments = 64
	maxBytes    = 65000

	// readSize is the room for what one read returns. On systems that do not
	// coalesce it is one datagram.
	readSize = 1 << 16
)

// A socket is one UDP socket bound to a local address. It reads and writes in
// batches where the system can.
//
// One goroutine reads. Any may write; they take turns.
type socket struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	local netip.AddrPort

	in reader

	other PacketConn // in place of conn, raw, in and out; or nil
	buf   []byte     // to read from other

	sendMu sync.Mutex
	out    writer
	whole  bool // datagrams are sent with the DF bit
	frozen bool // there is no saying whether they are
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
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	s := &socket{conn: conn, raw: raw, local: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	s.local = netip.AddrPortFrom(s.local.Addr().Unmap().WithZone(""), s.local.Port())
	setBuffers(s, buffers)
	s.frozen = udpsock.SetDontFragment(conn, false) != nil
	s.in.init(s)
	s.out.init(s)
	return s, nil
}

// openOther is openSocket by a function of Config.
func openOther(at netip.AddrPort, open func(netip.AddrPort) (PacketConn, error)) (*socket, error) {
	conn, err := open(at)
	if err != nil {
		return nil, err
	}
	return &socket{other: conn, local: addrPort(conn.LocalAddr()), frozen: true, buf: make([]byte, readSize)}, nil
}

func (s *socket) close() error {
	if s.other != nil {
		return s.other.Close()
	}
	return s.conn.Close()
}

// receive waits for datagrams of one sender: each is size bytes of b, the last may
// be shorter. They are valid until the next call.
func (s *socket) receive() (b []byte, size int, from netip.AddrPort, err error) {
	if s.other == nil {
		return s.in.receive()
	}
	n, from, err := s.other.ReadFromUDPAddrPort(s.buf)
	return s.buf[:n], n, from, err
}

// fragmentation says what to do about the DF bit of a datagram.
type fragmentation uint8

const (
	fragmentAny   fragmentation = iota // as the last ones
	fragmentAllow                      // hosts and routers may cut it
	fragmentNever
)

// send sends packets to one address, in order, and returns how many the system
// took. Those it did not take are lost, for the last reason returned; an error
// that matches net.ErrClosed means that nothing will be sent any more.
//
// Packets that follow each other in memory and have one size, but for a smaller
// last one, are the cheapest.
func (s *socket) send(packets [][]byte, to netip.AddrPort, f fragmentation) (int, error) {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	if s.other != nil {
		return s.sendOther(packets, to)
	}
	if whole := f == fragmentNever; f != fragmentAny && whole != s.whole && !s.frozen {
		if err := udpsock.SetDontFragment(s.conn, whole); err != nil && errors.Is(err, net.ErrClosed) {
			return 0, err
		}
		s.whole = whole
	}
	return s.out.send(packets, to)
}

// sendOther is send over a PacketConn.
func (s *socket) sendOther(packets [][]byte, to netip.AddrPort) (sent int, err error) {
	for _, p := range packets {
		if _, e := s.other.WriteToUDPAddrPort(p, to); e != nil {
			err = e
		} else {
			sent++
		}
	}
	return sent, err
}
