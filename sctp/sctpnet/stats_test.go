package sctpnet

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// TestStatsBusy: statistics can be read while somebody else has the lock, and are
// not older than publishInterval when packets come and go.
func TestStatsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		exact := p.a.Stats()
		if exact.State != sctp.Established || exact.Peer != sctp.PeerSluice || exact.OutboundStreams != 65535 || !exact.PartialReliability {
			t.Fatalf("%+v", exact)
		}
		p.a.mu.Lock()
		p.a.watch() // as one does who finds the lock taken
		p.a.mu.Unlock()
		for range 5 {
			if err := p.a.WriteMessage(background, message(1, 1000, 0)); err != nil {
				t.Fatal(err)
			}
			netsim.Elapse(latency + publishInterval)
		}
		exact = p.a.Stats()
		p.a.mu.Lock()
		got := p.a.Stats()
		p.a.mu.Unlock()
		if got.DataChunksSent != 5 || got.DataChunksSent != exact.DataChunksSent {
			t.Fatalf("%+v, exactly %+v", got, exact)
		}
		if st := p.a.StreamStats(1); st != (sctp.StreamStats{}) {
			t.Errorf("%+v", st)
		}
		if ps := p.a.PathStats(); ps.SRTT == 0 || ps.CongestionWindow != exact.CongestionWindow || ps.MTU != exact.MTU {
			t.Errorf("%+v", ps)
		}
	})
}

// TestStatsConcurrent: readers and the packet path at the same time; each copy is
// whole. The race detector watches.
func TestStatsConcurrent(t *testing.T) {
	for _, connect := range []func(testing.TB, Config) (*Conn, *Conn){connectRings, connectSockets} {
		a, b := connect(t, Config{})
		a.mu.Lock()
		a.watch()
		a.mu.Unlock()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				last := uint64(0)
				for {
					st := a.Stats()
					if st.Abandoned.All().Sent+st.Abandoned.All().Unsent != st.MessagesAbandoned || st.DataChunksSent < st.MessagesDelivered {
						t.Errorf("%+v", st)
					}
					if last > st.PacketsSent+1_000_000 {
						t.Errorf("%d packets after %d", st.PacketsSent, last)
					}
					last = st.PacketsSent
					runtime.Gosched()
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		var buf [2048]byte
		for i := range 100 {
			if err := a.WriteMessage(background, message(1, 1000, byte(i))); err != nil {
				t.Fatal(err)
			}
			if _, _, err := b.ReadMessage(background, 1, buf[:]); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		wg.Wait()
	}
}

// TestStatsForward: what a reader gets who finds the lock taken is not older than what
// another got before, and an association on a socket that has ended is seen to have.
func TestStatsForward(t *testing.T) {
	busy := func(c *Conn) sctp.Stats {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.Stats()
	}
	for _, connect := range []func(testing.TB, Config) (*Conn, *Conn){connectRings, connectSockets} {
		a, b := connect(t, Config{})
		for _, c := range []*Conn{a, b} {
			c.mu.Lock()
			c.watch()
			c.mu.Unlock()
		}
		for i := range 50 {
			write(t, a, message(1, 10, byte(i)))
			exact := a.Stats()
			if got := busy(a); got.MessagesSent != exact.MessagesSent || got.DataChunksSent < exact.DataChunksSent {
				t.Fatalf("%d messages in %d chunks, then %d in %d", exact.MessagesSent, exact.DataChunksSent, got.MessagesSent, got.DataChunksSent)
			}
			read(t, b, 1)
		}
		b.Abort("over")
		<-b.Done()
		if got := busy(b); got.State != sctp.Closed {
			t.Errorf("ended, and the figures say %v", got.State)
		}
	}
}

// TestStatsAllocations: publishing allocates nothing.
func TestStatsAllocations(t *testing.T) {
	p := new(published)
	now := time.Unix(1, 0)
	if n := testing.AllocsPerRun(100, func() { p.publish(now, &sctp.Stats{PacketsSent: 1}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestDisplacingWrites: a message that makes room by displacing less important ones
// does not wait for room, nor behind those that do. // 7496-3.2-a
func TestDisplacingWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 10_000, ReceiveBuffer: 4096}})
		defer p.end()
		telemetry := message(1, 3000, 0)
		telemetry.Reliability = sctp.Reliability{LimitPriority: true, Priority: 5}
		for full := 0; full < 2; { // also after the peer has taken what it takes
			if full++; p.a.TryWriteMessage(telemetry) == nil {
				full = 0
			}
			netsim.Elapse(10 * time.Second)
		}
		waiting := result(func() error {
			m := message(2, 9000, 0)
			m.Reliability = sctp.Reliability{LimitRetransmits: true, MaxRetransmits: 100}
			return p.a.WriteMessage(background, m)
		})
		synctest.Wait()
		if err := p.a.TryWriteMessage(telemetry); err != sctp.ErrSendBufferFull {
			t.Fatal(err)
		}
		select {
		case err := <-waiting:
			t.Fatal("there is no room, and yet:", err)
		default:
		}
		before := p.a.Stats()
		soon, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if err := p.a.WriteMessage(soon, message(3, 3000, 0)); err != nil { // as large as what was refused
			t.Fatal(err)
		}
		if n, err := p.a.TryWriteMessages([]sctp.Message{message(3, 10, 0), message(3, 1, 0), {}}); n != 2 || err != sctp.ErrEmptyMessage {
			t.Fatal(n, err)
		}
		if st := p.a.Stats(); st.SendBuffered > 10_000 || st.MessagesSent != before.MessagesSent+3 {
			t.Fatalf("%+v, before %+v", st, before)
		}
		if p.a.TotalBufferedAmount() == 0 {
			t.Fatal("nothing is buffered")
		}
		if n := p.b.AvailableAmount(1); n == 0 || n > 8192 {
			t.Fatalf("%d bytes can be read", n)
		}
		p.a.Abort("")
		<-waiting
	})
}
