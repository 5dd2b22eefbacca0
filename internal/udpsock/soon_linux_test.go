package udpsock

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestReceiveSoon: what is there, or comes within the time of a tick, is received; else nothing is, and soon.
func TestReceiveSoon(t *testing.T) {
	for _, coalescing := range []bool{false, true} {
		a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
		if coalescing {
			if _, err := a.Send(to(at(b), numbered(repeated(maxSlots, 100), true))); err != nil {
				t.Fatal(err)
			}
			collect(t, b, maxSlots, at(a))
		}
		soon := func() int {
			began := time.Now()
			runs, err := b.ReceiveSoon()
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 10*time.Second { // of a machine that is busy: it does end
				t.Errorf("it took %v", took)
			}
			n := 0
			for i := range runs {
				if runs[i].From != at(a) {
					t.Errorf("from %v, want %v", runs[i].From, at(a))
				}
				n += runs[i].Count()
			}
			return n
		}
		send := func(n int) {
			if _, err := a.Send(to(at(b), numbered(repeated(n, 100), true))); err != nil {
				t.Error(err)
			}
		}
		if got := soon(); got != 0 {
			t.Errorf("%d datagrams out of nothing", got)
		}
		if send(1); soon() != 1 {
			t.Error("what was there is not received")
		}
		sent := make(chan bool)
		go func() {
			send(1)
			close(sent)
		}()
		for soon() == 0 {
		}
		<-sent
		send(20) // the others are received as ever
		collect(t, b, 20-soon(), at(a))

		// A deadline that has passed is heeded, and those who do not wait still do not.
		if err := b.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		for _, receive := range []func() ([]Run, error){b.ReceiveSoon, b.Receive} {
			if _, err := receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		}
	}
}

// TestReceiveSoonCloses: a socket that is closed meanwhile says so, after two ticks at the latest.
func TestReceiveSoonCloses(t *testing.T) {
	for range 20 {
		b := newTestSocket(t, loopback[0])
		began, ended := make(chan bool), make(chan error)
		go func() {
			close(began)
			for {
				if _, err := b.ReceiveSoon(); err != nil {
					ended <- err
					return
				}
			}
		}()
		<-began
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

// TestReceiveSoonAllocs: nor does it allocate.
func TestReceiveSoonAllocs(t *testing.T) {
	a, b := newTestSocket(t, loopback[0]), newTestSocket(t, loopback[0])
	out := to(at(b), numbered(repeated(1, 100), true))
	round := func() {
		if _, err := a.Send(out); err != nil {
			t.Fatal(err)
		}
		for runs, err := b.ReceiveSoon(); len(runs) == 0; runs, err = b.ReceiveSoon() {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	round()
	if n := testing.AllocsPerRun(200, round); n >= 1 { // a pool may have been emptied
		t.Errorf("%v allocations", n)
	}
}
