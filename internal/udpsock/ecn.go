package udpsock

import (
	"net/netip"
	"syscall"
)

// ReceiveECN makes ReadMsgUDPAddrPort return the codepoint of Explicit Congestion
// Notification of each datagram, for ECN to find.
func ReceiveECN(c syscall.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = receiveECN(fd) }); e != nil {
		return e
	}
	return err
}

// ECN returns the codepoint in the control messages that came with a datagram, 0 if
// there is none.
func ECN(oob []byte) byte { return parseECN(oob) }

// AppendECN appends the control message for WriteMsgUDPAddrPort that sends a datagram
// with the codepoint. It must have been possible to call ReceiveECN.
func AppendECN(oob []byte, to netip.Addr, codepoint byte) []byte {
	return appendECN(oob, to.Is4() || to.Is4In6(), codepoint)
}

// ECNRoom is the length of a buffer for the control messages of one datagram.
const ECNRoom = 128
