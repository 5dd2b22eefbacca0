package bench

import (
	"fmt"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sluice-rtc/sluice/sctp"
)

// The devices of scaleTelemetry: 50 associations that send 1 Mbit/s each, as devices do: to the Listener, a reading in a
// packet of its own now and then, which is the costliest way.
const telemetryDevices, telemetrySize, telemetrySeconds = 50, 1150, 5

// scaleTelemetry: what they cost, also where they may wait, and what their datagrams do alone.
func scaleTelemetry(t *testing.T) {
	const n, size, seconds = telemetryDevices, telemetrySize, telemetrySeconds
	table(t, fmt.Sprintf("%d associations that send 1 Mbit/s each to one Listener, messages of %d bytes, a packet each, over loopback", n, size),
		"messages/s", "listening end, % of a core", "us for a message", "times a second that a thread goes to sleep", "sending end, % of a core", "us for a message")
	f := fleet{N: n, Size: size, Rate: n * 1e6 / 8 / size, Seconds: seconds}
	const delay = 5 * time.Millisecond
	delays := telemetryRow(t, "sctpnet.Listen, sctpnet.Dial", f, 0)
	delayed := telemetryRow(t, fmt.Sprintf("the same, ReceiveDelay: %v", delay), f, delay)
	bareRow(t, "the datagrams alone: a thread with recvmmsg, each second one answered with sendmmsg", f, 0)
	bareRow(t, fmt.Sprintf("the same, asleep for %v after each time", delay), f, delay)
	table(t, "How long a message is on its way: % within", delays.columns()...)
	row(t, fmt.Sprintf("%d associations, %d Mbit/s", n, n), delays.cells()...)
	row(t, fmt.Sprintf("the same, ReceiveDelay: %v", delay), delayed.cells()...)
}

// telemetryRow has the fleet send to a Listener, and returns how long messages took.
func telemetryRow(t *testing.T, name string, f fleet, delay time.Duration) histogram {
	h := newHarvest(t, f.N, sctp.Config{MaxMTU: -1}, delay)
	defer h.end()
	f.Addr, f.Sockets = h.Addr().String(), true
	l := f.launch(t)
	h.accept(t, f.N)
	l.connected(t)
	report := telemetryCost(t, name, f)
	r := l.work(t)
	messages, delays := h.take()
	report(messages, r)
	return delays
}

// telemetryCost begins to measure, and returns what writes a row.
func telemetryCost(t *testing.T, name string, f fleet) func(messages int, r fleetResult) {
	cpu, sleeps := cpuTime(), sleepCount()
	return func(messages int, r fleetResult) {
		cpu, sleeps := cpuTime()-cpu, sleepCount()-sleeps
		row(t, name, fmt.Sprintf("%.0f", float64(messages)/f.Seconds),
			fmt.Sprintf("%.1f", 100*cpu.Seconds()/f.Seconds), fmt.Sprintf("%.1f", 1e6*cpu.Seconds()/float64(messages)),
			fmt.Sprintf("%.0f", float64(sleeps)/f.Seconds),
			fmt.Sprintf("%.1f", 100*r.CPU/f.Seconds), fmt.Sprintf("%.1f", 1e6*r.CPU/float64(r.Sent)))
	}
}

// sleepCount returns how often threads of the process have given up the processor to wait.
func sleepCount() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return int64(u.Nvcsw)
}

// A bareSocket takes datagrams as cheaply as the system allows: a thread of its own, of which Go's scheduler hears
// nothing, reads what is there with one call, answers half of it with another, and does nothing else.
type bareSocket struct {
	fd       int
	messages int
	ended    chan struct{}
}

// mmsghdr is that of recvmmsg(2).
type mmsghdr struct {
	hdr syscall.Msghdr
	n   uint32
}

const (
	bareBatch = 64
	bareData  = telemetrySize + 12 + 16 // with the headers of a packet and of a DATA chunk
	bareSACK  = 12 + 16
)

func newBareSocket(t *testing.T) (s *bareSocket, at string) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<20)
	// As sctpnet has it once the MTU of the path is known: the DF bit is set, and the system need not choose identifiers.
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE); err != nil {
		t.Fatal(err)
	}
	patience := syscall.NsecToTimeval(int64(10 * time.Millisecond)) // a garbage collection waits as long
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &patience); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := name.(*syscall.SockaddrInet4)
	return &bareSocket{fd: fd, ended: make(chan struct{})}, net.JoinHostPort(net.IP(addr.Addr[:]).String(), fmt.Sprint(addr.Port))
}

// run takes datagrams until an empty one comes.
func (s *bareSocket) run(wait time.Duration) {
	defer close(s.ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var in, out [bareBatch]mmsghdr
	var iovs, answers [bareBatch]syscall.Iovec
	var names [bareBatch]syscall.RawSockaddrInet4
	buf, sack := make([]byte, bareBatch*2048), make([]byte, bareSACK)
	for i := range in {
		iovs[i].Base = &buf[2048*i]
		iovs[i].SetLen(2048)
		answers[i].Base = &sack[0]
		answers[i].SetLen(len(sack))
		in[i].hdr.Name, in[i].hdr.Iov, in[i].hdr.Iovlen = (*byte)(unsafe.Pointer(&names[i])), &iovs[i], 1
		out[i].hdr.Iov, out[i].hdr.Iovlen, out[i].hdr.Namelen = &answers[i], 1, syscall.SizeofSockaddrInet4
	}
	pause := syscall.NsecToTimespec(int64(wait))
	for {
		for i := range in {
			in[i].hdr.Namelen = syscall.SizeofSockaddrInet4
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&in)), bareBatch, msgWaitForOne, 0, 0)
		if errno == syscall.EINTR || errno == syscall.EAGAIN {
			continue
		}
		if errno != 0 {
			return
		}
		k := 0
		for i := range in[:n] {
			if in[i].n == 0 {
				return
			}
			if s.messages++; s.messages%2 == 0 {
				out[k].hdr.Name = in[i].hdr.Name
				k++
			}
		}
		if k > 0 {
			syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&out)), uintptr(k), 0, 0, 0)
		}
		if wait > 0 {
			syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
		}
	}
}

const msgWaitForOne = 0x10000

// bareRow has the fleet send to a bareSocket.
func bareRow(t *testing.T, name string, f fleet, wait time.Duration) {
	s, at := newBareSocket(t)
	defer syscall.Close(s.fd)
	f.Addr, f.Bare, f.Sockets, f.Size = at, true, true, bareData
	l := f.launch(t)
	l.connected(t)
	go s.run(wait)
	report := telemetryCost(t, name, f)
	r := l.work(t)
	s.end(t, at)
	report(s.messages, r)
}

// end ends run.
func (s *bareSocket) end(t *testing.T, at string) {
	c, err := net.Dial("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write(nil)
	<-s.ended
}
