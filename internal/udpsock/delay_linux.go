package udpsock

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// delayed is a UDP socket that wakes nobody while datagrams gather in it.
//
// In Go's poller each of them wakes the thread that waits there, whether somebody reads or not. So
// a second descriptor of the socket takes its place, which the poller does not know, and the poller
// watches an epoll instance, the gate. That is ready when the socket is, while the gate is open,
// or when a timer has run out, which costs less there than a timer of Go.
type delayed struct {
	local  net.Addr
	delay  time.Duration
	closed atomic.Bool

	sock, timer, gate       *os.File
	sockID, timerID, gateID int
	in, out                 syscall.RawConn // of gate and of sock

	// Of the goroutine that reads.
	take   func(fd uintptr) bool // takes what is there
	turn   func(fd uintptr) bool // d.step, made once
	state  gateState
	passes uint32    // events that the gate is open for
	busy   bool      // datagrams came within twice the delay
	woken  time.Time // by one, or at the end of a pause

	// Of the one that writes.
	put  func(fd uintptr) bool // sends what there is
	sent bool                  // it did
	push func(fd uintptr) bool // d.tryPut, made once
}

type gateState uint8

const (
	taking  gateState = iota
	pausing           // the gate is shut, the timer runs
	waiting           // the gate is open
)

// DelayReceive lets datagrams gather in the socket for up to delay where they come more often
// than that, so that Receive returns more of them at a time. It is called before anything else
// is, but for SetBuffers and ReceiveECN, and at most once. The socket has no read deadlines
// then. Where the system has no way to do so, or conn is not the system's, it does nothing.
func (s *Socket) DelayReceive(delay time.Duration) error {
	conn, isUDP := s.PacketConn.(*net.UDPConn)
	b, batches := s.carrier.(*batching)
	if !isUDP || !batches {
		return nil
	}
	d := &delayed{local: conn.LocalAddr(), delay: delay, passes: syscall.EPOLLIN}
	d.turn, d.push = d.step, d.tryPut
	if err := d.open(b.raw); err != nil {
		_ = d.Close()
		return err
	}
	_ = conn.Close() // the socket lives on
	s.PacketConn, b.raw, b.in.raw, b.out.raw = d, d, d, d
	return nil
}

// open makes the descriptors.
func (d *delayed) open(conn syscall.RawConn) (err error) {
	if e := conn.Control(func(fd uintptr) {
		d.sockID, err = descriptorOf("fcntl", syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC)
	}); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	// The poller is kept from the socket by its being one that blocks. No call does.
	if err := syscall.SetNonblock(d.sockID, false); err != nil {
		return errors.Join(err, syscall.Close(d.sockID))
	}
	d.sock = os.NewFile(uintptr(d.sockID), "udp")
	const monotonic = 1
	if d.timerID, err = descriptorOf("timerfd_create", syscall.SYS_TIMERFD_CREATE, monotonic, syscall.O_CLOEXEC); err != nil {
		return err
	}
	d.timer = os.NewFile(uintptr(d.timerID), "timer")
	if d.gateID, err = descriptorOf("epoll_create1", syscall.SYS_EPOLL_CREATE1, syscall.EPOLL_CLOEXEC, 0); err != nil {
		return err
	}
	for _, id := range []int{d.sockID, d.timerID} {
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(id)}
		if err := syscall.EpollCtl(d.gateID, syscall.EPOLL_CTL_ADD, id, &event); err != nil {
			return errors.Join(os.NewSyscallError("epoll_ctl", err), syscall.Close(d.gateID))
		}
	}
	if err := syscall.SetNonblock(d.gateID, true); err != nil {
		return errors.Join(err, syscall.Close(d.gateID))
	}
	d.gate = os.NewFile(uintptr(d.gateID), "gate")
	if d.in, err = d.gate.SyscallConn(); err == nil {
		d.out, err = d.sock.SyscallConn()
	}
	return err
}

