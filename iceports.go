//go:build !js

package sluice

import (
	"errors"
	"net"
	"net/netip"

	"github.com/pion/transport/v2"

	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// icePorts are the ports of the host candidates as the agent of a generation gets them:
// connections on which there is STUN only, shown to the tap.
type icePorts struct {
	*udpmux.Agent
	net    *guardedNet
	checks *pairChecks
}

// GetConn is that of the library's UDPMux.
func (p icePorts) GetConn(ufrag string, local net.Addr) (net.PacketConn, error) {
	c, err := p.Agent.Conn(ufrag, local)
	if err != nil {
		return nil, err
	}
	return portConn{c, p.net.tap, p.checks}, nil
}

// portConn is a port as an agent has it.
type portConn struct {
	*udpmux.Conn
	tap    stunTap // nil: there is nobody to show anything to
	checks *pairChecks
}

func (c portConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.Conn.ReadFrom(b)
		if err != nil || c.tap == nil || !c.tap.incoming(b[:n], addrPort(from)) {
			if err == nil {
				c.checks.incoming(b[:n], c.localAddr(), addrPort(from))
			}
			return n, from, err
		}
	}
}

func (c portConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.tap != nil {
		c.tap.outgoing(b, c)
	}
	c.checks.outgoing(b, c.Conn, addrPort(to))
	return c.Conn.WriteTo(b, to)
}

// localAddr and sendCheck are those of checkSender.
func (c portConn) localAddr() netip.AddrPort { return addrPort(c.LocalAddr()) }

func (c portConn) sendCheck(b []byte, to netip.AddrPort) error { return c.WriteCheck(b, to) }

// ListenUDP is where server-reflexive candidates get their sockets: whatever the address, it
// is the port that the way to the server leads through.
func (n *guardedNet) ListenUDP(network string, _ *net.UDPAddr) (transport.UDPConn, error) {
	c, err := n.ports.NewServerConn(network == "udp6")
	if err != nil {
		return nil, err
	}
	return serverConn{c}, nil
}

// serverConn is a question to a STUN server, as the library asks it.
type serverConn struct{ *udpmux.ServerConn }

func (c serverConn) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	n, addr, err := c.ReadFrom(p)
	from, _ := addr.(*net.UDPAddr)
	return n, from, err
}

func (c serverConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFrom(p)
	return n, err
}

func (c serverConn) WriteToUDP(p []byte, addr *net.UDPAddr) (int, error) { return c.WriteTo(p, addr) }

// The rest of the interface has no use here.

func (serverConn) RemoteAddr() net.Addr        { return nil }
func (serverConn) SetReadBuffer(int) error     { return errors.ErrUnsupported }
func (serverConn) SetWriteBuffer(int) error    { return errors.ErrUnsupported }
func (serverConn) Write(p []byte) (int, error) { return 0, errors.ErrUnsupported }
func (serverConn) ReadMsgUDP(_, _ []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	return 0, 0, 0, nil, errors.ErrUnsupported
}
func (serverConn) WriteMsgUDP(_, _ []byte, _ *net.UDPAddr) (n, oobn int, err error) {
	return 0, 0, errors.ErrUnsupported
}
