package udpsock

import (
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	// minGSO is the segment size below which a device is taken for one that
	// cannot do it at all.
	minGSO = 512

	// gsoRetry is how long a refusal of the kernel counts: it may have been of one
	// destination among many, or for an MTU that an ICMP message made up.
	gsoRetry = 10 * time.Second
)

// writer sends with one sendmmsg what it can. A message of that is a run of datagrams to
// one address and of one size, but for a smaller last one, which the kernel cuts
// (UDP_SEGMENT), or where it cannot, one datagram. An idle writer holds no memory.
type writer struct {
	raw       syscall.RawConn
	attempt   func(fd uintptr) bool // w.sendmmsg, made once
	connected bool                  // there is one address to send to, which the system knows
	family    int                   // of the socket's addresses
	zone      zone

	// maxGSO is the largest segment that the kernel cuts, 0 where it cuts none. It
	// falls for a while when the kernel refuses: a segment must fit the link's MTU, and
	// some devices refuse all of them.
	maxGSO  int
	refused time.Time // when the kernel did; zero if it did not since maxGSO was whole
	before  int       // what it was before the refusal of the message being tried in parts; or 0

	single single

	out *outbox // nil while nothing is sent
	n   int     // messages of it sent
	err syscall.Errno
}

// outbox is the memory of one sendmmsg.
type outbox struct {
	messages [MaxSegments]message
	sizes    [MaxSegments]int // datagrams of each message
	names    [MaxSegments]sockaddr
	controls [MaxSegments]control
	prepared int // messages
	iovs     [MaxSegments]syscall.Iovec
	used     int // iovs
}

var outboxes = sync.Pool{New: func() any {
	out := new(outbox)
	for i := range out.messages {
		out.messages[i].hdr.Name = (*byte)(unsafe.Pointer(&out.names[i]))
	}
	return out
}}

func (w *writer) init(raw syscall.RawConn) {
	w.raw, w.attempt, w.single.attempt = raw, w.sendmmsg, w.sendto
}

// send is described at Socket.Send.
func (w *writer) send(datagrams []Datagram) (sent int, err error) {
	if len(datagrams) == 1 && datagrams[0].ECN == 0 && sysSendto != 0 {
		return w.sendSingle(&datagrams[0])
	}
	if !w.refused.IsZero() && time.Since(w.refused) >= gsoRetry {
		w.maxGSO, w.refused = maxBytes, time.Time{}
	}
	w.out = outboxes.Get().(*outbox)
	defer w.release()
	for len(datagrams) > 0 {
		w.prepare(datagrams)
		if w.out.prepared == 0 {
			err = &os.SyscallError{Syscall: "sendmmsg", Err: syscall.EAFNOSUPPORT}
			datagrams = datagrams[1:]
			continue
		}
		for first, again := 0, -1; first < w.out.prepared; {
			w.n = first
			e := w.raw.Write(w.attempt)
			for ; first < w.n; first++ {
				sent += w.out.sizes[first]
				datagrams = datagrams[w.out.sizes[first]:]
				w.before = 0
			}
			if e != nil {
				return sent, e
			}
			if first == w.out.prepared {
				break
			}
			if w.out.sizes[first] > 1 && w.refusesGSO(len(datagrams[0].Data)) {
				break // what is left is prepared anew
			}
			if w.connected && w.err == syscall.ECONNREFUSED && again != first {
				again = first // that was said of an earlier one
				continue
			}
			err = os.NewSyscallError("sendmmsg", w.err)
			datagrams = datagrams[w.out.sizes[first]:]
			first++
			if w.before > 0 { // it was not for the cutting
				w.maxGSO, w.before = w.before, 0
			}
		}
	}
	return sent, err
}

// refusesGSO tells whether it may be for the cutting that the kernel refused a
// message, and if so sees to it that it is not asked for as much again, unless it
// refuses the parts, too.
func (w *writer) refusesGSO(size int) bool {
	was := w.maxGSO
	switch {
	case w.err == syscall.EIO: // the device cannot compute checksums
		w.maxGSO = 0
	case w.err == syscall.EINVAL, w.err == syscall.EMSGSIZE: // a segment is larger than the MTU
		if w.maxGSO = min(w.maxGSO, size-1); w.maxGSO < minGSO {
			w.maxGSO = 0
		}
	default:
		return false
	}
	w.before, w.refused = was, time.Now()
	return true
}

