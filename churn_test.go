package sluice

import (
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/sluice-rtc/sluice/datachannel"
)

// Channels that are opened and closed in turn on one connection leave nothing with either side: neither
// memory nor statistics (8831-6.7-a, stats-pc, PIONS-13). The million is run in package datachannel.
func TestChannelsInTurn(t *testing.T) {
	total := 20_000
	if raceDetector {
		total = 1_000
	}
	synctest.Test(t, func(t *testing.T) {
		p := newVirtualPair(t)
		closed := 0 // callbacks come one at a time
		p.b.OnDataChannel(func(ch *datachannel.Channel) {
			ch.OnMessage(func(datachannel.Message) {})
			ch.OnClose(func() { closed++ })
		})
		p.channel(p.a)
		p.connect()
		turns := func(n int) (heap uint64) {
			const together = 50
			for range n / together {
				var all [together]*datachannel.Channel
				for i := range all {
					all[i] = p.channel(p.a)
					must(t, all[i].SendText("in turn"))
					must(t, all[i].Close())
				}
				for _, ch := range all {
					<-ch.Done()
				}
			}
			p.settle()
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := turns(total / 2) // pools and tables are filled
		grown := int64(turns(total/2)) - int64(before)
		t.Logf("%d bytes of heap grew by %d", before, grown)
		if !raceDetector && grown > 128<<10 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		if closed != total {
			t.Errorf("%d of %d channels were closed at the other side", closed, total)
		}
		for _, pc := range []*PeerConnection{p.a, p.b} {
			s := pc.Stats()
			if len(s.DataChannels) != 1 || s.PeerConnection.DataChannelsClosed != uint64(total) {
				t.Errorf("%d channels are left, %d were closed", len(s.DataChannels), s.PeerConnection.DataChannelsClosed)
			}
		}
	})
}