// descriptorOf makes a descriptor with a call of the system.
func descriptorOf(name string, number, a, b uintptr) (int, error) {
	fd, _, errno := syscall.RawSyscall(number, a, b, 0)
	if errno != 0 {
		return -1, os.NewSyscallError(name, errno)
	}
	return int(fd), nil
}

// Read is that of syscall.RawConn, for f that reads.
func (d *delayed) Read(f func(fd uintptr) bool) error {
	d.take, d.state = f, taking
	return d.refused(d.in.Read(d.turn))
}

// step is called at first, and when the gate may be ready. It tells whether something was taken.
func (d *delayed) step(uintptr) bool {
	rested := false
	switch d.state {
	case pausing:
		if d.timerRuns() {
			return false // what the gate let through before it was shut
		}
		d.woken, rested = time.Now(), true
	case waiting:
		now := time.Now()
		d.busy, d.woken = now.Sub(d.woken) < 2*d.delay, now
	}
	switch {
	case d.take(uintptr(d.sockID)):
		return true
	case d.busy && !rested:
		d.setGate(0)
		d.setTimer()
		d.state = pausing
	default:
		d.setGate(syscall.EPOLLIN)
		d.state = waiting
	}
	return false
}

// setGate opens the gate for events of the socket, or shuts it. If there is something to
// read, one that opens is ready.
func (d *delayed) setGate(events uint32) {
	if d.passes != events {
		event := syscall.EpollEvent{Events: events, Fd: int32(d.sockID)}
		if syscall.EpollCtl(d.gateID, syscall.EPOLL_CTL_MOD, d.sockID, &event) == nil { // it fails for no reason known
			d.passes = events
		}
	}
}

// setTimer makes the gate ready at the end of a pause.
func (d *delayed) setTimer() {
	spec := [2]syscall.Timespec{1: syscall.NsecToTimespec(int64(d.delay))} // struct itimerspec
	_, _, _ = syscall.RawSyscall6(syscall.SYS_TIMERFD_SETTIME, uintptr(d.timerID), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}

// timerRuns tells whether a pause is not over. The timer says so itself: by another clock it might run out
// too early, and nothing would wake the reader again.
func (d *delayed) timerRuns() bool {
	var spec [2]syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_TIMERFD_GETTIME, uintptr(d.timerID), uintptr(unsafe.Pointer(&spec)), 0)
	return errno == 0 && spec[1] != syscall.Timespec{}
}

// Write is that of syscall.RawConn, for f that sends.
func (d *delayed) Write(f func(fd uintptr) bool) error {
	d.put, d.sent = f, false
	for !d.sent {
		if err := d.out.Write(d.push); err != nil {
			return d.refused(err)
		}
	}
	return nil
}

// tryPut sends, or waits a while for room.
func (d *delayed) tryPut(fd uintptr) bool {
	if d.sent = d.put(fd); !d.sent {
		const writable = 4 // POLLOUT
		poll := struct {
			fd              int32
			events, revents int16
		}{fd: int32(fd), events: writable}
		patience := syscall.NsecToTimespec(int64(10 * time.Millisecond))
		_, _, _ = syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&patience)), 0, 0, 0)
	}
	return true
}

// refused returns what to say of an error of a descriptor.
func (d *delayed) refused(err error) error {
	if err != nil && d.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// Control is that of syscall.RawConn.
func (d *delayed) Control(f func(fd uintptr)) error { return d.refused(d.out.Control(f)) }

// SyscallConn is that of syscall.Conn.
func (d *delayed) SyscallConn() (syscall.RawConn, error) { return d, nil }

func (d *delayed) LocalAddr() net.Addr { return d.local }

// Close ends Read and Write.
func (d *delayed) Close() error {
	if d.closed.Swap(true) {
		return net.ErrClosed
	}
	var err error
	for _, f := range []*os.File{d.gate, d.timer, d.sock} { // nobody steps any more once the gate is closed
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// A Socket has batches instead.
func (d *delayed) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	return 0, netip.AddrPort{}, errors.ErrUnsupported
}

func (d *delayed) WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error) {
	return 0, errors.ErrUnsupported
}
