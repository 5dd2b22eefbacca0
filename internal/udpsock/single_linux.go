package udpsock

import (
	"os"
	"syscall"
	"unsafe"
)

// A datagram by itself goes with sendto and recvfrom where there is nothing to say about it but
// its address. For small messages to and fro that takes a tenth less time than a batch of one. Go's
// scheduler does not know of these calls: see maxQuick.

// single is the datagram that the writer is sending by itself.
type single struct {
	attempt func(fd uintptr) bool // w.sendto, made once
	data    []byte
	name    sockaddr
	namelen uint32 // 0: the system knows the address
	err     syscall.Errno
}

// sendSingle is send for a datagram without a codepoint of ECN.
func (w *writer) sendSingle(d *Datagram) (sent int, err error) {
	s := &w.single
	if !w.connected {
		if s.namelen = s.name.put(w.family, d.To, &w.zone); s.namelen == 0 {
			return 0, &os.SyscallError{Syscall: "sendto", Err: syscall.EAFNOSUPPORT}
		}
	}
	s.data = d.Data
	err = w.raw.Write(s.attempt)
	if err == nil && w.connected && s.err == syscall.ECONNREFUSED { // that was said of an earlier one
		err = w.raw.Write(s.attempt)
	}
	s.data = nil
	switch {
	case err != nil:
		return 0, err
	case s.err != 0:
		return 0, os.NewSyscallError("sendto", s.err)
	}
	return 1, nil
}

// sendto makes one attempt, and tells whether it ended, for the reason w.single.err.
func (w *writer) sendto(fd uintptr) bool {
	s := &w.single
	name := unsafe.Pointer(&s.name)
	if w.connected {
		name = nil // an address of no length is refused
	}
	for {
		_, _, errno := syscall.RawSyscall6(sysSendto, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.data))), uintptr(len(s.data)),
			syscall.MSG_DONTWAIT, uintptr(name), uintptr(s.namelen))
		switch errno {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			s.err = errno
			return true
		}
	}
}

// recvfrom reads one datagram, which brings no control messages.
func (in *inbox) recvfrom(fd uintptr) (n uintptr, errno syscall.Errno) {
	m := &in.messages[0]
	m.hdr.SetControllen(0)
	n, _, errno = syscall.RawSyscall6(sysRecvfrom, fd, uintptr(unsafe.Pointer(in.bufs[0])), readSize,
		syscall.MSG_DONTWAIT, uintptr(unsafe.Pointer(m.hdr.Name)), uintptr(unsafe.Pointer(&m.hdr.Namelen)))
	if errno != 0 {
		return 0, errno
	}
	m.n = uint32(n)
	return 1, 0
}
