package main

import (
	"errors"
	"net"
	"sync"

	pion "github.com/pion/sctp"

	"github.com/sluice-rtc/sluice/bench/internal/pionpair"
)

// A pionEnd is an association of pion/sctp. It takes all that it is given, so the
// sender waits for its sign that little is left, as the examples of the project do.
type pionEnd struct {
	*pion.Association
	nc      net.Conn
	streams []*pion.Stream
	low     []chan struct{} // of each stream
	limit   uint64          // bytes waiting, of each stream
	reading sync.WaitGroup
}

func (e *pionEnd) send(stream int, p []byte) error {
	s := e.streams[stream]
	if _, err := s.WriteSCTP(p, pion.PayloadTypeWebRTCBinary); err != nil {
		return err
	}
	for s.BufferedAmount() > e.limit {
		<-e.low[stream]
	}
	return nil
}

func (e *pionEnd) receive(f func(stream int, p []byte)) {
	for i, s := range e.streams {
		e.reading.Go(func() {
			buf := make([]byte, maxMessage)
			for {
				n, _, err := s.ReadSCTP(buf)
				if err != nil {
					return
				}
				f(i, buf[:n])
			}
		})
	}
}

// close closes what is below first, so that the peer is not waited for.
func (e *pionEnd) close() {
	e.nc.Close()
	e.Close()
	e.reading.Wait()
}

func (e *pionEnd) harness() int {
	if p, ok := e.nc.(*pipe); ok {
		return p.size()
	}
	return 0
}

func (e *pionEnd) open(n int) error {
	e.limit = uint64(bufferSize / n)
	for i := range n {
		s, err := e.OpenStream(uint16(i), pion.PayloadTypeWebRTCBinary)
		if err != nil {
			return err
		}
		low := make(chan struct{}, 1)
		s.SetBufferedAmountLowThreshold(e.limit / 2)
		s.OnBufferedAmountLow(func() {
			select {
			case low <- struct{}{}:
			default:
			}
		})
		e.streams, e.low = append(e.streams, s), append(e.low, low)
	}
	return nil
}

func pionConfig() pion.Config {
	return pion.Config{MTU: packetSize, MaxReceiveBufferSize: bufferSize, MaxMessageSize: maxMessage, LoggerFactory: pionpair.QuietLog()}
}

// pionOver is an end over a net.Conn, made by one of the library's functions.
func pionOver(nc *net.UDPConn, made func(pion.Config) (*pion.Association, error)) (end, error) {
	cfg := pionConfig()
	cfg.NetConn = nc
	assoc, err := made(cfg)
	if err != nil {
		return nil, err
	}
	e := &pionEnd{Association: assoc, nc: nc}
	return e, e.open(1)
}

func pionCalls(nc *net.UDPConn) (end, error) {
	return pionOver(nc, func(cfg pion.Config) (*pion.Association, error) { return pion.ClientWithOptions(cfg) })
}

func pionAnswers(nc *net.UDPConn) (end, error) {
	return pionOver(nc, func(cfg pion.Config) (*pion.Association, error) { return pion.ServerWithOptions(cfg) })
}

// pionPair connects two ends over a net.Conn each.
func pionPair(na, nb net.Conn, streams int) (a, b end, err error) {
	tx, rx, err := pionpair.Connect(pionConfig(), na, nb)
	if err != nil {
		return nil, nil, err
	}
	ea, eb := &pionEnd{Association: tx, nc: na}, &pionEnd{Association: rx, nc: nb}
	if err := ea.open(streams); err != nil {
		return nil, nil, err
	}
	return ea, eb, eb.open(streams)
}

func pionMemory(streams int) (a, b end, err error) {
	na, nb := newPipe()
	return pionPair(na, nb, streams)
}

func pionUDP(streams int) (a, b end, err error) {
	na, nb, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	return pionPair(na, nb, streams)
}

// socketPair returns two UDP sockets of the loopback interface connected to each other.
func socketPair() (a, b *net.UDPConn, err error) {
	at := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	first, err := net.ListenUDP("udp4", at)
	if err != nil {
		return nil, nil, err
	}
	port := first.LocalAddr().(*net.UDPAddr)
	if b, err = dialLoopback(at, port); err != nil {
		return nil, nil, err
	}
	first.Close() // its port is taken again at once, connected this time
	a, err = dialLoopback(port, b.LocalAddr().(*net.UDPAddr))
	return a, b, err
}

// dialLoopback returns a socket connected to an address.
func dialLoopback(from, to *net.UDPAddr) (*net.UDPConn, error) {
	c, err := net.DialUDP("udp4", from, to)
	if err != nil {
		return nil, err
	}
	return c, errors.Join(c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer))
}

// socketBuffer is asked for; the system may give less.
const socketBuffer = 4 << 20
