package udpsock

import (
	"os"
	"syscall"
	"unsafe"
)

// soon is waiting in the system for a datagram that is about to come.
//
// Who waits in Go's poller tries to read first, and has the poller look once more, before the thread goes to
// sleep; when it wakes, it has to find out what for, and to read. One call that waits by itself does all of that:
// a message of 64 bytes there and back between two processes on one core takes a sixth less time.
// To be woken by something else it would have to wait with poll(2) or epoll(7), which cost as much as the poller. So
// it waits for little time instead.
type soon struct {
	attempt func(fd uintptr) bool // r.readSoon, made once
	state   soonState
}

type soonState uint8

const (
	soonUntried soonState = iota
	soonPossible
	soonImpossible
)

// prepare tells whether a call may wait at the socket. All calls of ours that are not to say so
// themselves, so that a socket that has them wait by itself is like any other to them.
func (s *soon) prepare(fd int) bool {
	if s.state == soonUntried {
		s.state = soonImpossible
		// The least there is: until the system's clock has ticked, once or twice. Unlike poll's it needs no timer of
		// the processor. It is given as a tick's worth, as 0 would be no limit at all to a system that rounds down.
		limit := syscall.Timeval{Usec: 1000}
		if syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit) == nil && syscall.SetNonblock(fd, false) == nil {
			s.state = soonPossible
		}
	}
	return s.state == soonPossible
}

// receiveSoon is described at Socket.ReceiveSoon.
func (r *reader) receiveSoon() ([]Run, error) {
	r.n, r.err = 0, nil
	if err := r.raw.Read(r.soon.attempt); err != nil {
		r.release()
		return nil, err
	}
	if r.n == 0 {
		return nil, r.err
	}
	return r.taken()
}

// readSoon makes one attempt, which waits, and says that it ended. Go's scheduler knows of it.
func (r *reader) readSoon(fd uintptr) bool {
	if !r.soon.prepare(int(fd)) {
		return true
	}
	if r.in == nil {
		r.in = inboxes.Get().(*inbox)
	}
	in, m := r.in, &r.in.messages[0]
	in.prepare(1)
	n, errno := uintptr(0), syscall.Errno(0)
	if r.bare && sysRecvfrom != 0 {
		m.hdr.SetControllen(0)
		n, _, errno = syscall.Syscall6(sysRecvfrom, fd, uintptr(unsafe.Pointer(in.bufs[0])), readSize,
			0, uintptr(unsafe.Pointer(m.hdr.Name)), uintptr(unsafe.Pointer(&m.hdr.Namelen)))
		m.n = uint32(n)
	} else {
		_, _, errno = syscall.Syscall6(syscall.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&in.messages)), 1, 0, 0, 0)
	}
	switch errno {
	case 0:
		r.n, r.slots, r.came = 1, 0, 1 // it is the first after a pause
	case syscall.EINTR, syscall.EAGAIN:
	default:
		r.err = os.NewSyscallError("recvfrom", errno)
	}
	return true
}
