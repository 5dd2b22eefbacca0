package datachannel

import (
	"context"
	"io"
	"net"
)

// An Acceptor has channels that the peer opened: a Session, or a Transport or
// PeerConnection of package sluice.
type Acceptor interface {
	Accept(ctx context.Context) (*Channel, error)
}

// NewListener returns a net.Listener whose connections are the channels that the peer
// opens, as Channel.Conn returns them; so servers written for package net run over
// data channels. Only ordered, reliable channels carry a stream of bytes.
//
// Closing the listener ends its Accept and nothing else. When the association has ended
// Accept returns what that of the Acceptor does, net.ErrClosed in place of io.EOF. Without an
// Acceptor it returns a *TypeError.
func NewListener(a Acceptor) net.Listener {
	l := &listener{from: a}
	l.open, l.close = context.WithCancel(context.Background())
	return l
}

type listener struct {
	from  Acceptor
	open  context.Context // until Close
	close context.CancelFunc
}

func (l *listener) Accept() (net.Conn, error) {
	if l.from == nil {
		return nil, &TypeError{"NewListener", "no Acceptor"}
	}
	ch, err := l.from.Accept(l.open)
	switch {
	case err == nil:
		return ch.Conn(), nil
	case err == io.EOF, l.open.Err() != nil:
		return nil, net.ErrClosed
	}
	return nil, err
}

func (l *listener) Close() error {
	l.close()
	return nil
}

func (l *listener) Addr() net.Addr { return Addr{} }
