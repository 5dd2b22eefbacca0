package sctp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// A stage has two associations and the packets between them, which arrive in whatever
// order a test says. With explore a test tries every order in which packets can arrive
// and the applications can act: what a network does by bad luck, this does by plan.
type stage struct {
	now    time.Time
	sides  [2]*actor
	flying []flight
	drops  int // packets that may yet be lost
	dups   int // packets that may yet arrive twice
	story  []string
	born   byte // restarts
}

// An actor is one of the associations, with what its application is to do and saw.
type actor struct {
	a      *Association
	cues   []cue // still to come, in this order
	events []Event
	read   string // what the application read, messages divided by commas
	want   string // what it is to have read in the end
}

// A cue is something that an application does at some time.
type cue struct {
	name string
	do   func(s *stage, x *actor)
}

// A flight is a packet on its way.
type flight struct {
	to     int
	packet []byte
}

// A move is one step: a packet arrives, arrives and stays to arrive again, is lost, or
// an application acts.
type move struct {
	what byte // 'p', 'd', 'l' or 'a'
	i    int  // packet or side
}

func newStage(cfg ...Config) *stage {
	s := &stage{now: time.Unix(1_000_000, 0)}
	for i := range s.sides {
		s.sides[i] = &actor{a: s.association(byte(i+1), cfg[i%len(cfg)])}
	}
	return s
}

// association returns an association for a stage, which is quiet when nothing happens.
func (s *stage) association(seed byte, cfg Config) *Association {
	cfg.Seed = [32]byte{seed}
	cfg.HeartbeatInterval, cfg.MaxMTU = -1, -1
	a, err := New(cfg)
	if err != nil {
		panic(err)
	}
	return a
}

// connected is a stage with an association that is established and at rest.
func connected(cfg ...Config) *stage {
	s := newStage(cfg...)
	if err := s.sides[0].a.Connect(s.now); err != nil {
		panic(err)
	}
	s.collect()
	s.rest()
	for _, x := range s.sides {
		if x.a.State() != Established {
			panic("the handshake failed")
		}
		x.events = nil
	}
	return s
}

// collect takes what the associations send, report and received.
func (s *stage) collect() {
	for i, x := range s.sides {
		for {
			tx, ok := x.a.Transmit(s.now, nil)
			if !ok {
				break
			}
			s.flying = append(s.flying, flight{1 - i, tx.Packet})
		}
		for {
			e, ok := x.a.NextEvent()
			if !ok {
				break
			}
			x.events = append(x.events, e)
			if e.Kind == EventReadable {
				x.readAll(s.now, e.Stream)
			}
		}
	}
}

func (x *actor) readAll(now time.Time, stream uint16) {
	var buf [4000]byte
	for {
		n, _, err := x.a.Read(now, stream, buf[:])
		switch {
		case err == nil:
			x.read += string(buf[:min(n, 12)]) + ","
		case errors.Is(err, ErrWouldBlock) || x.a.ended:
			return
		default:
			x.read += err.Error() + ","
		}
	}
}

// moves lists what can happen next. Of packets that are alike one is enough.
func (s *stage) moves() (all []move) {
	for i, x := range s.sides {
		if len(x.cues) > 0 {
			all = append(all, move{'a', i})
		}
	}
	for i, f := range s.flying {
		alike := false
		for _, g := range s.flying[:i] {
			alike = alike || f.to == g.to && bytes.Equal(f.packet, g.packet)
		}
		if alike {
			continue
		}
		all = append(all, move{'p', i})
		if s.dups > 0 {
			all = append(all, move{'d', i})
		}
		if s.drops > 0 {
			all = append(all, move{'l', i})
		}
	}
	return all
}

// play makes a move, which takes a millisecond.
func (s *stage) play(m move) {
	s.now = s.now.Add(time.Millisecond)
	if m.what == 'a' {
		x := s.sides[m.i]
		c := x.cues[0]
		x.cues = x.cues[1:]
		s.story = append(s.story, fmt.Sprintf("%d: %s", m.i, c.name))
		c.do(s, x)
		s.collect()
		return
	}
	f := s.flying[m.i]
	s.story = append(s.story, fmt.Sprintf("%c to %d: %v", m.what, f.to, f))
	switch m.what {
	case 'd':
		s.dups--
	case 'l':
		s.drops--
	}
	if m.what != 'd' {
		s.flying = append(s.flying[:m.i:m.i], s.flying[m.i+1:]...)
	}
	if m.what != 'l' {
		s.sides[f.to].a.HandlePacket(s.now, 0, f.packet)
		s.collect()
	}
}

func (f flight) String() string {
	var names []string
	it := wire.Packet(f.packet).Chunks()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		names = append(names, c.Type().String())
	}
	return strings.Join(names, " + ")
}

