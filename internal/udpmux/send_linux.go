package udpmux

import (
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxMessages bounds the messages of one sendmmsg.
	maxMessages = 16

	// minGSO is the segment size below which a device is taken for one that
	// cannot do it at all.
	minGSO = 512

	// gsoRetry is how long a refusal of the kernel counts: it may have been of one
	// destination among many, or for an MTU that an ICMP message made up.
	gsoRetry = 10 * time.Second
)

// writer sends with one sendmmsg what it can. A message of that is a run of
// datagrams of one size, but for a smaller last one, which the kernel cuts
// (UDP_SEGMENT), or where it cannot, one datagram.
type writer struct {
	s     *socket
	write func(fd uintptr) bool // w.sendmmsg, made once

	// maxGSO is the largest segment that the kernel cuts, 0 where it cuts none. It
	// falls for a while when the kernel refuses: a segment must fit the link's MTU, and
	// some devices refuse all of them.
	maxGSO  int
	refused time.Time // when the kernel did; zero if it did not since maxGSO was whole
	before  int       // what it was before the refusal of the message being tried in parts; or 0

	name     unix.RawSockaddrInet6
	nameLen  uint32
	iovs     [maxSegments]unix.Iovec
	used     int // iovs
	messages [maxMessages]mmsghdr
	sizes    [maxMessages]int // datagrams of each message
	controls [maxMessages]segmentControl
	prepared int // messages

	n   int
	err syscall.Errno
}

// segmentControl is a control message UDP_SEGMENT, with its padding.
type segmentControl struct {
	hdr  unix.Cmsghdr
	size uint16
	_    [6]byte
}

func (w *writer) init(s *socket) {
	w.s = s
	w.write = w.sendmmsg
	for i := range w.messages {
		w.messages[i].hdr.Name = (*byte)(unsafe.Pointer(&w.name))
		w.controls[i].hdr.Level = unix.IPPROTO_UDP
		w.controls[i].hdr.Type = unix.UDP_SEGMENT
		w.controls[i].hdr.SetLen(unix.CmsgLen(2))
	}
	s.raw.Control(func(fd uintptr) {
		if _, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT); err == nil {
			w.maxGSO = maxBytes
		}
	})
}

// send is described at socket.send.
func (w *writer) send(packets [][]byte, to netip.AddrPort) (sent int, err error) {
	if !w.address(to) {
		return 0, &os.SyscallError{Syscall: "sendmmsg", Err: syscall.EAFNOSUPPORT}
	}
	defer w.forget()
	if !w.refused.IsZero() && time.Since(w.refused) >= gsoRetry {
		w.maxGSO, w.refused = maxBytes, time.Time{}
	}
	for len(packets) > 0 {
		w.prepare(packets)
		for first := 0; first < w.prepared; {
			w.n = first
			if e := w.s.raw.Write(w.write); e != nil {
				return sent, e
			}
			for ; first < w.n; first++ {
				sent += w.sizes[first]
				packets = packets[w.sizes[first]:]
				w.before = 0
			}
			if first == w.prepared {
				break
			}
			if w.sizes[first] > 1 && w.refusesGSO(len(packets[0])) {
				break // what is left is prepared anew
			}
			err = os.NewSyscallError("sendmmsg", w.err)
			packets = packets[w.sizes[first]:]
			first++
			if w.before > 0 { // it was not for the cutting
				w.maxGSO, w.before = w.before, 0
			}
		}
	}
	return sent, err
}

// refusesGSO tells whether it may be for the cutting that the kernel refused a
// message, and if so sees to it that it is not asked for as much again, unless it
// refuses the parts, too.
func (w *writer) refusesGSO(size int) bool {
	was := w.maxGSO
	switch {
	case w.err == syscall.EIO: // the device cannot compute checksums
		w.maxGSO = 0
	case w.err == syscall.EINVAL, w.err == syscall.EMSGSIZE: // a segment is larger than the MTU
		if w.maxGSO = min(w.maxGSO, size-1); w.maxGSO < minGSO {
			w.maxGSO = 0
		}
	default:
		return false
	}
	w.before, w.refused = was, time.Now()
	return true
}

