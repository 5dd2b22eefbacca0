package udpsock

import (
	"errors"
	"net/netip"
	"syscall"
)

// SetDontFragment says whether datagrams that the socket sends from now on must
// stay whole: they have the DF bit, are not fragmented by this host either, and the
// MTU that it has learnt from ICMP is not heeded. One that is too long for the first
// link is refused with EMSGSIZE. Otherwise this host and routers may fragment them.
//
// It is an error if that cannot be said of all datagrams that the socket may send: one of
// IPv6 that sends to IPv4 addresses, too, must have the options of both.
func SetDontFragment(c syscall.Conn, on bool) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = setDontFragment(fd, on) }); e != nil {
		return e
	}
	return err
}

// families says which versions of IP a socket sends with, by its local address and
// whether it is for IPv6 only. A connected socket, or one of a certain address, has a
// local address of the one version it is for.
func families(local netip.Addr, only6 bool) (ipv4, ipv6 bool) {
	switch {
	case local.Is4(), local.Is4In6():
		return true, false
	case local.IsUnspecified() && !only6:
		return true, true
	}
	return false, true
}

// needed returns the error of setting the options for those versions of IP that the
// socket sends with.
func needed(local netip.Addr, only6 bool, err4, err6 error) error {
	ipv4, ipv6 := families(local, only6)
	if !ipv4 {
		err4 = nil
	}
	if !ipv6 {
		err6 = nil
	}
	return errors.Join(err4, err6)
}
