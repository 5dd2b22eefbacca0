package bench

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// A crossing is two Endpoints with many associations between them, in virtual time: to
// each Endpoint every association has a peer at an address of its own.
type crossing struct {
	now  time.Time
	ends [2]*sctp.Endpoint
	ids  [2][]sctp.AssociationID // by the number in the peer's address
	dst  []byte
	in   []byte

	packets int
	arrived int // messages
}

// newCrossing connects n associations.
func newCrossing(t testing.TB, n int, cfg sctp.Config) *crossing {
	c := &crossing{now: time.Unix(1_700_000_000, 0), dst: make([]byte, 0, 2048), in: make([]byte, 1<<16)}
	for i := range c.ends {
		cfg.Seed[0] = byte(i + 1)
		e, err := sctp.NewEndpoint(sctp.EndpointConfig{Config: cfg, Listen: i == 1, MaxAssociations: n, MaxHalfOpen: n})
		if err != nil {
			t.Fatal(err)
		}
		c.ends[i], c.ids[i] = e, make([]sctp.AssociationID, n)
	}
	for i := range n {
		if _, err := c.ends[0].Connect(c.now, numbered(i)); err != nil {
			t.Fatal(err)
		}
		if i%32 == 31 {
			c.run()
		}
	}
	c.run()
	for side, e := range c.ends {
		if s := e.Stats(); s.Associations != n || s.HalfOpen != 0 {
			t.Fatalf("%+v, want %d associations", s, n)
		}
		for id := range e.All() {
			c.ids[side][numberOf(e.RemoteAddr(id).Addr())] = id
		}
	}
	return c
}

// numbered returns an address with a number, numberOf the number.
func numbered(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)}), 9899)
}

func numberOf(a netip.Addr) int {
	ip := a.As4()
	return int(ip[1]-1)<<16 | int(ip[2])<<8 | int(ip[3])
}

// run carries packets, and reads what comes in, until there is nothing more to do.
func (c *crossing) run() {
	for busy := true; busy; {
		busy = false
		for side, e := range c.ends {
			for {
				d, ok := e.Transmit(c.now, c.dst)
				if !ok {
					break
				}
				busy = true
				c.packets++
				c.ends[1-side].HandlePacket(c.now, d.To, d.Packet)
				c.take(c.ends[1-side])
			}
			c.take(e)
		}
	}
}

// take reads what an Endpoint reports.
func (c *crossing) take(e *sctp.Endpoint) {
	for {
		event, ok := e.NextEvent()
		if !ok {
			return
		}
		if event.Kind != sctp.EventReadable {
			continue
		}
		a := e.Association(event.ID)
		for {
			if _, _, err := a.Read(c.now, event.Stream, c.in); err != nil {
				break
			}
			c.arrived++
		}
		e.Update(event.ID)
	}
}

// send queues a message that is to be acknowledged at once.
func (c *crossing) send(t testing.TB, side, i int, stream uint16, payload []byte) {
	a := c.ends[side].Association(c.ids[side][i])
	if err := a.SendCopy(c.now, sctp.Message{Stream: stream, Payload: payload, Immediate: true}); err != nil {
		t.Fatal(err)
	}
	c.ends[side].Update(c.ids[side][i])
}

// pass lets time pass.
func (c *crossing) pass(d time.Duration) {
	for end := c.now.Add(d); ; {
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
