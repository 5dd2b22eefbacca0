package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// An end is one end of a connected pair.
type end interface {
	// send sends a message, of which it takes a copy, and waits for room.
	send(stream int, p []byte) error
	// receive calls f with each message from now on, in order on each stream; on
	// other goroutines, for several streams at once. f may send.
	receive(f func(stream int, p []byte))
	close()
}

// A sink checks the messages that arrive: each begins and ends with its number on its
// stream.
type sink struct {
	size     int
	next     []uint64 // of each stream
	messages atomic.Int64
	wanted   atomic.Int64 // messages, once the last is sent
	done     chan struct{}
	bad      chan string
}

func newSink(j job) *sink {
	k := &sink{size: j.size, next: make([]uint64, j.streams), done: make(chan struct{}, 1), bad: make(chan string, 1)}
	k.wanted.Store(-1)
	return k
}

func stamp(p []byte, n uint64) {
	binary.BigEndian.PutUint64(p[len(p)-8:], n)
	binary.BigEndian.PutUint64(p, n)
}

func (k *sink) take(stream int, p []byte) {
	n := k.next[stream]
	if len(p) != k.size || binary.BigEndian.Uint64(p) != n || binary.BigEndian.Uint64(p[len(p)-8:]) != n {
		select {
		case k.bad <- fmt.Sprintf("on stream %d not message %d of %d bytes, but %d bytes", stream, n, k.size, len(p)):
		default:
		}
		return
	}
	k.next[stream]++
	if k.messages.Add(1) == k.wanted.Load() {
		k.finish()
	}
}

func (k *sink) finish() {
	select {
	case k.done <- struct{}{}:
	default:
	}
}

// await waits until so many messages have arrived in all.
func (k *sink) await(messages int64) error {
	k.wanted.Store(messages)
	if k.messages.Load() == messages {
		k.finish()
	}
	select {
	case <-k.done:
		k.wanted.Store(-1)
		select { // a second word of the same
		case <-k.done:
		default:
		}
		return nil
	case bad := <-k.bad:
		return errors.New(bad)
	case <-time.After(20 * time.Second):
		return fmt.Errorf("%d messages arrived of %d", k.messages.Load(), messages)
	}
}

// bulk sends messages one way, on the streams in turn.
func bulk(connect func(int) (a, b end, err error), j job) (report, error) {
	a, b, err := connect(j.streams)
	if err != nil {
		return nil, err
	}
	defer a.close()
	defer b.close()
	k := newSink(j)
	b.receive(k.take)
	p := make([]byte, j.size)
	sent := int64(0)
	send := func(d time.Duration) error {
		for deadline := time.Now().Add(d); time.Now().Before(deadline); sent++ {
			stamp(p, uint64(sent)/uint64(j.streams))
			if err := a.send(int(sent)%j.streams, p); err != nil {
				return err
			}
		}
		return k.await(sent)
	}
	if err := send(warmUp(j)); err != nil {
		return nil, err
	}
	before, m := sent, start()
	if err := send(j.duration); err != nil {
		return nil, err
	}
	return m.stop(sent-before, (sent-before)*int64(j.size)), nil
}

// warmUp returns how long to work before measuring.
func warmUp(j job) time.Duration { return min(j.duration/3, 200*time.Millisecond) }

// pingPong sends a message there and back. What came back is answered where it is
// received, so that no further goroutine takes part.
func pingPong(connect func(int) (a, b end, err error), j job) (report, error) {
	a, b, err := connect(1)
	if err != nil {
		return nil, err
	}
	defer a.close()
	defer b.close()
	failed := make(chan error, 4)
	b.receive(func(stream int, p []byte) {
		if err := b.send(stream, p); err != nil {
			failed <- err
		}
	})
	return bounce(a, j, failed)
}

// bounce measures messages from a to an end that answers, and back.
func bounce(a end, j job, failed chan error) (report, error) {
	check := func(err error) {
		if err != nil {
			failed <- err
		}
	}
	var (
		p        = make([]byte, j.size)
		times    = make([]time.Duration, 0, 1<<20)
		n        uint64
		sentAt   time.Time
		warm     = time.Now().Add(warmUp(j))
		deadline = warm.Add(j.duration)
		done     = make(chan struct{})
		m        *meter
	)
	ping := func() {
		stamp(p, n)
		sentAt = time.Now()
		check(a.send(0, p))
	}
	a.receive(func(_ int, back []byte) {
		now := time.Now()
		if len(back) != j.size || binary.BigEndian.Uint64(back) != n {
			failed <- fmt.Errorf("ping %d did not come back", n)
			return
		}
		n++
		switch {
		case m == nil && now.After(warm):
			m = start()
			deadline = m.at.Add(j.duration)
		case now.After(deadline):
			close(done)
			return
		case m != nil && len(times) < cap(times):
			times = append(times, now.Sub(sentAt))
		}
		ping()
	})
	ping()
	select {
	case <-done:
	case err := <-failed:
		return nil, err
	case <-time.After(20*time.Second + j.duration):
		return nil, fmt.Errorf("ping %d did not come back", n)
	}
	return m.stop(int64(len(times)), int64(len(times)*j.size)).quantiles(times), nil
}

// setUp makes connections, one after the other.
func setUp(connect func(int) (a, b end, err error), j job) (report, error) {
	var times []time.Duration
	m := start()
	for deadline := time.Now().Add(j.duration); len(times) == 0 || time.Now().Before(deadline); {
		begin := time.Now()
		a, b, err := connect(1)
		if err != nil {
			return nil, err
		}
		times = append(times, time.Since(begin))
		a.close()
		b.close()
	}
	return m.stop(int64(len(times)), 0).quantiles(times), nil
}

// idle makes connections and leaves them alone. What the benchmark itself keeps for an
// end, the pipe that it is over, is not counted: harness, of those that have it.
func idle(connect func(int) (a, b end, err error), j job) (report, error) {
	ends := make([]end, 0, 2*j.count)
	defer func() {
		for _, e := range ends {
			e.close()
		}
	}()
	before := keeps()
	for range j.count {
		a, b, err := connect(1)
		if err != nil {
			return nil, err
		}
		ends = append(ends, a, b)
	}
	time.Sleep(j.settle)
	after := keeps()
	for _, e := range ends {
		if h, ok := e.(interface{ harness() int }); ok {
			after.memory -= float64(h.harness())
		}
	}
	return after.since(before, len(ends)), nil
}
