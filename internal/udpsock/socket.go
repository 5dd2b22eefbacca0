package udpsock

import (
	"errors"
	"iter"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// MaxDelay is the longest that callers let datagrams gather in a socket: answers come well within the
// time after which peers send again.
const MaxDelay = 100 * time.Millisecond

const (
	// MaxSegments is how many datagrams a run of one sender has at most, and the
	// largest number worth sending at once to one peer. Together they have at most
	// maxBytes: what fits into the 65535 of an IP packet, which one large datagram of
	// the kernel is until it is cut.
	MaxSegments = 64
	maxBytes    = 65000

	// readSize is the room for what comes in as one message: a run that the system has
	// coalesced, or one datagram.
	readSize = 1 << 16
)

// PacketConn is what a Socket needs of a UDP socket; *net.UDPConn has it.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// A Socket is a UDP socket that reads and writes in batches where the
// system can and it is a *net.UDPConn. One goroutine at a time may call Receive or ReceiveSoon, and one
// at a time Send; an idle Socket of the system holds no buffers.
type Socket struct {
	PacketConn
	carrier carrier
}

// A carrier is how datagrams get through.
type carrier interface {
	receive() ([]Run, error)
	receiveSoon() ([]Run, error)
	release()
	send([]Datagram) (int, error)
	receiveECN() error
	setBuffers(receive, send int)
	await(f func()) bool
	forget() // before the socket is closed
}

// A Run is datagrams of one sender that came in one behind the other.
type Run struct {
	Data []byte
	Size int // of each datagram, in bytes; the last may be shorter
	From netip.AddrPort
	ECN  byte // codepoint of all; 0 before ReceiveECN
}

// Datagrams iterates over the datagrams, of which there is at least one: it may be empty.
func (r *Run) Datagrams() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		rest := r.Data
		for {
			n := min(r.Size, len(rest))
			if !yield(rest[:n:n]) || n == len(rest) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Count returns how many there are.
func (r *Run) Count() int {
	if len(r.Data) <= r.Size {
		return 1
	}
	return (len(r.Data) + r.Size - 1) / r.Size
}

// A Datagram is one to send.
type Datagram struct {
	Data []byte
	To   netip.AddrPort
	ECN  byte // codepoint; other than 0 only once ReceiveECN was successful
}

// New returns a Socket over conn, which is not connected and belongs to the Socket.
func New(conn PacketConn) *Socket {
	return &Socket{PacketConn: conn, carrier: newCarrier(conn)}
}

// NewConnected returns a Socket over a connected conn, nil where the system has no
// batches for it. Options of conn are left as they are, and its other methods work as
// before. Datagram.To counts for nothing.
func NewConnected(conn *net.UDPConn) *Socket {
	if c := connectedCarrier(conn); c != nil {
		return &Socket{PacketConn: conn, carrier: c}
	}
	return nil
}

// Receive waits for datagrams, which may be of several senders. They are the caller's
// until the next call.
func (s *Socket) Receive() ([]Run, error) { return s.carrier.receive() }

// ReceiveSoon is Receive for a goroutine that expects something within a fraction of a millisecond: it keeps its
// thread, for two ticks of the system's clock at most (8 ms, often; 20 ms on some systems), which
// takes less time than Go's poller. After that, and where it is not possible, it returns nothing and no error. A read deadline
// that is set meanwhile, and Close, are heeded only then. The socket of the system is one that blocks from then on, for
// all who have a descriptor of it.
func (s *Socket) ReceiveSoon() ([]Run, error) { return s.carrier.receiveSoon() }

// Release gives back the memory of what was received last, which is not looked at any more. It is called
// as Receive is, by who will not call that again: without it a new one of 64 KiB has to be made for some other Socket.
func (s *Socket) Release() { s.carrier.release() }

// Send sends datagrams in order, and returns how many the system took. Those it did
// not take are lost, for the last reason returned; an error that matches net.ErrClosed
// means that nothing will be sent any more.
//
// Those to one address that follow each other in memory and have one size, but for a
// smaller last one, are the cheapest.
func (s *Socket) Send(datagrams []Datagram) (int, error) { return s.carrier.send(datagrams) }

// ReceiveECN makes Receive return codepoints of Explicit Congestion Notification from
// now on, and Send carry them.
func (s *Socket) ReceiveECN() error { return s.carrier.receiveECN() }

// SetBuffers asks the system for buffers of these sizes, in bytes. What it gives is its
// own matter.
func (s *Socket) SetBuffers(receive, send int) { s.carrier.setBuffers(receive, send) }

// Await has f called once, when there is something to receive, in place of a goroutine that waits in
// Receive: nobody calls that until then. f must not wait. It returns false where that is not possible,
// or the Socket is closed. Once Close has returned, f is not called any more, but may have begun.
func (s *Socket) Await(f func()) bool { return s.carrier.await(f) }

// Close closes the socket. Calls that wait end with an error that matches net.ErrClosed.
func (s *Socket) Close() error {
	s.carrier.forget()
	return s.PacketConn.Close()
}

// deadliner is what a PacketConn has besides if Receive can be given a deadline.
type deadliner interface{ SetReadDeadline(time.Time) error }

// HasReadDeadline tells whether SetReadDeadline is possible.
func (s *Socket) HasReadDeadline() bool {
	_, ok := s.PacketConn.(deadliner)
	return ok
}

// SetReadDeadline makes Receive, also one that waits, return an error that matches
// os.ErrDeadlineExceeded once t has passed; a zero t takes that back.
func (s *Socket) SetReadDeadline(t time.Time) error {
	if c, ok := s.PacketConn.(deadliner); ok {
		return c.SetReadDeadline(t)
	}
	return errors.ErrUnsupported
}

// SetDontFragment is SetDontFragment for this socket.
func (s *Socket) SetDontFragment(on bool) error {
	switch c := s.PacketConn.(type) {
	case interface{ SetDontFragment(bool) error }:
		return c.SetDontFragment(on)
	case syscall.Conn:
		return SetDontFragment(c, on)
	}
	return errors.ErrUnsupported
}
