package sctpnet

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// faulty is a net.Conn that fails on demand.
type faulty struct {
	*netsim.Conn

	mu       sync.Mutex
	writeErr error
	readErr  error
	block    chan struct{} // Write waits until it is closed, or the faulty is
	closed   chan struct{}
	// heedsDeadline says that a write deadline ends a blocked Write.
	heedsDeadline bool
	expired       chan struct{}
	// survives says that Close leaves the netsim.Conn open for another Conn.
	survives bool
	// drop, if set, names packets that are lost, and delay is how long Write takes.
	drop  func([]byte) bool
	delay time.Duration

	reads atomic.Int64
}

func newFaulty(c *netsim.Conn) *faulty {
	return &faulty{Conn: c, closed: make(chan struct{}), expired: make(chan struct{})}
}

func (f *faulty) failWrites(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writeErr = err
}

// failReads makes the Read that waits now, and the next ones, fail; with nil they wait
// again. The deadline, which wakes a Read, is there only while there is an error to say.
func (f *faulty) failReads(err error) {
	if err == nil {
		f.Conn.SetReadDeadline(time.Time{})
	}
	f.mu.Lock()
	f.readErr = err
	f.mu.Unlock()
	if err != nil {
		f.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// blockWrites makes Write block until release is called.
func (f *faulty) blockWrites() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	block := make(chan struct{})
	f.block = block
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.block = nil
		close(block)
	}
}

func (f *faulty) Write(p []byte) (int, error) {
	f.mu.Lock()
	err, block, expired := f.writeErr, f.block, f.expired
	dropped := f.drop != nil && f.drop(p)
	delay := f.delay
	f.mu.Unlock()
	netsim.Elapse(delay)
	switch {
	case err != nil:
		return 0, err
	case dropped:
		return len(p), nil
	}
	if block != nil {
		select {
		case <-block:
		case <-f.closed:
			return 0, net.ErrClosed
		case <-expired:
			return 0, os.ErrDeadlineExceeded
		}
	}
	return f.Conn.Write(p)
}

func (f *faulty) SetWriteDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.heedsDeadline {
		return nil
	}
	if t.IsZero() {
		f.expired = make(chan struct{})
	} else {
		close(f.expired)
	}
	return nil
}

func (f *faulty) Read(p []byte) (int, error) {
	f.reads.Add(1)
	n, err := f.Conn.Read(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.readErr != nil {
		err = f.readErr
	}
	return n, err
}

func (f *faulty) Close() error {
	close(f.closed) // panics if closed twice
	if f.survives {
		f.failReads(net.ErrClosed)
		return nil
	}
	return f.Conn.Close()
}

// connectFaulty returns a pair whose end a has a faulty transport.
func connectFaulty(t *testing.T, cfg Config) (*pair, *faulty) {
	t.Helper()
	p := &pair{t: t}
	p.pa, p.pb = pipe()
	f := newFaulty(p.pa)
	var err error
	if p.b, err = New(p.pb, cfg, false); err != nil {
		t.Fatal(err)
	}
	if p.a, err = New(f, cfg, true); err != nil {
		t.Fatal(err)
	}
	p.established()
	return p, f
}
