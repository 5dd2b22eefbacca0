package udpsock

import (
	"errors"
	"net/netip"
)

// plain carries one datagram with each call, and no codepoints.
type plain struct {
	conn PacketConn
	buf  []byte
	run  [1]Run
}

func (p *plain) receive() ([]Run, error) {
	if p.buf == nil {
		p.buf = make([]byte, readSize)
	}
	n, from, err := p.conn.ReadFromUDPAddrPort(p.buf)
	if err != nil {
		return nil, err
	}
	p.run[0] = Run{Data: p.buf[:n], Size: n, From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
	return p.run[:], nil
}

func (p *plain) receiveSoon() ([]Run, error) { return nil, nil }

func (p *plain) release() { p.buf = nil }

func (p *plain) send(datagrams []Datagram) (sent int, err error) {
	for _, d := range datagrams {
		if _, e := p.conn.WriteToUDPAddrPort(d.Data, d.To); e != nil {
			err = e
		} else {
			sent++
		}
	}
	return sent, err
}

func (p *plain) await(func()) bool { return false }
func (p *plain) forget()           {}

func (p *plain) receiveECN() error { return errors.ErrUnsupported }

func (p *plain) setBuffers(receive, send int) {
	c, ok := p.conn.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	})
	if !ok {
		return
	}
	// What the system refuses it refuses whole: ask for less.
	for n := receive; n >= 1<<16 && c.SetReadBuffer(n) != nil; n /= 2 {
	}
	for n := send; n >= 1<<16 && c.SetWriteBuffer(n) != nil; n /= 2 {
	}
}
