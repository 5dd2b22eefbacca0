package bench

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// memory is one end of a transport in memory as our own sockets are one: a goroutine
// brings what came in together, batches go out as they lie. It protects nothing.
type memory struct {
	net.Conn // nil: for the methods that are not called
	peer     *memory

	mu      sync.Mutex
	arrived sync.Cond
	queue   []*parcel
	free    []*parcel
	closed  bool
}

// A parcel is a batch on its way.
type parcel struct {
	buf     []byte
	sizes   []int
	packets [][]byte
}

var (
	_ sctpnet.PacketSource  = (*memory)(nil)
	_ sctpnet.InPlaceWriter = (*memory)(nil)
)

// maxParcels bounds what is on its way; more is lost.
const maxParcels = 64

func newMemory() (a, b *memory) {
	a, b = new(memory), new(memory)
	a.peer, b.peer = b, a
	a.arrived.L, b.arrived.L = &a.mu, &b.mu
	return a, b
}

func (m *memory) Room() (before, after int) { return roomBefore, roomAfter }

func (m *memory) WriteInPlace(frames [][]byte) (lost int, err error) {
	p := m.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.queue) == maxParcels {
		return len(frames), nil
	}
	var at *parcel
	if n := len(p.free); n > 0 {
		at, p.free = p.free[n-1], p.free[:n-1]
	} else {
		at = new(parcel)
	}
	at.buf, at.sizes = at.buf[:0], at.sizes[:0]
	for _, f := range frames {
		at.buf, at.sizes = append(at.buf, f...), append(at.sizes, len(f))
	}
	p.queue = append(p.queue, at)
	p.arrived.Signal()
	return 0, nil
}

func (m *memory) Receive(f func(packets [][]byte, err error)) {
	if f != nil {
		go m.run(f)
	}
}

func (m *memory) run(f func(packets [][]byte, err error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		for len(m.queue) == 0 && !m.closed {
			m.arrived.Wait()
		}
		if m.closed {
			return
		}
		p := m.queue[0]
		m.queue = append(m.queue[:0], m.queue[1:]...)
		m.mu.Unlock()
		p.packets = p.packets[:0]
		for b, i := p.buf, 0; i < len(p.sizes); i++ {
			p.packets = append(p.packets, b[roomBefore:p.sizes[i]-roomAfter])
			b = b[p.sizes[i]:]
		}
		f(p.packets, nil)
		m.mu.Lock()
		m.free = append(m.free, p)
	}
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.arrived.Signal()
	return nil
}

func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }
func (m *memory) SetDontFragment(bool) error       { return nil }

// connectMemory returns both ends of a data channel over memory.
func connectMemory(t testing.TB, cfg datachannel.Config) (a, b *datachannel.Channel) {
	t.Helper()
	ma, mb := newMemory()
	sa, err := datachannel.New(ma, cfg, datachannel.Params{DTLSClient: true})
	if err != nil {
		t.Fatal(err)
	}
	sb, err := datachannel.New(mb, cfg, datachannel.Params{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sa.Abort("")
		sb.Abort("")
	})
	if a, err = sa.CreateChannel("bench", nil); err != nil {
		t.Fatal(err)
	}
	if b, err = sb.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a, b
}
