//go:build linux || darwin || freebsd

package udpsock

import "syscall"

// setDSCP sets the octet that codepoints of DSCP and ECN share.
func setDSCP(fd uintptr, octet int) error {
	s := int(fd)
	local, err := syscall.Getsockname(s)
	if err != nil {
		return err
	}
	only6, _ := syscall.GetsockoptInt(s, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY) // an error on sockets of IPv4
	return needed(address(local), only6 != 0,
		syscall.SetsockoptInt(s, syscall.IPPROTO_IP, syscall.IP_TOS, octet),
		syscall.SetsockoptInt(s, syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, octet))
}
