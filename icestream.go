//go:build !js

package sluice

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/pion/stun"
	"github.com/pion/transport/v2"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// streamGuard reads the frames of TURN over a stream (RFC 8656, section 3.1)
// and passes on those that may reach the library. It writes without waiting.
type streamGuard struct {
	next  io.Reader
	queue *streamQueue
	turn  *turnTap
	in    []byte // received, not yet a whole frame
	out   []byte // admitted frames, not yet read
}

func newStreamGuard(c net.Conn, tap stunTap) streamGuard {
	queue := newStreamQueue(c)
	return streamGuard{next: c, queue: queue, turn: newTURNTap(tap, func(b []byte) error {
		_, err := queue.Write(b)
		return err
	})}
}

// Write takes one frame.
func (s *streamGuard) Write(p []byte) (int, error) {
	s.turn.toServer(p)
	return s.queue.Write(p)
}

var errNotTURN = errors.New("sluice: stream of a TURN server is neither STUN nor ChannelData")

// maxFrame is the largest frame the library can count: its sizes are 16 bits.
const maxFrame = 65532

func (s *streamGuard) Read(p []byte) (int, error) {
	for len(s.out) == 0 {
		size, err := frameSize(s.in)
		if err != nil {
			return 0, err
		}
		if size == 0 || len(s.in) < size {
			buf := make([]byte, 4096)
			n, err := s.next.Read(buf)
			s.in = append(s.in, buf[:n]...)
			if n == 0 && err != nil {
				return 0, err
			}
			continue
		}
		frame := s.in[:size:size]
		s.in = s.in[size:]
		if stunmsg.Admit(frame) && !s.turn.fromServer(frame) {
			s.out = frame
		}
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// frameSize returns the size of the frame that b begins with, 0 if b is too
// short to know.
func frameSize(b []byte) (int, error) {
	if len(b) < 20 && (len(b) < 4 || b[0]>>6 == 0) {
		return 0, nil
	}
	length := int(b[2])<<8 | int(b[3])
	var size int
	switch {
	case b[0]>>6 == 0 && stun.IsMessage(b) && length%4 == 0:
		size = 20 + length
	case b[0]>>4 == 4: // channel numbers 0x4000-0x4FFF, padded to four bytes
		size = 4 + (length+3)&^3
	default:
		return 0, errNotTURN
	}
	if size > maxFrame {
		return 0, errNotTURN
	}
	return size, nil
}

// tcpGuard is a TCP connection to a TURN server.
type tcpGuard struct {
	transport.TCPConn
	sock  *net.TCPConn // the same
	net   *guardedNet
	guard streamGuard
}

func (c *tcpGuard) socket() syscall.Conn { return c.sock }

func (c *tcpGuard) Read(p []byte) (int, error) { return c.guard.Read(p) }

func (c *tcpGuard) Write(p []byte) (int, error) { return c.guard.Write(p) }

func (c *tcpGuard) Close() error {
	c.net.untrack(c)
	return c.guard.queue.Close()
}

// streamConn is a TCP or TLS connection to a TURN server.
type streamConn struct {
	net.Conn
	sock  syscall.Conn // of TCP
	net   *guardedNet
	guard streamGuard
}

func (c *streamConn) socket() syscall.Conn { return c.sock }

func (c *streamConn) Read(p []byte) (int, error) { return c.guard.Read(p) }

func (c *streamConn) Write(p []byte) (int, error) { return c.guard.Write(p) }

func (c *streamConn) Close() error {
	c.net.untrack(c)
	return c.guard.queue.Close()
}