// rest lets everything arrive, and time pass until nothing is left to happen.
func (s *stage) rest() {
	for range 2000 {
		for len(s.flying) > 0 {
			s.play(move{'p', 0})
			if len(s.story) > 10_000 {
				return
			}
		}
		at, on := s.sides[0].a.Timeout()
		if other, yes := s.sides[1].a.Timeout(); yes && (!on || other.Before(at)) {
			at, on = other, true
		}
		if !on {
			return
		}
		if at.After(s.now) {
			s.now = at
		}
		for _, x := range s.sides {
			x.a.HandleTimeout(s.now)
		}
		s.story = append(s.story, "time passes")
		s.collect()
	}
}

// explore plays a scene in every order, until there are most of them. Then it plays
// orders by chance, as many again.
func explore(t *testing.T, most int, scene func() *stage, verdict func(s *stage) string) {
	t.Helper()
	var path []int
	runs := 0
	for ; runs < most; runs++ {
		counts := rehearse(t, scene, verdict, func(step, n int) int {
			if step == len(path) {
				path = append(path, 0)
			}
			return path[step]
		})
		path = path[:len(counts)]
		for len(path) > 0 && path[len(path)-1]+1 == counts[len(path)-1] {
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			t.Logf("every one of %d orders", runs+1)
			return
		}
		path[len(path)-1]++
	}
	rng := rand.New(rand.NewPCG(1, uint64(most)))
	for range most {
		rehearse(t, scene, verdict, func(step, n int) int { return rng.IntN(n) })
	}
	t.Logf("%d orders, and as many by chance", runs)
}

// rehearse plays a scene once; choose says which of n moves is made at a step. It
// returns how many moves there were at each.
func rehearse(t *testing.T, scene func() *stage, verdict func(s *stage) string, choose func(step, n int) int) (counts []int) {
	t.Helper()
	s := scene()
	s.story = nil
	s.collect()
	for step := 0; step < 60; step++ {
		moves := s.moves()
		if len(moves) == 0 {
			break
		}
		counts = append(counts, len(moves))
		s.play(moves[choose(step, len(moves))])
	}
	s.rest()
	complaint := verdict(s)
	for _, x := range s.sides {
		if complaint == "" {
			complaint = x.a.invariants(s.now)
		}
	}
	if complaint != "" {
		t.Fatalf("%s: states %v and %v, events %v and %v, read %q and %q\n%s", complaint, s.sides[0].a.State(), s.sides[1].a.State(),
			s.sides[0].events, s.sides[1].events, s.sides[0].read, s.sides[1].read, strings.Join(s.story, "\n"))
	}
	return counts
}

// count returns how often an event came.
func (x *actor) count(kind EventKind) (n int) {
	for _, e := range x.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// talk sends a message each way, and returns a complaint unless both arrive.
func (s *stage) talk() string {
	for _, x := range s.sides {
		x.read = ""
		if err := x.a.Send(s.now, Message{Stream: 9, Payload: []byte("hello")}); err != nil {
			return err.Error()
		}
	}
	s.collect()
	s.rest()
	for i, x := range s.sides {
		if !strings.Contains(x.read, "hello") {
			return fmt.Sprintf("side %d was not heard", 1-i)
		}
	}
	return ""
}

// other returns the peer.
func (s *stage) other(x *actor) *actor {
	if x == s.sides[0] {
		return s.sides[1]
	}
	return s.sides[0]
}

// cueConnect and the others are what applications do.
func cueConnect() cue {
	return cue{"Connect", func(s *stage, x *actor) {
		if err := x.a.Connect(s.now); err != nil && !errors.Is(err, ErrAlreadyStarted) {
			panic(err)
		}
	}}
}

func cueSend(text string, m Message) cue {
	m.Payload = []byte(text)
	return cue{"Send " + text, func(s *stage, x *actor) {
		if x.a.Send(s.now, m) == nil {
			s.other(x).want += text + ","
		}
	}}
}

func cueReset(stream uint16) cue {
	return cue{"ResetStreams", func(s *stage, x *actor) { x.a.ResetStreams(s.now, stream) }}
}

func cueShutdown() cue {
	return cue{"Shutdown", func(s *stage, x *actor) { x.a.Shutdown(s.now) }}
}

// cueRestart replaces the association by a new one, as when a program is started again.
func cueRestart(cfg Config) cue {
	return cue{"restarts", func(s *stage, x *actor) {
		s.born++
		x.a = s.association(10+s.born, cfg)
		x.events, x.read = nil, ""
		if err := x.a.Connect(s.now); err != nil {
			panic(err)
		}
	}}
}

// orders is how many orders of a scene a test plays.
func orders(t *testing.T, n int) int {
	if testing.Short() || raceDetector {
		return n / 20
	}
	return n
}

// TestHandshakeInEveryOrder: one side connects or both do; packets arrive in any order,
// one is lost or comes twice. There is one association, and both sides mean the same. //
// 9260-4-b 9260-5.2.1-a 9260-5.2.1-b 9260-5.2.3-a 9260-5.2.4-b 9260-5.2.4-d 9260-5.2.5-a 9260-5.3.1-a DCSCTP-connect
func TestHandshakeInEveryOrder(t *testing.T) {
	verdict := func(s *stage) string {
		a, b := s.sides[0].a, s.sides[1].a
		switch {
		case a.State() != Established || b.State() != Established:
			return "not established"
		case a.id.localTag != b.id.peerTag || b.id.localTag != a.id.peerTag:
			return "the tags do not fit"
		}
		for i, x := range s.sides {
			if x.count(EventConnected) != 1 || x.count(EventRestarted) != 0 {
				return fmt.Sprintf("side %d: connected %d times", i, x.count(EventConnected))
			}
		}
		return s.talk()
	}
	for _, tt := range []struct {
		desc        string
		both        bool
		drops, dups int
		most        int
	}{
		{"one side", false, 2, 2, 20_000},
		{"both sides", true, 0, 0, 20_000},
		{"both sides, one packet lost", true, 1, 0, 20_000},
		{"both sides, one packet twice", true, 0, 1, 20_000},
		{"both sides, lost and twice", true, 2, 2, 5_000},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			explore(t, orders(t, tt.most), func() *stage {
				s := newStage(Config{})
				s.drops, s.dups = tt.drops, tt.dups
				s.sides[0].cues = []cue{cueConnect()}
				if tt.both {
					s.sides[1].cues = []cue{cueConnect()}
				}
				return s
			}, verdict)
		})
	}
}

