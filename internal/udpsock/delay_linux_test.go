package udpsock

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestDelayed: a socket in which datagrams gather does all that others do.
func TestDelayed(t *testing.T) {
	testDelay = 100 * time.Microsecond
	defer func() { testDelay = 0 }()
	for name, test := range map[string]func(*testing.T){
		"Batches": TestBatches, "RefusedDatagram": TestRefusedDatagram, "PortUnreachable": TestPortUnreachable, "Closed": TestSocketClosed,
		"OtherFamily": TestOtherFamily, "Allocs": TestSocketAllocs, "ManyPeers": TestManyPeers, "ECN": TestECN, "ReadSlots": TestReadSlots,
		"SegmentsTooLarge": TestSegmentsTooLarge,
	} {
		t.Run(name, test)
	}
}

// TestDelayGathers: where datagrams come quickly one after the other they are read together, and the first
// after a while is read at once, as is one while nothing is delayed.
func TestDelayGathers(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	const delay = 500 * time.Millisecond
	if err := b.DelayReceive(delay); err != nil {
		t.Fatal(err)
	}
	d := b.PacketConn.(*delayed)
	in := &b.carrier.(*batching).in
	steps, attempt := make(chan int), in.attempt // datagrams read; 0: the socket was found empty
	in.attempt = func(fd uintptr) bool {
		took := attempt(fd)
		if !took {
			steps <- 0
		}
		return took
	}
	go func() {
		defer close(steps)
		for {
			runs, err := b.Receive()
			if err != nil {
				return
			}
			n := 0
			for i := range runs {
				for range runs[i].Datagrams() {
					n++
				}
			}
			steps <- n
		}
	}()
	send := func() {
		if _, err := a.Send(to(at(b), numbered([]int{100}, true))); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want int) { // until it is empty
		t.Helper()
		got := 0
		for n := <-steps; n > 0; n = <-steps {
			got += n
		}
		if got != want {
			t.Errorf("%d datagrams together, want %d", got, want)
		}
	}
	expect(0)
	for range 2 { // the second says that they come quickly
		send()
		expect(1)
	}
	for range 5 {
		send()
	}
	expect(5) // after a pause; another begins
	expect(0) // so the next does not wait
	send()
	expect(1)
	if d.Close(); <-steps != 0 {
		t.Error("something came after Close")
	}
}

// TestDelayByItsOwnClock: pauses end whatever the clock of the process says, which stands still in a bubble of synctest
// while goroutines wait for the system.
func TestDelayByItsOwnClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
		if err := b.DelayReceive(time.Millisecond); err != nil {
			t.Fatal(err)
		}
		in := &b.carrier.(*batching).in
		attempt := in.attempt
		in.attempt = func(fd uintptr) bool { // the next comes when the socket was found empty
			took := attempt(fd)
			if !took {
				if _, err := a.Send(to(at(b), numbered([]int{100}, true))); err != nil {
					t.Error(err)
				}
			}
			return took
		}
		for range 10 {
			if _, err := b.Receive(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestDelayCloses: nothing is left of a socket that was closed, whatever its goroutine is at, and what comes after is refused.
func TestDelayCloses(t *testing.T) {
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	a := newTestSocket(t, loopback[0])
	before := descriptors()
	for i := range 20 {
		b := newTestSocket(t, loopback[0])
		if err := b.DelayReceive(time.Duration(1+i%3*1000) * time.Microsecond); err != nil {
			t.Fatal(err)
		}
		where := to(at(b), numbered(repeated(10, 100), true))
		ended := make(chan error)
		go func() {
			for {
				if _, err := b.Receive(); err != nil {
					ended <- err
					return
				}
			}
		}()
		for _, d := range where[:i%10] {
			_, _ = a.Send([]Datagram{d})
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		for name, err := range map[string]error{"SetDontFragment": b.SetDontFragment(true), "SetDSCP": b.SetDSCP(1), "Close": b.Close()} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}

// TestDelayWaitsForRoom: a socket that has no room for what it is to send waits, and Close ends that.
func TestDelayWaitsForRoom(t *testing.T) {
	s := newTestSocket(t, loopback[0])
	if err := s.DelayReceive(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	d := s.PacketConn.(*delayed)
	tries := 0
	if err := d.Write(func(fd uintptr) bool { tries++; return tries == 3 }); err != nil || tries != 3 {
		t.Errorf("%d tries, %v", tries, err)
	}
	began := make(chan bool, 1)
	ended := make(chan error)
	go func() {
		ended <- d.Write(func(uintptr) bool {
			select {
			case began <- true:
			default:
			}
			return false
		})
	}()
	<-began
	d.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestDelayFails: without descriptors the socket stays as it was.
func TestDelayFails(t *testing.T) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Skip(err)
	}
	s := newTestSocket(t, loopback[0])
	var next uintptr
	s.carrier.(*batching).raw.Control(func(fd uintptr) { next = fd + 1 })
	for more := uint64(0); more < 4; more++ {
		few := was
		few.Cur = uint64(next) + more
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
			t.Skip(err)
		}
		err := s.DelayReceive(time.Millisecond)
		if e := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); e != nil {
			t.Fatal(e)
		}
		if err == nil {
			if more == 0 {
				t.Error("it needs no descriptor")
			}
			break
		}
		if !errors.Is(err, syscall.EMFILE) {
			t.Error(err)
		}
		if _, err := s.Send(to(at(s), numbered([]int{10}, true))); err != nil {
			t.Fatal(err)
		}
		collect(t, s, 1, at(s))
	}
}
