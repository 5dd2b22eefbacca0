package udpsock

import "syscall"

// Of ws2ipdef.h: IP_DONTFRAGMENT and IPV6_DONTFRAG.
const (
	optDontFragment  = 14
	optDontFragment6 = 14
)

func setDontFragment(fd uintptr, on bool) (err4, err6 error) {
	v := 0
	if on {
		v = 1
	}
	return syscall.SetsockoptInt(syscall.Handle(fd), syscall.IPPROTO_IP, optDontFragment, v),
		syscall.SetsockoptInt(syscall.Handle(fd), syscall.IPPROTO_IPV6, optDontFragment6, v)
}
