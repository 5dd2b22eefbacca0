package sctp

import (
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// A crossing is two Endpoints with many associations between them: to each Endpoint
// every association has a peer at an address of its own.
type crossing struct {
	t    testing.TB
	now  time.Time
	ends [2]*Endpoint
	ids  [2][]AssociationID // by the last bytes of the peer's address
	buf  [2048]byte
	read [1 << 15]byte
	sent int // packets
}

// newCrossing connects n associations.
func newCrossing(t testing.TB, n int, cfg Config) *crossing {
	t.Helper()
	c := &crossing{t: t, now: time.Unix(1_000_000, 0)}
	for i := range c.ends {
		cfg.Seed[0] = byte(i + 1)
		e, err := NewEndpoint(EndpointConfig{Config: cfg, Listen: i == 1, MaxAssociations: n, MaxHalfOpen: n})
		if err != nil {
			t.Fatal(err)
		}
		c.ends[i], c.ids[i] = e, make([]AssociationID, n)
	}
	for i := range n {
		id, err := c.ends[0].Connect(c.now, place(i))
		if err != nil {
			t.Fatal(err)
		}
		c.ids[0][i] = id
		if i%32 == 31 { // fewer than maxAnswers
			c.run()
		}
	}
	c.run()
	for side, e := range c.ends {
		if got := e.Stats(); got.Associations != n || got.HalfOpen != 0 {
			t.Fatalf("%+v, want %d associations", got, n)
		}
		for id := range e.All() {
			c.ids[side][c.index(e.RemoteAddr(id))] = id
		}
	}
	return c
}

func place(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 9899)
}

func (c *crossing) index(a netip.AddrPort) int {
	ip := a.Addr().As4()
	return int(ip[1])<<16 | int(ip[2])<<8 | int(ip[3])
}

// run carries packets, and reads what comes in, until there is nothing more to do.
func (c *crossing) run() {
	for busy := true; busy; {
		busy = false
		for side, e := range c.ends {
			for {
				d, ok := e.Transmit(c.now, c.buf[:0])
				if !ok {
					break
				}
				busy = true
				c.sent++
				c.ends[1-side].HandlePacket(c.now, d.To, d.Packet)
				c.take(c.ends[1-side])
			}
			c.take(e)
		}
	}
}

// take reads what an Endpoint reports.
func (c *crossing) take(e *Endpoint) {
	for {
		event, ok := e.NextEvent()
		if !ok {
			return
		}
		switch event.Kind {
		case EventReadable:
			a := e.Association(event.ID)
			for {
				if _, _, err := a.Read(c.now, event.Stream, c.read[:]); err != nil {
					break
				}
			}
			e.Update(event.ID)
		case EventClosed:
			c.t.Fatalf("an association has ended: %v", event.Err)
		}
	}
}

// send queues a message.
func (c *crossing) send(side, i int, stream uint16, payload []byte) {
	a := c.ends[side].Association(c.ids[side][i])
	if err := a.Send(c.now, Message{Stream: stream, Payload: payload}); err != nil {
		c.t.Fatal(err)
	}
	c.ends[side].Update(c.ids[side][i])
}

// pass lets time pass.
func (c *crossing) pass(d time.Duration) {
	end := c.now.Add(d)
	for {
		next := end
		for _, e := range c.ends {
			if at, ok := e.Timeout(); ok && at.Before(next) {
				next = at
			}
		}
		if c.now.Before(next) {
			c.now = next
		}
		if !next.Before(end) {
			return
		}
		for _, e := range c.ends {
			e.HandleTimeout(c.now)
		}
		c.run()
	}
}

// TestIdleMemory: what an association that was busy keeps once it is idle, with all that
// the Endpoint has for it, has a bound, as has what it keeps between two messages.
func TestIdleMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory")
	}
	const n, most = 500, 2800
	payload, bulk := make([]byte, 1000), make([]byte, 100_000)
	before := heapInUse()
	c := newCrossing(t, n, Config{})
	each := func() int { return int(heapInUse()-before) / (2 * n) }
	fresh := each()
	for i := range n {
		for side := range 2 {
			c.send(side, i, 0, payload)
			c.send(side, i, 1, payload)
		}
		c.run()
	}
	used := each()
	for i := range n {
		c.send(0, i, 0, bulk)
		c.send(1, i, 1, bulk)
		c.run()
	}
	c.pass(10 * time.Second)
	busy := each()
	c.pass(2 * time.Minute)
	idle := each()
	t.Logf("bytes for an end: %d at first, %d after a few messages, %d after 100 KB, %d when idle", fresh, used, busy, idle)
	if idle > most {
		t.Errorf("%d bytes for an association that is idle, want at most %d", idle, most)
	}
	runtime.KeepAlive(c)
}
