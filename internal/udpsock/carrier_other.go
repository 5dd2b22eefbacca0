//go:build !linux

package udpsock

import "net"

func newCarrier(conn PacketConn) carrier { return &plain{conn: conn} }

func connectedCarrier(*net.UDPConn) carrier { return nil }
