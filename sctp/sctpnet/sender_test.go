package sctpnet

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// TestDrainPackets: the first packets leave with the calls that give rise to them; those
// of a stream of calls leave together, however long a write takes.
func TestDrainPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := connectFaulty(t, Config{})
		defer p.end()
		netsim.Elapse(time.Second)
		var packets atomic.Int32
		full := make(chan struct{})
		f.mu.Lock()
		f.drop = func([]byte) bool {
			if packets.Add(1) > drainAfter {
				<-full
			}
			return false
		}
		f.mu.Unlock()
		for i := range drainAfter {
			write(t, p.a, message(1, 50, byte(i)))
			if n := packets.Load(); n != int32(i+1) {
				t.Errorf("%d packets after %d calls", n, i+1)
			}
		}
		for i := range 100 {
			write(t, p.a, message(1, 50, byte(drainAfter+i)))
		}
		close(full)
		for i := range drainAfter + 100 {
			if got := read(t, p.b, 1); got[0] != byte(i) {
				t.Errorf("message %d is %d", i, got[0])
			}
		}
		if n := packets.Load(); n > 20 {
			t.Errorf("%d packets", n)
		}
	})
}

// TestSendingGoroutineEnds: a transport that has blocked in Write once gets a goroutine, which
// ends when it has not blocked for a while; for twice as long the next time.
func TestSendingGoroutineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := connectFaulty(t, Config{})
		defer p.end()
		state := func() (own bool, holds int) {
			synctest.Wait()
			p.a.mu.Lock()
			defer p.a.mu.Unlock()
			return p.a.sender.own, p.a.life.holds
		}
		round := func() {
			write(t, p.a, message(1, 50, 0))
			read(t, p.b, 1)
		}
		for patience := firstPatience; patience <= 2*maxPatience; patience *= 2 {
			_, holds := state()
			release := f.blockWrites()
			stuck := result(func() error { return p.a.WriteMessage(background, message(1, 50, 0)) })
			netsim.Elapse(2 * stallTime)
			if own, _ := state(); !own {
				t.Fatal("nobody takes over from a call that is stuck")
			}
			release()
			if err := <-stuck; err != nil {
				t.Error(err)
			}
			read(t, p.b, 1)
			least := min(patience, maxPatience)
			for began := time.Now(); time.Since(began) < least-2*latency; {
				round()
				if own, _ := state(); !own {
					t.Errorf("after %v it ended too soon", time.Since(began))
				}
			}
			netsim.Elapse(4 * latency)
			round()
			if own, _ := state(); own {
				t.Errorf("after %v nothing has ended", least)
			}
			round()
			netsim.Elapse(time.Second) // for the SACK
			if _, n := state(); n > holds {
				t.Errorf("%d holds, %d before", n, holds)
			}
		}
	})
}
