package datachannel

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// churnOpen is how many channels of TestChannelChurn are open at a time.
const churnOpen = 10

// Channels opened and closed in turn on one connection, each with a message: identifiers
// are used again, and neither side keeps anything of a channel that is closed
// (8831-6.7-a, PIONS-13). CHANNELS says how many; `make churn` has a million.
func TestChannelChurn(t *testing.T) {
	total := 100_000
	if raceDetector {
		total = 5_000
	}
	if n, err := strconv.Atoi(os.Getenv("CHANNELS")); err == nil {
		total = n
	}
	var received, closed int // callbacks of a session come one at a time
	onChannel := func(ch *Channel) {
		ch.OnMessage(func(Message) { received++ })
		ch.OnClose(func() { closed++ })
	}
	short := func(c *netsim.PipeConfig) { c.AtoB.Latency, c.BtoA.Latency = time.Millisecond, time.Millisecond }
	bubble(t, setup{b: Config{OnChannel: onChannel}, link: short}, func(t *testing.T, p *pair) {
		p.churn(total / 10) // pools and tables are filled
		before := heapInUse()
		p.churn(total - total/10)
		grown := int64(heapInUse()) - int64(before)
		t.Logf("%d channels: %d bytes of heap grew by %d", total, before, grown)
		if !raceDetector && grown > 64<<10 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		if received != total || closed != total {
			t.Errorf("%d messages and %d closings of %d", received, closed, total)
		}
		for _, s := range []*Session{p.a, p.b} {
			st := s.Stats()
			if len(s.streams) != 0 || len(s.ids.words) > 1 || len(st.Channels) != 0 {
				t.Errorf("%d streams and %d channels are left, identifiers went up to %d", len(s.streams), len(st.Channels), 64*len(s.ids.words))
			}
			if st.ChannelsOpened != uint64(total) || st.ChannelsClosed != uint64(total) {
				t.Errorf("%d opened, %d closed", st.ChannelsOpened, st.ChannelsClosed)
			}
		}
	})
}

// churn opens n channels on a, churnOpen at a time, sends a message on each, closes it
// and waits until it is closed.
func (p *pair) churn(n int) {
	p.t.Helper()
	var all sync.WaitGroup
	for range churnOpen {
		all.Go(func() {
			for range n / churnOpen {
				ch, err := p.a.CreateChannel("in turn", nil)
				if err != nil {
					p.t.Error(err)
					return
				}
				closed := make(chan struct{})
				ch.OnClose(func() { close(closed) })
				if err := ch.SendText("message"); err != nil {
					p.t.Error(err)
				}
				ch.Close()
				<-closed
			}
		})
	}
	all.Wait()
	settle()
}

// heapInUse returns the bytes that are reachable.
func heapInUse() uint64 {
	synctest.Wait()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
