package sctp

import (
	"testing"
	"time"
)

// TestSegmentPoolTurnover: what was kept of another size does not keep the one in use out.
func TestSegmentPoolTurnover(t *testing.T) {
	p := segmentPool{limit: 96 << 10}
	turn := func(size int) {
		var all []*segment
		for range 48 << 10 / size {
			all = append(all, p.segment(make([]byte, size)))
		}
		for _, s := range all {
			p.free(s)
		}
	}
	for _, size := range []int{1 << 10, 1200, 16 << 10, 100} {
		for range 4 {
			turn(size)
		}
		payload := make([]byte, size)
		if n := testing.AllocsPerRun(10, func() { p.free(p.segment(payload)) }); n != 0 {
			t.Errorf("%v allocations for a segment of %d bytes", n, size)
		}
		if p.bytes < 48<<10/size*size || p.bytes > p.limit {
			t.Errorf("%d bytes kept after segments of %d", p.bytes, size)
		}
	}
}

// TestSegmentPoolSizes: sizes on their way that change all the time find segments.
func TestSegmentPoolSizes(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	p := segmentPool{limit: 1 << 20}
	payload := make([]byte, 1400)
	var held [256]*segment
	i := 0
	swing := func() {
		for range 1000 {
			if s := held[i%len(held)]; s != nil {
				p.free(s)
			}
			held[i%len(held)] = p.segment(payload[:100+i*i%1300])
			i++
		}
	}
	for range 20 {
		swing()
	}
	if n := testing.AllocsPerRun(20, swing); n > 20 {
		t.Errorf("%v allocations for 1000 payloads", n)
	}
}

// TestSegmentClasses: a payload gets the smallest segment that holds it, with a quarter
// of its size to spare at most.
func TestSegmentClasses(t *testing.T) {
	for n := 0; n <= 256<<10; n++ {
		switch c := class(n); {
		case c >= poolClasses, classSize(c) < n, c > 0 && classSize(c-1) >= n, class(classSize(c)) != c:
			t.Fatalf("%d bytes are of class %d, which has %d", n, c, classSize(c))
		case n > 64 && classSize(c)-n > n/4:
			t.Fatalf("%d bytes for %d", classSize(c), n)
		}
	}
	if c := class(256<<10 + 1); c < poolClasses {
		t.Errorf("there is a class %d above the last", c)
	}
}

// TestSharedPool: the associations of an Endpoint use each other's memory, which has a bound and is
// given back when nobody does.
func TestSharedPool(t *testing.T) {
	const n = 20
	c := newCrossing(t, n, Config{ReceiveBuffer: 64 << 10, SendBuffer: 64 << 10})
	bulk := make([]byte, 60_000)
	for i := range n {
		c.send(0, i, 0, bulk)
	}
	c.run()
	c.pass(5 * time.Second)
	for side, e := range c.ends {
		p := e.common.pool()
		if kept, most := p.segments.bytes, pooledBuffers*192<<10; kept > most || kept > 0 != (side == 1) {
			t.Errorf("%d bytes kept, at most %d", kept, most)
		}
		if p.out.used != 0 {
			t.Errorf("%d messages on their way", p.out.used)
		}
	}
	payload := make([]byte, 1000)
	i := 0
	if !raceDetector {
		for range 2 * n { // what else each needs is made
			c.send(0, i%n, 0, payload)
			c.run()
			i++
		}
		if got := testing.AllocsPerRun(100, func() {
			c.send(0, i%n, 0, payload)
			c.run()
			i++
		}); got != 0 {
			t.Errorf("%v allocations for a message", got)
		}
	}
	c.pass(3 * time.Minute)
	for _, e := range c.ends {
		if p := e.common.pool(); p.segments.bytes > 0 || p.in.n > 0 || p.out.n > 0 {
			t.Errorf("%+v kept though nobody uses it", p)
		}
	}
}

// TestPoolBounds: whatever was on its way at a time, no more of it is kept than the bounds say.
func TestPoolBounds(t *testing.T) {
	p := newCommon(&Config{ReceiveBuffer: 4096, SendBuffer: 4096}, 1).pool()
	var in []*inMessage
	var out []*outMessage
	for range 1000 {
		in, out = append(in, p.received(inInfo{})), append(out, p.toSend())
	}
	for i := range in[1:] {
		p.freeReceived(in[i])
		p.freeSent(out[i])
	}
	if most := 12 << 10; p.in.n*messageBytes != most || p.out.n*sentBytes != most || p.out.used != 1 {
		t.Errorf("%d messages in and %d out are kept", p.in.n, p.out.n)
	}
}

// TestPoolWithoutAssociations: an Endpoint whose last association has ended keeps nothing.
func TestPoolWithoutAssociations(t *testing.T) {
	const n = 3
	c := newCrossing(t, n, Config{})
	for i := range n {
		c.send(0, i, 0, make([]byte, 60_000))
	}
	c.run()
	for i := range n {
		if c.ends[1].common.pool().segments.bytes == 0 {
			t.Fatal("nothing is kept that was used just now")
		}
		c.ends[0].Association(c.ids[0][i]).Abort(c.now, "")
		c.ends[0].Update(c.ids[0][i])
		d, _ := c.ends[0].Transmit(c.now, c.buf[:0])
		c.ends[1].HandlePacket(c.now, d.To, d.Packet)
		for _, e := range c.ends {
			if ev, ok := e.NextEvent(); !ok || ev.Kind != EventClosed {
				t.Fatalf("%+v", ev)
			}
			e.Transmit(c.now, c.buf[:0])
		}
	}
	for _, e := range c.ends {
		if p := e.common.pool(); e.Stats().Associations != 0 || p.segments.bytes > 0 || p.in.n > 0 || p.out.n > 0 {
			t.Errorf("%d associations, %+v", e.Stats().Associations, p)
		}
	}
}

// TestPoolAfterEnd: whoever reads what came in before the end of an association does not touch
// what the others of the Endpoint share, and what it had to send counts no more.
func TestPoolAfterEnd(t *testing.T) {
	c := newCrossing(t, 2, Config{})
	received := c.ends[1].Association(c.ids[1][0])
	c.send(0, 0, 0, make([]byte, 1000))
	d, _ := c.ends[0].Transmit(c.now, c.buf[:0])
	c.ends[1].HandlePacket(c.now, d.To, d.Packet)
	sender := c.ends[0].Association(c.ids[0][0])
	received.Abort(c.now, "")
	sender.Abort(c.now, "")
	if n, _, err := received.Read(c.now, 0, c.read[:]); n != 1000 || err != nil {
		t.Fatal(n, err)
	}
	for _, e := range c.ends {
		if p := e.common.pool(); p.segments.bytes != 0 || p.in.n != 0 || p.out.used != 0 {
			t.Errorf("%+v", p)
		}
	}
}