// TestShutdownInEveryOrder: one side shuts down or both do, with messages under way in
// both directions. All that was accepted arrives, and both ends are graceful. //
// 9260-9.2-a 9260-9.2-b 9260-9.2-c 9260-9.2-d 9260-4-d DCSCTP-shutdown
func TestShutdownInEveryOrder(t *testing.T) {
	one, two := cueSend("one", Message{}), cueSend("two", Message{})
	for _, tt := range []struct {
		desc string
		cues [2][]cue
	}{
		{"one side", [2][]cue{{cueShutdown()}, nil}},
		{"both sides", [2][]cue{{cueShutdown()}, {cueShutdown()}}},
		{"data of this side", [2][]cue{{one, two, cueShutdown()}, nil}},
		{"data of the other side", [2][]cue{{cueShutdown()}, {one, two}}},
		{"both sides, data of one", [2][]cue{{one, cueShutdown()}, {cueShutdown()}}},
		{"both sides, data of both", [2][]cue{{one, cueShutdown()}, {two, cueShutdown()}}},
	} {
		for _, bad := range []int{0, 1, 2} {
			t.Run(fmt.Sprintf("%s, %d lost and twice", tt.desc, bad), func(t *testing.T) {
				explore(t, orders(t, 2_000), func() *stage {
					s := connected(Config{MaxRetransmits: 20, RTOMax: 2 * time.Second})
					s.drops, s.dups = bad, bad
					for i, x := range s.sides {
						x.cues = tt.cues[i]
					}
					return s
				}, func(s *stage) string {
					for i, x := range s.sides {
						n := len(x.events)
						switch {
						case n == 0 || x.events[n-1].Kind != EventClosed || x.events[n-1].Err != nil:
							return fmt.Sprintf("side %d has no graceful end", i)
						case x.read != x.want:
							return fmt.Sprintf("side %d has read %q, want %q", i, x.read, x.want)
						}
					}
					return ""
				})
			})
		}
	}
}

