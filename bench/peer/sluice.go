package main

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// sctpConfig is ours for all that is below DTLS. The packets have the same size as the
// peers', so there is no search for a larger one.
func sctpConfig() sctp.Config {
	return sctp.Config{MTU: packetSize, MaxMTU: -1, SendBuffer: bufferSize, ReceiveBuffer: bufferSize}
}

// A sluiceEnd is a Conn of sctpnet. It reads each stream on a goroutine of its own, and
// puts together messages that come in pieces because the buffer is half full.
type sluiceEnd struct {
	*sctpnet.Conn
	streams int
	nc      *pipe // below it, in memory
	also    func()
	reading sync.WaitGroup
}

func (e *sluiceEnd) send(stream int, p []byte) error {
	return e.WriteMessage(context.Background(), sctp.Message{Stream: uint16(stream), Payload: p})
}

func (e *sluiceEnd) receive(f func(stream int, p []byte)) {
	for i := range e.streams {
		e.reading.Go(func() {
			buf, n := make([]byte, maxMessage), 0
			for {
				piece, info, err := e.ReadMessage(context.Background(), uint16(i), buf[n:])
				if err != nil {
					return
				}
				if n += piece; info.Complete {
					f(i, buf[:n])
					n = 0
				}
			}
		})
	}
}

// maxMessage is the largest that is measured.
const maxMessage = 256 << 10

func (e *sluiceEnd) close() {
	e.Abort("")
	<-e.Done()
	e.reading.Wait()
	if e.also != nil {
		e.also()
	}
}

func (e *sluiceEnd) harness() int {
	if e.nc == nil {
		return 0
	}
	return e.nc.size()
}

func sluiceMemory(streams int) (a, b end, err error) {
	return sluiceOver(streams, func(p *pipe) net.Conn { return p })
}

// sluiceSingle is over pipes that seem to have no batches.
func sluiceSingle(streams int) (a, b end, err error) {
	return sluiceOver(streams, func(p *pipe) net.Conn { return struct{ net.Conn }{p} })
}

func sluiceOver(streams int, over func(*pipe) net.Conn) (a, b end, err error) {
	na, nb := newPipe()
	cfg := sctpnet.Config{SCTP: sctpConfig()}
	cb, err := sctpnet.New(over(nb), cfg, false)
	if err != nil {
		return nil, nil, err
	}
	ca, err := sctpnet.Client(context.Background(), over(na), cfg)
	if err != nil {
		return nil, nil, err
	}
	if err := cb.WaitConnected(context.Background()); err != nil {
		return nil, nil, err
	}
	return &sluiceEnd{Conn: ca, streams: streams, nc: na}, &sluiceEnd{Conn: cb, streams: streams, nc: nb}, nil
}

func listen() (*sctpnet.Listener, error) {
	return sctpnet.Listen("udp4", "127.0.0.1:0", sctpnet.ListenConfig{Config: sctpnet.Config{SCTP: sctpConfig()}})
}

func sluiceUDP(streams int) (a, b end, err error) {
	l, err := listen()
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	ca, err := sctpnet.Dial(ctx, "udp4", l.Addr().String(), sctpnet.Config{SCTP: sctpConfig()})
	if err != nil {
		return nil, nil, err
	}
	cb, err := l.Accept(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("accepting: %w", err)
	}
	return &sluiceEnd{Conn: ca, streams: streams}, &sluiceEnd{Conn: cb, streams: streams, also: func() { l.Close() }}, nil
}
