//go:build !linux

package udpsock

func newCarrier(conn PacketConn) carrier { return &plain{conn: conn} }