// prepare makes messages of the first datagrams, up to one with an address that the
// socket does not have the family for.
func (w *writer) prepare(datagrams []Datagram) {
	out := w.out
	clear(out.iovs[:out.used])
	out.prepared, out.used = 0, 0
	for len(datagrams) > 0 && out.prepared < len(out.messages) && out.used < len(out.iovs) {
		d := &datagrams[0]
		m := &out.messages[out.prepared]
		if m.hdr.Namelen = 0; !w.connected {
			if m.hdr.Namelen = out.names[out.prepared].put(w.family, d.To, &w.zone); m.hdr.Namelen == 0 {
				return
			}
		}
		n := min(w.run(datagrams), len(out.iovs)-out.used)
		iovs := out.iovs[out.used:out.used]
		for i := range datagrams[:n] {
			iovs = appendIovec(iovs, datagrams[i].Data)
		}
		out.used += len(iovs)
		m.hdr.Iov = nil
		if len(iovs) > 0 {
			m.hdr.Iov = &iovs[0]
		}
		setLen(&m.hdr.Iovlen, len(iovs))
		control, length := &out.controls[out.prepared], 0
		if n > 1 {
			length = control.put(0, syscall.IPPROTO_UDP, optSegment, 2, uint32(len(d.Data)))
		}
		switch {
		case d.ECN == 0:
		case d.To.Addr().Unmap().Is4():
			length = control.put(length, syscall.IPPROTO_IP, optTOS, 4, uint32(d.ECN))
		default:
			length = control.put(length, syscall.IPPROTO_IPV6, optTrafficClass, 4, uint32(d.ECN))
		}
		m.hdr.Control = nil
		if length > 0 {
			m.hdr.Control = &control.b[0]
		}
		m.hdr.SetControllen(length)
		out.sizes[out.prepared] = n
		out.prepared++
		datagrams = datagrams[n:]
	}
}

// run returns how many of the first datagrams one message may carry.
func (w *writer) run(datagrams []Datagram) int {
	first := &datagrams[0]
	size := len(first.Data)
	if size == 0 || size > w.maxGSO {
		return 1
	}
	n := 1
	for total := size; n < min(len(datagrams), MaxSegments); n++ {
		d := &datagrams[n]
		next := len(d.Data)
		if next == 0 || next > size || total+next > maxBytes || d.ECN != first.ECN || d.To != first.To {
			break
		}
		if total += next; next < size {
			return n + 1
		}
	}
	return n
}

// appendIovec adds a datagram, to the last element if it follows it in memory.
func appendIovec(iovs []syscall.Iovec, p []byte) []syscall.Iovec {
	if len(p) == 0 {
		return iovs
	}
	base := unsafe.SliceData(p)
	if k := len(iovs) - 1; k >= 0 {
		last := &iovs[k]
		if uintptr(unsafe.Pointer(last.Base))+uintptr(last.Len) == uintptr(unsafe.Pointer(base)) {
			last.SetLen(int(last.Len) + len(p))
			return iovs
		}
	}
	iovs = append(iovs, syscall.Iovec{Base: base})
	iovs[len(iovs)-1].SetLen(len(p))
	return iovs
}

// sendmmsg sends the messages from number w.n on, counts them there, and tells
// whether that ended: with all, or with one that was refused, for the reason w.err.
func (w *writer) sendmmsg(fd uintptr) bool {
	for out := w.out; w.n < out.prepared; {
		n, errno := out.send(fd, w.n)
		switch errno {
		case 0:
			w.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			w.err = errno
			return true
		}
	}
	return true
}

// maxQuick is how many datagrams go to the system in a call that Go's scheduler does not
// know of, which therefore must not take long: what has to stop all threads, such as garbage
// collection, waits for it. Nor does it have to, as the call never waits.
//
// Where the process was idle, telling it means to wake the thread that watches such calls;
// that one looks again each 20 us until all is idle, and goes to sleep. Without that a
// Listener to which 50 peers send 1 Mbit/s each takes half as much processor time.
const maxQuick = 16

// send makes one attempt to send the messages from one on, and returns how many it did.
func (o *outbox) send(fd uintptr, first int) (sent int, errno syscall.Errno) {
	datagrams := 0
	for _, n := range o.sizes[first:o.prepared] {
		datagrams += n
	}
	var n uintptr
	if datagrams <= maxQuick {
		n, _, errno = syscall.RawSyscall6(sysSendmmsg, fd, uintptr(unsafe.Pointer(&o.messages[first])), uintptr(o.prepared-first), syscall.MSG_DONTWAIT, 0, 0)
	} else {
		n, _, errno = syscall.Syscall6(sysSendmmsg, fd, uintptr(unsafe.Pointer(&o.messages[first])), uintptr(o.prepared-first), syscall.MSG_DONTWAIT, 0, 0)
	}
	return int(n), errno
}

// release lets go of the datagrams.
func (w *writer) release() {
	clear(w.out.iovs[:w.out.used])
	w.out.used = 0
	outboxes.Put(w.out)
	w.out = nil
}
