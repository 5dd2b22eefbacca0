package udpmux

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Without coalescing one read of the system returns several datagrams, each into
	// a slot of the buffer.
	maxSlots = 7
	slotSize = readSize / maxSlots
)

// reader reads what the kernel has coalesced (UDP_GRO): datagrams of one sender and
// one size, but for a smaller last one. Where it does not, several datagrams at once
// (recvmmsg). An idle one holds no buffer.
type reader struct {
	s     *socket
	read  func(fd uintptr) bool // r.recvmmsg, made once
	buf   *readBuffer
	slots int

	messages [maxSlots]mmsghdr
	iovs     [maxSlots]unix.Iovec
	names    [maxSlots]unix.RawSockaddrInet6 // those of IPv4 are smaller
	control  [64]byte                        // of the first

	n, next int // messages read; the next to return
	err     error
}

type readBuffer [readSize]byte

var readBuffers = sync.Pool{New: func() any { return new(readBuffer) }}

func (r *reader) init(s *socket) {
	r.s = s
	r.read = r.recvmmsg
	s.raw.Control(func(fd uintptr) {
		r.slots = 1
		if unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) != nil {
			r.slots = maxSlots // Linux before 5.0
		}
	})
	for i := range r.messages {
		h := &r.messages[i].hdr
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
	}
	r.messages[0].hdr.Control = &r.control[0]
}

// receive waits for datagrams of one sender: each is size bytes of b, the last may
// be shorter. They are valid until the next call. One that is too long for the buffer
// is lost.
func (r *reader) receive() (b []byte, size int, from netip.AddrPort, err error) {
	for {
		if r.next == r.n {
			r.n, r.next = 0, 0
			if err := r.s.raw.Read(r.read); err != nil {
				r.release()
				return nil, 0, from, err
			}
			if r.err != nil {
				return nil, 0, from, r.err
			}
		}
		i := r.next
		r.next++
		m := &r.messages[i]
		if m.hdr.Flags&unix.MSG_TRUNC != 0 {
			continue
		}
		b = r.buf[i*slotSize:][:m.n]
		size = len(b)
		if i == 0 {
			if n := segmentSize(r.control[:min(int(m.hdr.Controllen), len(r.control))]); n > 0 {
				size = min(n, size)
			}
		}
		return b, size, addressOf(&r.names[i]), nil
	}
}

func (r *reader) release() {
	if r.buf != nil {
		readBuffers.Put(r.buf)
		r.buf = nil
	}
}

// recvmmsg makes one attempt and tells whether it ended: with data or an error, but
// not for want of data.
func (r *reader) recvmmsg(fd uintptr) bool {
	if r.buf == nil {
		r.buf = readBuffers.Get().(*readBuffer)
	}
	for {
		for i := range r.messages[:r.slots] {
			h := &r.messages[i].hdr
			r.iovs[i].Base = &r.buf[i*slotSize]
			r.iovs[i].SetLen(readSize - (r.slots-1)*slotSize)
			h.Namelen = unix.SizeofSockaddrInet6
			h.Flags = 0
		}
		r.messages[0].hdr.SetControllen(len(r.control))
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.messages)), uintptr(r.slots), 0, 0, 0)
		switch errno {
		case 0:
			r.n, r.err = int(n), nil
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			r.release()
			return false
		default:
			r.err = os.NewSyscallError("recvmmsg", errno)
			return true
		}
	}
}

// segmentSize returns what UDP_GRO says, 0 if it says nothing.
func segmentSize(control []byte) int {
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		n := int(h.Len)
		if n < unix.SizeofCmsghdr || n > len(control) {
			return 0
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && n >= unix.CmsgLen(4) {
			return int(*(*int32)(unsafe.Pointer(&control[unix.CmsgLen(0)])))
		}
		control = control[min(unix.CmsgSpace(n-unix.CmsgLen(0)), len(control)):]
	}
	return 0
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// addressOf reads a socket address. An IPv4 one in an IPv6 socket is IPv4.
func addressOf(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := func(p uint16) uint16 {
		b := (*[2]byte)(unsafe.Pointer(&p))
		return uint16(b[0])<<8 | uint16(b[1])
	}
	switch sa.Family {
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), port(sa4.Port))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port(sa.Port))
	}
	return netip.AddrPort{}
}

func setBuffers(s *socket, b socketBuffers) {
	s.raw.Control(func(fd uintptr) {
		// With the capability the system's limit does not count.
		for _, o := range []struct{ force, plain, size int }{
			{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, b.receive},
			{unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, b.send},
		} {
			if errors.Is(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, o.force, o.size), unix.EPERM) {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, o.plain, o.size)
			}
		}
	})
}
