package udpsock

import (
	"errors"
	"syscall"
)

// SetDSCP sets the codepoint of Differentiated Services (RFC 2474), 0 to 63, of datagrams that
// the socket sends from now on, but for those sent with a codepoint of ECN. It is an error if it
// cannot be set for all datagrams that the socket may send.
func (s *Socket) SetDSCP(codepoint uint8) error {
	switch c := s.PacketConn.(type) {
	case interface{ SetDSCP(uint8) error }:
		return c.SetDSCP(codepoint)
	case syscall.Conn:
		return SetDSCP(c, codepoint)
	}
	return errors.ErrUnsupported
}

// SetDSCP is that of any UDP or TCP socket.
func SetDSCP(c syscall.Conn, codepoint uint8) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = setDSCP(fd, int(codepoint)<<2) }); e != nil {
		return e
	}
	return err
}
