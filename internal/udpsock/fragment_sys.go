//go:build linux || darwin || freebsd || windows

package udpsock

import (
	"net/netip"
	"syscall"
)

func setDontFragment(fd uintptr, on bool) error {
	mode := mayFragment
	if on {
		mode = dontFragment
	}
	s := descriptor(fd)
	local, err := syscall.Getsockname(s)
	if err != nil {
		return err
	}
	only6, _ := syscall.GetsockoptInt(s, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY) // an error on sockets of IPv4
	return needed(address(local), only6 != 0,
		syscall.SetsockoptInt(s, syscall.IPPROTO_IP, optDontFragment, mode),
		syscall.SetsockoptInt(s, syscall.IPPROTO_IPV6, optDontFragment6, mode))
}

// address returns the IP address in a.
func address(a syscall.Sockaddr) netip.Addr {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrFrom4(a.Addr)
	case *syscall.SockaddrInet6:
		return netip.AddrFrom16(a.Addr)
	}
	return netip.Addr{}
}
