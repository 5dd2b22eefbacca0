package dtlsrecord

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A flight that nobody answers is repeated quickly some times, then at growing distance;
// the next flight begins again.
func TestRepeatsThinOut(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var sent []time.Duration
		s := New(Config{Client: true, DTLS: dtlsConfig(t), Send: func([][]byte) (int, error) {
			sent = append(sent, time.Since(start))
			return 0, nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := s.Handshake(ctx); err == nil {
			t.Fatal("a handshake with nobody")
		}
		want := []time.Duration{0, 50 * ms, 100 * ms, 150 * ms, 200 * ms, 300 * ms, 500 * ms, 900 * ms, 1700 * ms, 2700 * ms, 3700 * ms}
		if len(sent) < len(want) || !slices.Equal(sent[:len(want)], want) || len(sent) > 40 {
			t.Errorf("sent %d times, at %v", len(sent), sent)
		}
	})
}

func TestRepeats(t *testing.T) {
	const ms = time.Millisecond
	hello := func(numbers ...byte) (d []byte) {
		for _, n := range numbers {
			d = append(d, typeHandshake, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, messageHeader, 1, 0, 0, 0, 0, n, 0, 0, 0, 0, 0, 0)
		}
		return d
	}
	alert := []byte{typeAlert, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40}
	var r repeats
	now := time.Unix(0, 0)
	for _, step := range []struct {
		after    time.Duration
		datagram []byte
		want     bool
	}{
		{0, hello(0), true},
		{50 * ms, hello(0), true}, {50 * ms, hello(0), true}, {50 * ms, hello(0), true}, {50 * ms, hello(0), true},
		{50 * ms, hello(0), false},
		{0, alert, true}, // whatever else is sent
		{0, []byte{1}, true},
		{50 * ms, hello(0), true},
		{1 * ms, hello(1, 2), true}, {0, hello(3), true}, // the next flight, in two datagrams
		{50 * ms, hello(1, 2), true}, {0, hello(3), true},
		{50 * ms, hello(1, 2), true}, {50 * ms, hello(1, 2), true}, {50 * ms, hello(1, 2), true},
		{51 * ms, hello(1, 2), false}, {0, hello(3), false}, // both or none
		{49 * ms, hello(1, 2), true}, {1 * ms, hello(3), true},
	} {
		now = now.Add(step.after)
		if got := r.allow(50*ms, now, step.datagram); got != step.want {
			t.Errorf("at %v: %v", now.Sub(time.Unix(0, 0)), got)
		}
	}
}
