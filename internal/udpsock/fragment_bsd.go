//go:build darwin || freebsd

package udpsock

import "syscall"

func setDontFragment(fd uintptr, on bool) (err4, err6 error) {
	v := 0
	if on {
		v = 1
	}
	return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, optDontFragment, v),
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, optDontFragment6, v)
}