// TestRestartInEveryOrder: a side is started again while the other has messages queued,
// sent and lost, resets under way, or is shutting down. The association is set up anew
// and works, or a shutdown that was begun comes to its end. //
// 9260-5.2.2-a 9260-5.2.4-b 9260-5.2.4-c 9260-9.2-d DCSCTP-restart
func TestRestartInEveryOrder(t *testing.T) {
	// A cookie that a later restart has overtaken is of use to nobody; that it is stale is
	// what tells its owner.
	cfg := Config{MaxInitRetransmits: 20, RTOMax: 2 * time.Second, CookieLife: 5 * time.Second}
	data := []cue{cueSend("one", Message{Stream: 9}), cueSend("two", Message{Stream: 8, Unordered: true})}
	for _, tt := range []struct {
		desc string
		cues []cue // of the side that stays
		ends bool  // it wants to
	}{
		{"idle", nil, false},
		{"twice", nil, false},
		{"with data", data, false},
		{"with data and a reset", append(data[:2:2], cueReset(9)), false},
		{"with a reset alone", []cue{cueReset(9)}, false},
		{"given up", []cue{cueSend("one", Message{Reliability: Reliability{LimitRetransmits: true}})}, false},
		{"shutting down", []cue{cueShutdown()}, true},
		{"shutting down with data", append(data[:2:2], cueShutdown()), true},
	} {
		for _, bad := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, %d lost and twice", tt.desc, bad), func(t *testing.T) {
				explore(t, orders(t, 1_500), func() *stage {
					s := connected(cfg)
					s.drops, s.dups = bad, bad
					again := cueRestart(cfg)
					s.sides[0].cues = []cue{cueSend("old", Message{Stream: 9}), again}
					if tt.desc == "twice" {
						s.sides[0].cues = append(s.sides[0].cues, again)
					}
					s.sides[1].cues = tt.cues
					return s
				}, func(s *stage) string {
					x, y := s.sides[0], s.sides[1]
					if tt.ends {
						if y.a.State() != Closed {
							return "the shutdown does not come to its end"
						}
						return ""
					}
					switch {
					case x.count(EventConnected) != 1 || y.count(EventRestarted) != 1 && tt.desc != "twice" || y.count(EventRestarted) == 0:
						return fmt.Sprintf("connected %d times, restarted %d times", x.count(EventConnected), y.count(EventRestarted))
					case strings.Contains(x.read, "old"):
						return "a message comes back to its sender"
					}
					return s.talk()
				})
			})
		}
	}
}

// TestRestartDuringHandshake: a side is started again before it knows whether the
// association is set up. In the end both mean the same one. // 9260-5.2.4-b 9260-5.2.4-d
func TestRestartDuringHandshake(t *testing.T) {
	cfg := Config{MaxInitRetransmits: 20, RTOMax: 2 * time.Second, CookieLife: 5 * time.Second}
	for _, bad := range []int{0, 1} {
		explore(t, orders(t, 4_000), func() *stage {
			s := newStage(cfg)
			s.drops, s.dups = bad, bad
			s.sides[0].cues = []cue{cueConnect(), cueRestart(cfg)}
			return s
		}, func(s *stage) string {
			a, b := s.sides[0].a, s.sides[1].a
			switch {
			case a.State() != Established || b.State() != Established:
				return "not established"
			case a.id.localTag != b.id.peerTag || b.id.localTag != a.id.peerTag:
				return "the tags do not fit"
			}
			return s.talk()
		})
	}
}

// TestOvertakenCookie: both sides connect, and the peer is started again meanwhile. Of
// its two starts the later one counts, whatever comes last. // 9260-5.2.4-b
func TestOvertakenCookie(t *testing.T) {
	// ladder goes as far as COOKIE-ECHOED with the first start, whose INIT ACK came in,
	// and has answered the INIT of another.
	ladder := func(t *testing.T) (tc *testConn, other uint32) {
		tc = inState(t, CookieEchoed)
		tc.now = tc.now.Add(time.Millisecond)
		first := tc.peerTag
		other = first + 1
		tc.peerTag = other
		tc.write(tc.init())
		tc.want("an INIT in COOKIE-ECHOED", "INIT ACK")
		tc.peerTag = first
		tc.write(chunk{t: wire.TypeCookieAck})
		tc.wantEvent("established with the first start", EventConnected)
		return tc, other
	}
	tc, other := ladder(t)
	tc.peerTag = other
	tc.write(tc.cookieEcho())
	tc.want("the second start echoes", "COOKIE ACK")
	tc.wantEvent("it is another", EventRestarted)
	tc.write(data{tsn: 0, flags: whole, payload: "x"})
	tc.want("and its TSNs count", "SACK cum=0")

	// The other way round: the cookie is of before the INIT ACK.
	tc = newTestConn(t, Config{HeartbeatInterval: -1})
	if err := tc.a.Connect(tc.now); err != nil {
		t.Fatal(err)
	}
	tc.want("INIT", "INIT")
	tc.peerTag = testPeerTag + 1
	tc.write(tc.init())
	tc.want("an INIT in COOKIE-WAIT", "INIT ACK")
	late := tc.cookieEcho()
	tc.peerTag = testPeerTag
	tc.now = tc.now.Add(time.Millisecond)
	tc.write(tc.initAck())
	tc.want("the later start", "COOKIE ECHO")
	tc.write(chunk{t: wire.TypeCookieAck})
	tc.wantEvent("established", EventConnected)
	tc.write(late)
	tc.wantIdle("the cookie of the earlier one is late")
	tc.wantNoEvent("and nothing happens")
	if tc.a.id.peerTag != testPeerTag {
		t.Fatal("the tag of the peer has changed")
	}
}
