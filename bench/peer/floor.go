package main

import (
	"crypto/rand"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

// What a message there and back takes that has less and less of our driver around it: UDP
// through the sockets that the driver uses, and associations over those, each on the one goroutine
// that calls it, without locks, timers, or an Endpoint to find them.

// A bareSocket is one of two sockets that send to each other.
type bareSocket struct {
	*udpsock.Socket
	to      netip.AddrPort
	sending sync.Mutex // the first message is not sent by who receives
	out     [1]udpsock.Datagram
}

func bareSockets() (a, b *bareSocket, err error) {
	var both [2]*bareSocket
	for i := range both {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, nil, err
		}
		both[i] = &bareSocket{Socket: udpsock.New(c)}
	}
	a, b = both[0], both[1]
	a.to, b.to = b.LocalAddr().(*net.UDPAddr).AddrPort(), a.LocalAddr().(*net.UDPAddr).AddrPort()
	return a, b, nil
}

func (s *bareSocket) send(_ int, p []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.out[0] = udpsock.Datagram{Data: p, To: s.to}
	_, err := s.Send(s.out[:])
	return err
}

func (s *bareSocket) receive(f func(stream int, p []byte)) {
	go func() {
		for {
			runs, err := s.Receive()
			if err != nil {
				return
			}
			for i := range runs {
				for p := range runs[i].Datagrams() {
					f(0, p)
				}
			}
		}
	}()
}

func (s *bareSocket) close() { s.Close() }

// barePingPong: 64 bytes there and back through udpsock.
func barePingPong(j job) (report, error) {
	return pingPong(func(int) (end, end, error) {
		a, b, err := bareSockets()
		return a, b, err
	}, j)
}

// A bareEngine is an association over such a socket.
type bareEngine struct {
	*bareSocket
	assoc   *sctp.Association
	start   time.Time
	packet  []byte
	message []byte
	got     func(stream int, p []byte)
	begins  bool // it sends the first message
	reading bool // a goroutine has it
}

// now reads the monotonic clock alone.
func (e *bareEngine) now() time.Time { return e.start.Add(time.Since(e.start)) }

// bareEngines returns associations that are established.
func bareEngines() (a, b *bareEngine, err error) {
	sa, sb, err := bareSockets()
	if err != nil {
		return nil, nil, err
	}
	var both [2]*bareEngine
	for i, s := range []*bareSocket{sa, sb} {
		cfg := sctpConfig()
		rand.Read(cfg.Seed[:])
		assoc, err := sctp.New(cfg)
		if err != nil {
			return nil, nil, err
		}
		both[i] = &bareEngine{bareSocket: s, assoc: assoc, start: time.Now(), packet: make([]byte, 0, packetSize), message: make([]byte, 2*packetSize)}
	}
	a, b = both[0], both[1]
	a.begins = true
	if err := a.assoc.Connect(a.now()); err != nil {
		return nil, nil, err
	}
	for from, to := a, b; a.assoc.State() != sctp.Established || b.assoc.State() != sctp.Established; from, to = to, from {
		if err := from.flush(from.now()); err != nil {
			return nil, nil, err
		}
		if err := to.take(); err != nil {
			return nil, nil, err
		}
	}
	return a, b, nil
}

// engineUDPPingPong: as a message of an association.
func engineUDPPingPong(j job) (report, error) {
	return pingPong(func(int) (end, end, error) {
		a, b, err := bareEngines()
		return a, b, err
	}, j)
}

// flush sends what there is to send.
func (e *bareEngine) flush(now time.Time) error {
	for {
		tx, ok := e.assoc.Transmit(now, e.packet)
		if !ok {
			return nil
		}
		if err := e.bareSocket.send(0, tx.Packet); err != nil {
			return err
		}
	}
}

// take takes what comes in next.
func (e *bareEngine) take() error {
	runs, err := e.Receive()
	if err != nil {
		return err
	}
	now := e.now()
	for i := range runs {
		for p := range runs[i].Datagrams() {
			e.assoc.HandlePacket(now, 0, p)
		}
	}
	return nil
}

// receive begins at the end that is sent to first, which is b.
func (e *bareEngine) receive(f func(stream int, p []byte)) {
	if e.got = f; !e.begins {
		e.reading = true
		go e.read()
	}
}

// send sends the first message of a, and then leaves its association to a goroutine, which
// receives. All others are sent within that: when all that came in is handled.
func (e *bareEngine) send(_ int, p []byte) error {
	now := e.now()
	err := e.assoc.SendCopy(now, sctp.Message{Payload: p})
	if err != nil || e.reading {
		return err
	}
	err = e.flush(now)
	e.reading = true
	go e.read()
	return err
}

func (e *bareEngine) read() {
	for e.take() == nil {
		for event, ok := e.assoc.NextEvent(); ok; event, ok = e.assoc.NextEvent() {
			for event.Kind == sctp.EventReadable {
				n, _, err := e.assoc.Read(e.now(), event.Stream, e.message)
				if err != nil {
					break
				}
				e.got(int(event.Stream), e.message[:n])
			}
		}
		if e.flush(e.now()) != nil {
			return
		}
	}
}
