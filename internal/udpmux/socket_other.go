//go:build !linux

package udpmux

import "net/netip"

// reader reads one datagram at a time.
type reader struct {
	s   *socket
	buf []byte
}

func (r *reader) init(s *socket) { r.s = s }

// receive waits for a datagram; size is its length. It is valid until the next call.
func (r *reader) receive() (b []byte, size int, from netip.AddrPort, err error) {
	if r.buf == nil {
		r.buf = make([]byte, readSize)
	}
	n, from, err := r.s.conn.ReadFromUDPAddrPort(r.buf)
	return r.buf[:n], n, netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()), err
}

// writer writes one datagram at a time.
type writer struct{ s *socket }

func (w *writer) init(s *socket) { w.s = s }

func (w *writer) send(packets [][]byte, to netip.AddrPort) (sent int, err error) {
	for _, p := range packets {
		if _, e := w.s.conn.WriteToUDPAddrPort(p, to); e != nil {
			err = e
		} else {
			sent++
		}
	}
	return sent, err
}

func setBuffers(s *socket, b socketBuffers) {
	// What the system refuses it refuses whole: ask for less.
	for n := b.receive; n >= 1<<16 && s.conn.SetReadBuffer(n) != nil; n /= 2 {
	}
	for n := b.send; n >= 1<<16 && s.conn.SetWriteBuffer(n) != nil; n /= 2 {
	}
}
