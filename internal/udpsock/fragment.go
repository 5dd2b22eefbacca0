package udpsock

import (
	"errors"
	"syscall"
)

// SetDontFragment says whether datagrams that the socket sends from now on must
// stay whole: they have the DF bit, are not fragmented by this host either, and the
// MTU that it has learnt from ICMP is not heeded. One that is too long for the first
// link is refused with EMSGSIZE. Otherwise this host and routers may fragment them.
func SetDontFragment(c syscall.Conn, on bool) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	// Sockets of IPv6 may send to IPv4 addresses, too, and have both options;
	// those of IPv4 have one.
	var err4, err6 error
	if err := raw.Control(func(fd uintptr) { err4, err6 = setDontFragment(fd, on) }); err != nil {
		return err
	}
	if err4 != nil && err6 != nil {
		return errors.Join(err4, err6)
	}
	return nil
}
