package udpsock

import (
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// maxSlots is how many messages one read of the system returns at most: each is a
// datagram or a run of datagrams that the kernel has coalesced (UDP_GRO), of one sender
// and one size, but for a smaller last one.
const maxSlots = 8

// reader reads batches with recvmmsg. An idle one holds no memory.
type reader struct {
	raw     syscall.RawConn
	attempt func(fd uintptr) bool // r.read, made once
	in      *inbox                // nil while nothing comes in
	slots   int                   // messages that the next read asks for; 0: one, after a pause
	came    int                   // messages since the last pause

	// coalesce says that UDP_GRO is to be set when there is something to coalesce. When the first
	// socket of a system gets it, and when the last is closed, the kernel patches
	// its own code, which takes longer than all else that it takes to set up a connection. The few
	// datagrams that come in together while that happens are not enough: more than half of what one
	// read asks for at most is.
	coalesce bool
	bare     bool // nothing comes with control messages

	soon soon

	n    int // messages read
	err  error
	zone zone
}

// inbox is the memory of one read.
type inbox struct {
	messages [maxSlots]message
	iovs     [maxSlots]syscall.Iovec
	names    [maxSlots]sockaddr
	controls [maxSlots]control
	bufs     [maxSlots]*[readSize]byte // as many as the read asks for
	runs     [maxSlots]Run
}

var inboxes = sync.Pool{New: func() any {
	in := new(inbox)
	for i := range in.messages {
		h := &in.messages[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&in.names[i]))
		h.Control = &in.controls[i].b[0]
		h.Iov = &in.iovs[i]
		setLen(&h.Iovlen, 1)
	}
	return in
}}

// buffers are those of the slots beyond the first, which most reads do without: if each inbox kept
// what some read has needed, they would have eight in the end, and be most of what the heap of a
// small program holds.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

func (r *reader) init(raw syscall.RawConn) {
	r.raw, r.attempt, r.soon.attempt = raw, r.read, r.readSoon
}

// receive is described at Socket.Receive. A datagram that is too long for its slot is
// lost.
func (r *reader) receive() ([]Run, error) {
	for {
		if err := r.raw.Read(r.attempt); err != nil {
			r.release()
			return nil, err
		}
		if runs, err := r.taken(); err != nil || len(runs) > 0 {
			return runs, err
		}
	}
}

// taken returns what was read, without what was too long.
func (r *reader) taken() ([]Run, error) {
	if r.err != nil {
		return nil, r.err
	}
	in, runs, total := r.in, r.in.runs[:0], 1
	for i := range in.messages[:r.n] {
		m := &in.messages[i]
		if m.hdr.Flags&syscall.MSG_TRUNC != 0 {
			continue
		}
		segment, ecn := in.controls[i].parse(int(m.hdr.Controllen))
		if segment <= 0 {
			segment = int(m.n)
		}
		total += int(m.n)
		runs = append(runs, Run{Data: in.bufs[i][:m.n], Size: segment, From: in.names[i].get(&r.zone), ECN: ecn})
	}
	// More is asked for as long as there is more, up to as much as fits two slots. After a
	// pause that followed a single one another is mostly the only one.
	r.slots = min(max(1, 2*r.slots), maxSlots, max(1, 2*readSize*r.n/total))
	return runs, nil
}

func (r *reader) release() {
	if r.in != nil {
		r.in.shed()
		inboxes.Put(r.in)
		r.in = nil
	}
}

// read makes one attempt and tells whether it ended: with data or an error, but not for want
// of data.
//
// It never waits, and copies half a megabyte at most, so Go's scheduler does not know of it: see maxQuick.
func (r *reader) read(fd uintptr) bool {
	if r.in == nil {
		r.in = inboxes.Get().(*inbox)
	}
	slots := max(1, r.slots)
	r.in.prepare(slots)
	for {
		n, errno := uintptr(0), syscall.Errno(0)
		if r.bare && slots == 1 && sysRecvfrom != 0 {
			n, errno = r.in.recvfrom(fd)
		} else {
			n, _, errno = syscall.RawSyscall6(syscall.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.in.messages)), uintptr(slots), syscall.MSG_DONTWAIT, 0, 0)
		}
		switch errno {
		case 0:
			r.n, r.err = int(n), nil
			r.came += r.n
			if r.coalesce && n > maxSlots/2 {
				r.coalesce, r.bare = false, false
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, optGRO, 1) // since Linux 5.0
			}
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			r.release()
			if r.slots = 0; r.came > 1 { // as much may come after this one
				r.slots = min(r.came, maxSlots)
			}
			r.came = 0
			return false
		default:
			r.err = os.NewSyscallError("recvmmsg", errno)
			return true
		}
	}
}

// prepare makes room for so many messages.
func (in *inbox) prepare(slots int) {
	for i := range in.messages[:slots] {
		if in.bufs[i] == nil {
			in.bufs[i] = buffers.Get().(*[readSize]byte)
			in.iovs[i].Base = &in.bufs[i][0]
			in.iovs[i].SetLen(readSize)
		}
		h := &in.messages[i].hdr
		h.Namelen = syscall.SizeofSockaddrInet6
		h.SetControllen(len(in.controls[i].b))
		h.Flags = 0
	}
}

// shed gives back all buffers but the first.
func (in *inbox) shed() {
	for i := 1; i < maxSlots && in.bufs[i] != nil; i++ {
		buffers.Put(in.bufs[i])
		in.bufs[i], in.iovs[i].Base = nil, nil
	}
}
