package sctpnet

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// TestTimer: a timer fires no later than the earliest deadline that it is told, and once for each
// call that it says is to come; one that is due soon, and need not be, is put off.
func TestTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu      sync.Mutex // but for waiting, the test's
			tm      timer
			began   = time.Now()
			pending int
			fired   []time.Duration
		)
		mu.Lock()
		defer mu.Unlock()
		tm.init(func() {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			fired = append(fired, now.Sub(began))
			pending--
			tm.fired(now)
		})
		set := func(ms time.Duration) { pending += tm.set(time.Now(), began.Add(ms*time.Millisecond)) }
		to := func(ms time.Duration) {
			mu.Unlock()
			defer mu.Lock()
			netsim.Elapse(time.Until(began.Add(ms * time.Millisecond)))
			synctest.Wait()
		}
		set(20)
		set(30) // left alone
		to(10)
		set(40)
		to(13)
		set(40) // put off
		to(33)
		set(80) // and again
		to(79)
		if len(fired) != 0 || pending != 1 {
			t.Errorf("fired at %v, %d pending", fired, pending)
		}
		set(81) // not worth it
		to(80)
		set(100)
		pending += tm.fire(time.Now())
		set(200) // urgent is urgent
		to(81)
		set(85)
		to(200)
		want := []time.Duration{80 * time.Millisecond, 80 * time.Millisecond, 85 * time.Millisecond}
		if len(fired) != len(want) || fired[0] != want[0] || fired[1] != want[1] || fired[2] != want[2] || pending != 0 {
			t.Errorf("fired at %v, want %v; %d pending", fired, want, pending)
		}
		set(300)
		pending -= tm.stop()
		to(400)
		if len(fired) != len(want) || pending != 0 {
			t.Errorf("fired at %v once stopped, %d pending", fired, pending)
		}
	})
}

// TestReaderPostpones: as long as packets come in, a deadline that moves with them does not have the timer of the socket fire:
// that of a delayed SACK, which leaves with the next packet.
func TestReaderPostpones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := beginTalk(t)
		s := p.server.sock
		due := func() time.Time {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.timer.at
		}
		for range 300 { // what is left of the beginning comes up
			write(t, p.client, message(2, 64, 0))
			netsim.Elapse(time.Millisecond)
		}
		fires := 0
		for range 1000 {
			write(t, p.client, message(2, 64, 0))
			at := due()
			netsim.Elapse(time.Millisecond)
			if due(); !at.After(time.Now()) {
				fires++
			}
		}
		if fires > 0 {
			t.Errorf("in a second the timer fired %d times", fires)
		}
		p.end()
	})
}
