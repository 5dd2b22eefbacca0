package sctpnet

import (
	"bytes"
	"net"
	"sync/atomic"
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// A gathering is a ring with ReadBatch. What it returned before it overwrites.
type gathering struct {
	*ring
	bufs    [256][2048]byte
	batch   [][]byte
	largest atomic.Int32
	writes  atomic.Int32
}

func (g *gathering) Read([]byte) (int, error) { panic("Read of a net.Conn that reads batches") }

func (g *gathering) Write(p []byte) (int, error) {
	g.writes.Add(1)
	return g.ring.Write(p)
}

func (g *gathering) ReadBatch() ([][]byte, error) {
	for _, b := range g.batch {
		clear(b)
	}
	s := g.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.n == 0 && !s.closed {
		s.cond.Wait()
	}
	if s.closed {
		return nil, net.ErrClosed
	}
	g.batch = g.batch[:0]
	for ; s.n > 0; s.n-- {
		b := &g.bufs[len(g.batch)]
		g.batch = append(g.batch, b[:copy(b[:], s.buf[s.head][:s.size[s.head]])])
		s.head = (s.head + 1) % len(s.buf)
	}
	g.largest.Store(max(g.largest.Load(), int32(len(g.batch))))
	return g.batch, nil
}

// connectGatherings connects two Conns over such, the window of which the rings have room for.
func connectGatherings(t testing.TB, cfg Config) (a, b *Conn) {
	cfg.SCTP.ReceiveBuffer = 100 << 10
	ra, rb := newRings()
	return connectOver(t, &gathering{ring: ra}, &gathering{ring: rb}, cfg)
}

// TestBatchReader: of what comes in together each maxBatch packets are answered together,
// and nothing of it is kept.
func TestBatchReader(t *testing.T) {
	a, b := connectGatherings(t, Config{SCTP: sctp.Config{MaxMTU: -1}})
	const messages, size = 100, 100000
	sent := result(func() error {
		for i := range messages {
			if err := a.WriteMessage(background, message(1, size, byte(i))); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range messages {
		if got, want := read(t, b, 1), message(1, size, byte(i)).Payload; !bytes.Equal(got, want) {
			t.Fatalf("message %d: got %d bytes, or others", i, len(got))
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	from, to := a.nc.(*gathering), b.nc.(*gathering)
	if n := to.largest.Load(); n < 3 {
		t.Errorf("at most %d packets came in together", n)
	}
	if packets, answers := from.writes.Load(), to.writes.Load(); answers >= packets*2/3 { // half after pauses
		t.Errorf("%d packets for %d", answers, packets)
	}
}

// TestBatchReaderLeaves: who took over from a reader that is stuck has the packets, too; it does
// not go on with them.
func TestBatchReaderLeaves(t *testing.T) {
	a, _ := connectGatherings(t, Config{})
	a.mu.Lock()
	defer a.mu.Unlock()
	in := &incoming{packets: make([][]byte, maxBatch+1)}
	for i := range in.packets {
		in.packets[i] = []byte{1}
	}
	for turn, want := range map[int]int{a.reader.turn: len(in.packets), a.reader.turn - 1: maxBatch} {
		before := a.assoc.Stats().PacketsReceived
		a.takeAll(a.now, turn, in)
		if n := int(a.assoc.Stats().PacketsReceived - before); n != want {
			t.Errorf("took %d packets, want %d of %d", n, want, len(in.packets))
		}
	}
}
