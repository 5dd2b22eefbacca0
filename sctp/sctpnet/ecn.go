package sctpnet

import (
	"net/netip"
	"syscall"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// ecnSocket is a UDP socket that carries codepoints of Explicit Congestion
// Notification; *net.UDPConn is one where the system has a way to.
type ecnSocket interface {
	syscall.Conn
	ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, from netip.AddrPort, err error)
	WriteMsgUDPAddrPort(b, oob []byte, to netip.AddrPort) (n, oobn int, err error)
}

// newECNSocket returns the socket as one that carries codepoints, nil if the
// configuration does not want it.
func newECNSocket(pc packetConn, cfg *sctp.Config) (ecnSocket, error) {
	if !cfg.ECN {
		return nil, nil
	}
	if s, ok := pc.(ecnSocket); ok && udpsock.ReceiveECN(s) == nil {
		return s, nil
	}
	return nil, &sctp.ConfigError{Field: "ECN", Rule: "is not possible on sockets of this system"}
}

// readFrom reads a datagram with its codepoint; oob is scratch.
func (s *socket) readFrom(b, oob []byte) (n int, from netip.AddrPort, mark sctp.ECN, err error) {
	if s.ecn == nil {
		n, from, err = s.pc.ReadFromUDPAddrPort(b)
		return n, from, sctp.NotECT, err
	}
	n, k, _, from, err := s.ecn.ReadMsgUDPAddrPort(b, oob)
	if err != nil {
		return 0, from, sctp.NotECT, err
	}
	return n, from, sctp.ECN(udpsock.ECN(oob[:k])), nil
}

// writeTo writes a datagram with a codepoint; oob is scratch.
func (s *socket) writeTo(b []byte, to netip.AddrPort, mark sctp.ECN, oob []byte) error {
	if mark == sctp.NotECT || s.ecn == nil {
		_, err := s.pc.WriteToUDPAddrPort(b, to)
		return err
	}
	_, _, err := s.ecn.WriteMsgUDPAddrPort(b, udpsock.AppendECN(oob[:0], to.Addr(), byte(mark)), to)
	return err
}
