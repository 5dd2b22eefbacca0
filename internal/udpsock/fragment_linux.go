package udpsock

import "syscall"

// Of ip(7) and ipv6(7).
const (
	optMTUDiscover  = 10
	optMTUDiscover6 = 23
	discoverDont    = 0 // no DF bit
	discoverProbe   = 3 // DF bit, whatever the MTU known for the path
)

func setDontFragment(fd uintptr, on bool) (err4, err6 error) {
	mode := discoverDont
	if on {
		mode = discoverProbe
	}
	return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, optMTUDiscover, mode),
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, optMTUDiscover6, mode)
}
