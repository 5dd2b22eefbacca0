package sctp

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// A town is endpoints with addresses, and datagrams on their way between them.
type town struct {
	t     testing.TB
	now   time.Time
	rng   *rand.Rand // nil: datagrams arrive in the order they were sent
	hosts map[netip.AddrPort]*host
	order []*host
	air   []airborne
	drop  func(airborne) bool
	buf   []byte
}

type airborne struct {
	from, to netip.AddrPort
	packet   []byte
}

// A host is an endpoint, and what its application has seen.
type host struct {
	e      *Endpoint
	addr   netip.AddrPort
	events []EndpointEvent
	got    map[AssociationID][]string // messages, by association
	echo   bool                       // send back what is received
}

func newTown(t testing.TB) *town {
	return &town{t: t, now: time.Unix(1_000_000, 0), hosts: make(map[netip.AddrPort]*host), buf: make([]byte, 1<<16)}
}

func address(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// endpoint makes an endpoint and a host for it.
func (w *town) host(addr string, cfg EndpointConfig) *host {
	w.t.Helper()
	h := fnv.New64a()
	h.Write([]byte(addr))
	be.PutUint64(cfg.Seed[:], h.Sum64())
	if cfg.HeartbeatInterval == 0 {
		cfg.HeartbeatInterval = -1
	}
	e, err := NewEndpoint(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	n := &host{e: e, addr: address(addr), got: make(map[AssociationID][]string)}
	w.hosts[n.addr] = n
	w.order = append(w.order, n)
	return n
}

// drain takes what a host sends and reports.
func (w *town) drain(h *host) {
	w.t.Helper()
	for {
		for d, ok := h.e.Transmit(w.now, w.buf[:0]); ok; d, ok = h.e.Transmit(w.now, w.buf[:0]) {
			if !wire.Packet(d.Packet).ChecksumOK() { // 6951-5.3-a
				w.t.Fatal("a packet without its CRC32c")
			}
			w.air = append(w.air, airborne{h.addr, d.To, bytes.Clone(d.Packet)})
		}
		e, ok := h.e.NextEvent()
		if !ok {
			return
		}
		h.events = append(h.events, e)
		if e.Kind == EventReadable {
			w.read(h, e)
		}
	}
}

func (w *town) read(h *host, e EndpointEvent) {
	a := h.e.Association(e.ID)
	if a == nil {
		w.t.Fatal("an event of an association that is gone")
	}
	for {
		n, _, err := a.Read(w.now, e.Stream, w.buf)
		if err == io.EOF {
			continue // the peer has restarted
		}
		if err != nil {
			break
		}
		h.got[e.ID] = append(h.got[e.ID], string(w.buf[:n]))
		if h.echo {
			if err := a.Send(w.now, Message{Payload: bytes.Clone(w.buf[:n])}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	h.e.Update(e.ID)
}

// deliver hands over one datagram of those under way.
func (w *town) deliver() {
	w.t.Helper()
	i := 0
	if w.rng != nil {
		i = w.rng.IntN(len(w.air))
	}
	d := w.air[i]
	w.air = append(w.air[:i], w.air[i+1:]...)
	h := w.hosts[d.to]
	if h == nil || w.drop != nil && w.drop(d) {
		return
	}
	h.e.HandlePacket(w.now, d.from, d.packet)
	w.drain(h)
}

// run delivers until nothing is under way.
func (w *town) run() {
	w.t.Helper()
	for _, h := range w.order {
		w.drain(h)
	}
	for n := 0; len(w.air) > 0; n++ {
		if n > 1_000_000 {
			w.t.Fatal("no end")
		}
		w.deliver()
	}
}

// pass lets time pass.
func (w *town) pass(d time.Duration) {
	w.t.Helper()
	w.run()
	end := w.now.Add(d)
	for {
		var next time.Time
		for _, h := range w.order {
			if at, ok := h.e.Timeout(); ok && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(w.now) {
			w.now = next
		}
		for _, h := range w.order {
			h.e.HandleTimeout(w.now)
			if at, ok := h.e.Timeout(); ok && !at.After(w.now) {
				w.t.Fatal("a deadline that was handled is due again")
			}
		}
		w.run()
	}
	w.now = end
}

// connect begins an association.
func (w *town) connect(from, to *host) AssociationID {
	w.t.Helper()
	id, err := from.e.Connect(w.now, to.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// send queues a message.
func (w *town) send(h *host, id AssociationID, payload string) {
	w.t.Helper()
	if err := h.e.Association(id).Send(w.now, Message{Payload: []byte(payload)}); err != nil {
		w.t.Fatal(err)
	}
	h.e.Update(id)
}

// count returns how many events of a kind a host has seen.
func (h *host) count(kind EventKind) (n int) {
	for _, e := range h.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// only returns the one association of a host.
func (h *host) only(t testing.TB) (AssociationID, *Association) {
	t.Helper()
	if n := h.e.Stats().Associations; n != 1 {
		t.Fatalf("%d associations", n)
	}
	for id, a := range h.e.All() {
		return id, a
	}
	panic("not reached")
}

// checkEmpty wants an endpoint to keep nothing.
func (h *host) checkEmpty(t testing.TB) {
	t.Helper()
	e := h.e
	if e.stats.Associations != 0 || e.stats.HalfOpen != 0 || e.tags.n != 0 || e.peers.n != 0 ||
		len(e.agenda.heap) != 0 || e.sending.n != 0 || e.reporting.n != 0 || len(e.free) != len(e.assocs) {
		t.Fatalf("left: %+v, %d tags, %d peers, %d appointments, %d and %d queued, %d of %d slots free",
			e.stats, e.tags.n, e.peers.n, len(e.agenda.heap), e.sending.n, e.reporting.n, len(e.free), len(e.assocs))
	}
}

// TestEndpoint: an association from its INIT to its end.
func TestEndpoint(t *testing.T) {
	w := newTown(t)
	server, client := w.host("192.0.2.1:9899", EndpointConfig{Listen: true}), w.host("192.0.2.2:9899", EndpointConfig{})
	server.echo = true
	id := w.connect(client, server)
	w.run()
	if client.count(EventConnected) != 1 || server.count(EventConnected) != 1 || client.e.Stats().HalfOpen != 0 {
		t.Fatal("not connected")
	}
	if _, err := client.e.Connect(w.now, server.addr); err != ErrPeerInUse {
		t.Fatalf("a second association with the same peer: %v", err)
	}
	w.send(client, id, "hello")
	w.run()
	if got := client.got[id]; len(got) != 1 || got[0] != "hello" {
		t.Fatalf("%q", got)
	}
	w.pass(time.Second) // the delayed SACK
	a := client.e.Association(id)
	if err := a.Shutdown(w.now); err != nil {
		t.Fatal(err)
	}
	client.e.Update(id)
	w.run()
	for _, h := range []*host{server, client} {
		if h.count(EventClosed) != 1 || h.events[len(h.events)-1].Err != nil {
			t.Fatalf("%+v", h.events)
		}
		h.checkEmpty(t)
	}
	if client.e.Association(id) != nil || client.e.RemoteAddr(id).IsValid() {
		t.Fatal("an association that is gone has a name")
	}
	client.e.Update(id)
	if again := w.connect(client, server); again == id {
		t.Fatal("a name is used again")
	}
}

// TestEndpointMany: many associations, datagrams in any order, some lost and some
// twice; each gets its own messages, and nothing stays behind. The same seed gives
// the same datagrams.
func TestEndpointMany(t *testing.T) {
	run := func(seed uint64) uint64 {
		w := newTown(t)
		w.rng = rand.New(rand.NewPCG(seed, 1))
		server := w.host("192.0.2.1:9899", EndpointConfig{Listen: true})
		server.echo = true
		trace := fnv.New64a()
		w.drop = func(d airborne) bool {
			fmt.Fprint(trace, d.from, d.to)
			trace.Write(d.packet)
			if w.rng.IntN(20) == 0 {
				w.air = append(w.air, d)
			}
			return w.rng.IntN(20) == 0
		}
		const n = 60
		var clients []*host
		var ids []AssociationID
		for i := range n {
			c := w.host(fmt.Sprintf("10.0.%d.%d:%d", i%3, i%7, 1000+i), EndpointConfig{})
			clients = append(clients, c)
			ids = append(ids, w.connect(c, server))
		}
		w.pass(90 * time.Second)
		for round := range 5 {
			for i, c := range clients {
				w.send(c, ids[i], fmt.Sprint(i, round))
			}
			w.pass(time.Second)
		}
		w.pass(3 * time.Minute)
		for i, c := range clients {
			if len(c.got[ids[i]]) != 5 {
				t.Fatalf("seed %d: client %d got %q", seed, i, c.got[ids[i]])
			}
			for round, got := range c.got[ids[i]] {
				if got != fmt.Sprint(i, round) {
					t.Fatalf("seed %d: client %d got %q", seed, i, c.got[ids[i]])
				}
			}
			if i%2 == 0 {
				if err := c.e.Association(ids[i]).Shutdown(w.now); err != nil {
					t.Fatal(err)
				}
			} else {
				c.e.Association(ids[i]).Abort(w.now, "enough")
			}
			c.e.Update(ids[i])
		}
		w.drop = nil // a lost ABORT is not repeated
		w.pass(10 * time.Minute)
		for _, h := range w.order {
			h.checkEmpty(t)
		}
		return trace.Sum64()
	}
	for seed := range uint64(5) {
		if a, b := run(seed), run(seed); a != b {
			t.Fatalf("seed %d: runs differ", seed)
		}
	}
}

// TestEndpointSharedAddress: peers behind one NAT, with the same SCTP port, are
// told apart by UDP port and tag.
func TestEndpointSharedAddress(t *testing.T) {
	w := newTown(t)
	server := w.host("192.0.2.1:9899", EndpointConfig{Listen: true})
	a, b := w.host("192.0.2.2:1", EndpointConfig{}), w.host("192.0.2.2:2", EndpointConfig{})
	ida, idb := w.connect(a, server), w.connect(b, server)
	w.run()
	w.send(a, ida, "of a")
	w.send(b, idb, "of b")
	w.run()
	if server.count(EventConnected) != 2 || server.count(EventRestarted) != 0 || len(server.got) != 2 {
		t.Fatalf("%+v", server.events)
	}
}

// TestEndpointBothConnect: INITs that cross make one association. // 9260-5.2.1-a
func TestEndpointBothConnect(t *testing.T) {
	w := newTown(t)
	a, b := w.host("192.0.2.1:9899", EndpointConfig{}), w.host("192.0.2.2:9899", EndpointConfig{})
	w.connect(a, b)
	w.connect(b, a)
	w.run()
	if a.count(EventConnected) != 1 || b.count(EventConnected) != 1 {
		t.Fatal("not connected")
	}
	a.only(t)
	b.only(t)
}

// TestEndpointRestart: a peer that lost its memory restarts the association, which
// then is found by its new tag.
func TestEndpointRestart(t *testing.T) {
	w := newTown(t)
	server := w.host("192.0.2.1:9899", EndpointConfig{Listen: true})
	w.connect(w.host("192.0.2.2:9899", EndpointConfig{}), server)
	w.run()
	for i := range 50 {
		cfg := EndpointConfig{}
		cfg.Seed[20] = byte(i + 1)
		again := w.host("192.0.2.2:9899", cfg)
		w.pass(11 * time.Minute) // keys change meanwhile
		id := w.connect(again, server)
		w.run()
		w.send(again, id, "back")
		w.run()
		if server.count(EventRestarted) != i+1 {
			t.Fatalf("restart %d: %+v", i, server.events)
		}
		sid, a := server.only(t)
		if n := len(server.got[sid]); n != i+1 {
			t.Fatalf("restart %d: %d messages", i, n)
		}
		if server.e.tags.n != 1 || server.e.members[0].tag != a.id.localTag {
			t.Fatal("the table of tags")
		}
	}
}

// TestEndpointConnectLimits: bad calls change nothing.
func TestEndpointConnectLimits(t *testing.T) {
	w := newTown(t)
	h := w.host("192.0.2.1:9899", EndpointConfig{MaxHalfOpen: 2, MaxAssociations: 3})
	for _, bad := range []netip.AddrPort{{}, address("0.0.0.0:1"), address("224.0.0.1:1"), address("[ff02::1]:1"),
		address("255.255.255.255:1"), address("192.0.2.2:0")} {
		if _, err := h.e.Connect(w.now, bad); err != ErrInvalidAddress {
			t.Errorf("%v: %v", bad, err)
		}
	}
	for i, want := range []error{nil, nil, ErrTooManyAssociations} {
		if _, err := h.e.Connect(w.now, netip.AddrPortFrom(address("192.0.2.2:1").Addr(), uint16(i+1))); err != want {
			t.Errorf("%d: %v", i, err)
		}
	}
	w.pass(20 * time.Minute)
	if n := h.count(EventClosed); n != 2 || !errors.Is(h.events[0].Err, ErrHandshakeTimeout) {
		t.Fatalf("%+v", h.events)
	}
	h.checkEmpty(t)
	for _, cfg := range []EndpointConfig{{MaxAssociations: -1}, {MaxHalfOpen: -1}, {Config: Config{MTU: 1}},
		{Config: Config{ZeroChecksum: DTLSDetection}}} { // 6951-5.3-a
		var ce *ConfigError
		if _, err := NewEndpoint(cfg); !errors.As(err, &ce) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