// prepare makes messages of the first packets.
func (w *writer) prepare(packets [][]byte) {
	w.prepared, w.used = 0, 0
	for len(packets) > 0 && w.prepared < maxMessages && w.used < len(w.iovs) {
		n := min(w.run(packets), len(w.iovs)-w.used)
		iovs := w.iovs[w.used:w.used]
		for _, p := range packets[:n] {
			iovs = appendIovec(iovs, p)
		}
		w.used += len(iovs)
		m := &w.messages[w.prepared]
		m.hdr.Namelen = w.nameLen
		m.hdr.Iov = nil
		if len(iovs) > 0 {
			m.hdr.Iov = &iovs[0]
		}
		m.hdr.SetIovlen(len(iovs))
		m.hdr.Control = nil
		m.hdr.SetControllen(0)
		if n > 1 {
			c := &w.controls[w.prepared]
			c.size = uint16(len(packets[0]))
			m.hdr.Control = (*byte)(unsafe.Pointer(c))
			m.hdr.SetControllen(unix.CmsgSpace(2))
		}
		w.sizes[w.prepared] = n
		w.prepared++
		packets = packets[n:]
	}
}

// run returns how many of the first packets one message may carry.
func (w *writer) run(packets [][]byte) int {
	size := len(packets[0])
	if size == 0 || size > w.maxGSO {
		return 1
	}
	n := 1
	for total := size; n < min(len(packets), maxSegments); n++ {
		next := len(packets[n])
		if next == 0 || next > size || total+next > maxBytes {
			break
		}
		if total += next; next < size {
			return n + 1
		}
	}
	return n
}

// appendIovec adds a packet, to the last element if it follows it in memory.
func appendIovec(iovs []unix.Iovec, p []byte) []unix.Iovec {
	if len(p) == 0 {
		return iovs
	}
	base := unsafe.SliceData(p)
	if k := len(iovs) - 1; k >= 0 {
		last := &iovs[k]
		if uintptr(unsafe.Pointer(last.Base))+uintptr(last.Len) == uintptr(unsafe.Pointer(base)) {
			last.SetLen(int(last.Len) + len(p))
			return iovs
		}
	}
	iovs = append(iovs, unix.Iovec{Base: base})
	iovs[len(iovs)-1].SetLen(len(p))
	return iovs
}

// sendmmsg sends the messages from number w.n on, counts them there, and tells
// whether that ended: with all, or with one that was refused, for the reason w.err.
func (w *writer) sendmmsg(fd uintptr) bool {
	for w.n < w.prepared {
		n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.messages[w.n])), uintptr(w.prepared-w.n), 0, 0, 0)
		switch errno {
		case 0:
			w.n += int(n)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			w.err = errno
			return true
		}
	}
	return true
}

// forget lets go of the packets.
func (w *writer) forget() { clear(w.iovs[:w.used]) }

// address writes the socket address to send to; false if it is of a family that the
// socket does not have.
func (w *writer) address(to netip.AddrPort) bool {
	port := to.Port()
	p := (*[2]byte)(unsafe.Pointer(&w.name.Port)) // at the same place in both kinds
	p[0], p[1] = byte(port>>8), byte(port)
	a := to.Addr().Unmap()
	switch local := w.s.local.Addr(); {
	case local.Is4() && a.Is4():
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&w.name))
		sa.Family, sa.Addr = unix.AF_INET, a.As4()
		w.nameLen = unix.SizeofSockaddrInet4
	case local.Is6() && a.Is6():
		w.name.Family, w.name.Addr = unix.AF_INET6, a.As16()
		w.nameLen = unix.SizeofSockaddrInet6
	default:
		return false
	}
	return true
}
