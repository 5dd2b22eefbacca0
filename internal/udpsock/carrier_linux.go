package udpsock

import (
	"errors"
	"net"
	"syscall"
)

// Of ip(7), ipv6(7) and udp(7).
const (
	optTOS            = 1
	optReceiveTOS     = 13
	optTrafficClass   = 67
	optReceiveTraffic = 66
	optSegment        = 103 // UDP_SEGMENT
	optGRO            = 104 // UDP_GRO
)

// batching carries many datagrams with each call.
type batching struct {
	raw   syscall.RawConn
	in    reader
	out   writer
	watch watched
}

func newCarrier(conn PacketConn) carrier {
	if c, ok := conn.(*net.UDPConn); ok {
		if b := newBatching(c); b != nil {
			b.in.coalesce = true
			_ = b.raw.Control(func(fd uintptr) { // a socket that was somebody else's before may be asked to already
				on, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_UDP, optGRO)
				b.in.bare = err != nil || on == 0
			})
			return b
		}
	}
	return &plain{conn: conn}
}

func connectedCarrier(conn *net.UDPConn) carrier {
	if b := newBatching(conn); b != nil && conn.RemoteAddr() != nil {
		b.out.connected = true
		return b
	}
	return nil
}

// newBatching returns nil if the socket does not say what it is.
func newBatching(conn *net.UDPConn) *batching {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	b := &batching{raw: raw}
	ok := false
	err = raw.Control(func(fd uintptr) {
		local, err := syscall.Getsockname(int(fd))
		if err != nil {
			return
		}
		switch local.(type) {
		case *syscall.SockaddrInet4:
			b.out.family, ok = syscall.AF_INET, true
		case *syscall.SockaddrInet6:
			b.out.family, ok = syscall.AF_INET6, true
		}
		if _, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_UDP, optSegment); err == nil {
			b.out.maxGSO = maxBytes
		}
	})
	if err != nil || !ok {
		return nil
	}
	b.in.init(raw)
	b.out.init(raw)
	return b
}

func (b *batching) receive() ([]Run, error)        { return b.in.receive() }
func (b *batching) receiveSoon() ([]Run, error)    { return b.in.receiveSoon() }
func (b *batching) release()                       { b.in.release() }
func (b *batching) send(d []Datagram) (int, error) { return b.out.send(d) }

func (b *batching) receiveECN() (err error) {
	b.in.bare = false
	if e := b.raw.Control(func(fd uintptr) {
		err4 := syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, optReceiveTOS, 1)
		err6 := syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, optReceiveTraffic, 1)
		if err4 != nil && err6 != nil {
			err = err4
		}
	}); e != nil {
		return e
	}
	return err
}

func (b *batching) setBuffers(receive, send int) {
	_ = b.raw.Control(func(fd uintptr) {
		// With the capability the system's limit does not count.
		for _, o := range []struct{ force, plain, size int }{
			{syscall.SO_RCVBUFFORCE, syscall.SO_RCVBUF, receive},
			{syscall.SO_SNDBUFFORCE, syscall.SO_SNDBUF, send},
		} {
			if errors.Is(syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, o.force, o.size), syscall.EPERM) {
				_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, o.plain, o.size)
			}
		}
	})
}
