package udpsock

import (
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"
)

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	hdr syscall.Msghdr
	n   uint32 // bytes carried
}

// setLen sets a length whose type differs between architectures.
func setLen[T ~uint32 | ~uint64](p *T, n int) { *p = T(n) }

// control is the control messages that go with a message, in the order and alignment of
// the machine.
type control struct {
	_ [0]uintptr
	b [128]byte
}

// put appends a control message of size bytes (2 or 4) behind the first n bytes, and
// returns the length of all.
func (c *control) put(n int, level, kind int32, size int, value uint32) int {
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&c.b[n]))
	h.Level, h.Type = level, kind
	h.SetLen(syscall.CmsgLen(size))
	data := unsafe.Pointer(&c.b[n+syscall.CmsgLen(0)])
	if size == 2 {
		*(*uint16)(data) = uint16(value)
	} else {
		*(*uint32)(data) = value
	}
	return n + syscall.CmsgSpace(size)
}

// parse returns what the first n bytes say: the size of segments, 0 if there is no more
// than one, and the codepoint of ECN.
func (c *control) parse(n int) (segment int, ecn byte) {
	for at, end := 0, min(n, len(c.b)); at+syscall.SizeofCmsghdr <= end; {
		h := (*syscall.Cmsghdr)(unsafe.Pointer(&c.b[at]))
		size := int(h.Len) - syscall.CmsgLen(0)
		if size < 0 || size > end-at-syscall.CmsgLen(0) {
			break
		}
		data := unsafe.Pointer(&c.b[at+syscall.CmsgLen(0)])
		switch {
		case h.Level == syscall.IPPROTO_UDP && h.Type == optGRO && size >= 4:
			segment = int(*(*int32)(data))
		case h.Level == syscall.IPPROTO_IP && h.Type == optTOS && size >= 1:
			ecn = *(*byte)(data) & 3
		case h.Level == syscall.IPPROTO_IPV6 && h.Type == optTrafficClass && size >= 4:
			ecn = byte(*(*int32)(data)) & 3
		}
		at += syscall.CmsgSpace(size)
	}
	return segment, ecn
}

// sockaddr is a socket address of either family; that of IPv4 is smaller.
type sockaddr struct{ syscall.RawSockaddrInet6 }

// port is at the same place in both kinds.
func (a *sockaddr) port() *[2]byte { return (*[2]byte)(unsafe.Pointer(&a.Port)) }

// get reads the address. An IPv4 one in an IPv6 socket is IPv4.
func (a *sockaddr) get(z *zone) netip.AddrPort {
	p := a.port()
	port := uint16(p[0])<<8 | uint16(p[1])
	switch a.Family {
	case syscall.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*syscall.RawSockaddrInet4)(unsafe.Pointer(a)).Addr), port)
	case syscall.AF_INET6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.Scope_id != 0 && ip.Is6() {
			ip = ip.WithZone(z.nameOf(a.Scope_id))
		}
		return netip.AddrPortFrom(ip, port)
	}
	return netip.AddrPort{}
}

// put writes the address for a socket of a family, and returns its length: 0 if such a
// socket cannot send there.
func (a *sockaddr) put(family int, to netip.AddrPort, z *zone) uint32 {
	ip := to.Addr()
	if !ip.IsValid() {
		return 0
	}
	if ip = ip.Unmap(); family == syscall.AF_INET {
		if !ip.Is4() {
			return 0
		}
		sa := (*syscall.RawSockaddrInet4)(unsafe.Pointer(a))
		*sa = syscall.RawSockaddrInet4{Family: syscall.AF_INET, Addr: ip.As4()}
		family = syscall.SizeofSockaddrInet4
	} else {
		a.RawSockaddrInet6 = syscall.RawSockaddrInet6{Family: syscall.AF_INET6, Addr: ip.As16()}
		if name := ip.Zone(); name != "" {
			a.Scope_id = z.indexOf(name)
		}
		family = syscall.SizeofSockaddrInet6
	}
	p := a.port()
	p[0], p[1] = byte(to.Port()>>8), byte(to.Port())
	return uint32(family)
}

// zone is the interface of link-local addresses that was looked up last: there is
// mostly one.
type zone struct {
	index uint32
	name  string
}

func (z *zone) nameOf(index uint32) string {
	if z.index != index {
		z.index, z.name = index, strconv.Itoa(int(index))
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			z.name = i.Name
		}
	}
	return z.name
}

func (z *zone) indexOf(name string) uint32 {
	if z.name != name {
		z.index, z.name = 0, name
		if i, err := net.InterfaceByName(name); err == nil {
			z.index = uint32(i.Index)
		} else if n, err := strconv.ParseUint(name, 10, 31); err == nil {
			z.index = uint32(n)
		}
	}
	return z.index
}
