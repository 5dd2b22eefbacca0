package sctpnet

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline
		state := func(want bool) {
			t.Helper()
			synctest.Wait()
			closed := false
			select {
			case <-d.wait():
				closed = true
			default:
			}
			if closed != want || d.hasPassed() != want {
				t.Fatalf("passed: channel %v, state %v, want %v", closed, d.hasPassed(), want)
			}
		}
		state(false)
		early := d.wait()
		d.set(time.Now().Add(time.Second))
		state(false)
		netsim.Elapse(500 * time.Millisecond)
		d.set(time.Now().Add(time.Second)) // moved away
		netsim.Elapse(900 * time.Millisecond)
		state(false)
		netsim.Elapse(100 * time.Millisecond)
		state(true)
		<-early // a call that waited all the time hears of it
		d.set(time.Time{})
		state(false)
		d.set(time.Now().Add(-time.Second))
		state(true)
		d.set(time.Now())
		state(true)
		d.set(time.Now().Add(time.Second))
		state(false)
		d.stop()
		netsim.Elapse(2 * time.Second)
		state(false)
	})
}
