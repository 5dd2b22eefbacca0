package sluice

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A call is how two sides connect over a virtual network.
type call struct {
	seed       uint64
	conditions netsim.Conditions
	signalling time.Duration // from when the answer is made to when the offerer has it
	transport  bool          // rather than PeerConnections
	trickle    bool          // candidates come behind the descriptions
	change     func(*Config) // of both
}

// milestones are when one side got how far, counted from when the offerer had the
// answer; 0 if it did not.
type milestones struct{ path, dtls, association, open, message time.Duration }

// side is one side of a call.
type side struct {
	core  *core
	begun *time.Time

	mu sync.Mutex
	milestones
	missing int
	all     chan struct{} // closed when no milestone is missing
}

func newSide(begun *time.Time) *side {
	return &side{begun: begun, missing: 5, all: make(chan struct{})}
}

// watch notes the milestones of a core.
func (s *side) watch(c *core) {
	s.core = c
	await := func(reached <-chan struct{}, m *time.Duration) {
		select {
		case <-reached:
			s.reach(m)
		case <-c.ctx.Done():
		}
	}
	go await(c.ice.path.connected, &s.path)
	go await(c.session.Connected(), &s.association)
	report := c.ev.dtlsState
	c.ev.dtlsState = func(state DTLSState) {
		if state == DTLSStateConnected {
			s.reach(&s.dtls)
		}
		if report != nil {
			report(state)
		}
	}
}

func (s *side) reach(m *time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*m = time.Since(*s.begun)
	if s.missing--; s.missing == 0 {
		close(s.all)
	}
}

// result returns the milestones reached by now.
func (s *side) result() milestones {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.milestones
}

// use notes when a channel is open, says hello, and notes the first message.
func (s *side) use(ch *datachannel.Channel) {
	var first sync.Once
	ch.OnMessage(func(datachannel.Message) { first.Do(func() { s.reach(&s.message) }) })
	ready := func() {
		s.reach(&s.open)
		ch.SendText("hello")
	}
	if ch.ReadyState() == datachannel.Open {
		ready()
	} else {
		ch.OnOpen(ready)
	}
}

// run connects. The offerer has a channel; each side sends a message on it as soon as
// it is open there.
func (c call) run(t *testing.T) (offerer, answerer milestones) {
	n := newVirtualNet(t, c.seed, c.conditions)
	begun := new(time.Time)
	x, y := newSide(begun), newSide(begun)
	var configs [2]Config
	for i, h := range n.hosts {
		configs[i] = Config{UDPMux: h.mux(t), DisableMulticastDNS: true}
		if c.change != nil {
			c.change(&configs[i])
		}
	}
	if c.transport {
		configs[0].DTLSRole, configs[1].DTLSRole = DTLSRoleServer, DTLSRoleClient
		c.connectTransports(t, configs, x, y)
	} else {
		c.connectPeers(t, configs, x, y)
	}
	late, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, s := range []*side{x, y} {
		select {
		case <-s.all:
		case <-late.Done():
		}
	}
	return x.result(), y.result()
}

func (c call) connectPeers(t *testing.T, configs [2]Config, x, y *side) {
	a, err := NewPeerConnection(configs[0])
	must(t, err)
	t.Cleanup(func() { a.Close() })
	b, err := NewPeerConnection(configs[1])
	must(t, err)
	t.Cleanup(func() { b.Close() })
	x.watch(a.core)
	y.watch(b.core)
	b.OnDataChannel(y.use)
	ch, err := a.CreateDataChannel("chat", nil)
	must(t, err)
	x.use(ch)
	must(t, a.SetLocalDescription(SessionDescription{}))
	<-a.GatheringComplete()
	c.deliver(t, *a.LocalDescription(), b)
	must(t, b.SetLocalDescription(SessionDescription{}))
	<-b.GatheringComplete()
	netsim.Elapse(c.signalling)
	*x.begun = time.Now()
	c.deliver(t, *b.LocalDescription(), a)
}

// deliver gives a description to the other side, its candidates one by one if they trickle.
func (c call) deliver(t *testing.T, d SessionDescription, to *PeerConnection) {
	if !c.trickle {
		must(t, to.SetRemoteDescription(d))
		return
	}
	var candidates, rest []string
	for l := range strings.SplitSeq(d.SDP, "\r\n") {
		if candidate, ok := strings.CutPrefix(l, "a=candidate:"); ok {
			candidates = append(candidates, "candidate:"+candidate)
		} else if l != "a=end-of-candidates" {
			rest = append(rest, l)
		}
	}
	d.SDP = strings.Join(rest, "\r\n")
	must(t, to.SetRemoteDescription(d))
	index := uint16(0)
	for _, candidate := range candidates {
		must(t, to.AddICECandidate(ICECandidateInit{Candidate: candidate, SDPMLineIndex: &index}))
	}
}

func (c call) connectTransports(t *testing.T, configs [2]Config, x, y *side) {
	a, err := NewTransport(configs[0])
	must(t, err)
	t.Cleanup(a.Abort)
	b, err := NewTransport(configs[1])
	must(t, err)
	t.Cleanup(b.Abort)
	x.watch(a.core)
	y.watch(b.core)
	b.OnChannel(y.use)
	ch, err := a.CreateChannel("chat", nil)
	must(t, err)
	x.use(ch)
	ofA, err := a.LocalParameters(t.Context())
	must(t, err)
	ofB, err := b.LocalParameters(t.Context())
	must(t, err)
	must(t, b.begin(ofA))
	netsim.Elapse(c.signalling)
	*x.begun = time.Now()
	must(t, a.begin(ofB))
}

// TestHandshakeTime counts the one-way delays from the answer to each milestone. They
// are what the protocols need and no more: nothing waits for a timer.
//
//	0    O has the answer. It answers the checks of A that came before, and checks.
//	1    A: its check is answered, the pair is valid: ClientHello
//	2    O: its check is answered, the pair is valid: ServerHello to ServerHelloDone
//	3    A: Certificate to Finished                 [false start: INIT, or with SNAP data]
//	4    O: Finished, and INIT                      [INIT ACK]   SNAP: open, OPEN
//	5    A: INIT ACK                                [COOKIE ECHO]  SNAP: the channel, open
//	6    O: COOKIE ECHO                             [COOKIE ACK; open, OPEN]
//	7    A: COOKIE ACK                              [the channel, open]
//	8    O: open, OPEN
//	9    A: the channel, open
//
// If the offerer has the answer at the moment when it is made, the checks cross, and
// everything is one later.
func TestHandshakeTime(t *testing.T) {
	const delay = 100 * time.Millisecond
	for _, tt := range []struct {
		desc              string
		snap, falseStart  bool
		offerer, answerer milestones // in delays
	}{
		{"SNAP", true, false, milestones{2, 4, 4, 4, 6}, milestones{1, 5, 5, 5, 5}},
		{"SNAP, false start", true, true, milestones{2, 4, 4, 4, 6}, milestones{1, 3, 3, 5, 5}},
		{"handshake", false, false, milestones{2, 4, 8, 8, 10}, milestones{1, 5, 7, 9, 9}},
		{"handshake, false start", false, true, milestones{2, 4, 6, 6, 8}, milestones{1, 3, 7, 7, 7}},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			for _, c := range []call{
				{}, {signalling: delay}, {signalling: 3 * delay / 2}, {signalling: time.Second}, {signalling: 20 * time.Second},
				{signalling: delay, trickle: true}, {signalling: delay, transport: true}, {signalling: 20 * time.Second, transport: true},
			} {
				synctest.Test(t, func(t *testing.T) {
					c.conditions = netsim.Conditions{Latency: delay}
					c.change = func(cfg *Config) { cfg.DisableSNAP, cfg.DTLSFalseStart = !tt.snap, tt.falseStart }
					o, a := c.run(t)
					var later time.Duration
					if c.signalling == 0 {
						later = 1
					}
					for _, w := range []struct {
						who       string
						got, want milestones
					}{{"offerer", o, tt.offerer}, {"answerer", a, tt.answerer}} {
						w.want = w.want.scaled(delay, later)
						if c.signalling == 0 {
							w.want.path = 2 * delay
						}
						if w.got != w.want {
							t.Errorf("signalling %v, transport %v, trickle %v: %s %v, want %v", c.signalling, c.transport, c.trickle, w.who, w.got, w.want)
						}
					}
				})
			}
		})
	}
}

func (m milestones) scaled(delay, later time.Duration) milestones {
	for _, d := range []*time.Duration{&m.path, &m.dtls, &m.association, &m.open, &m.message} {
		*d = (*d + later) * delay
	}
	return m
}

// TestHandshakeUnderLoss: where 30 % of all packets are lost, in each direction, and a
// round trip takes 20 ms, half of the channels are open at both ends within half a second of the
// answer.
func TestHandshakeUnderLoss(t *testing.T) {
	const runs = 120 // each takes some milliseconds
	for _, snap := range []bool{true, false} {
		var offerer, answerer, message []time.Duration
		for seed := range uint64(runs) {
			synctest.Test(t, func(t *testing.T) {
				o, a := call{seed: seed, signalling: 50 * time.Millisecond,
					conditions: netsim.Conditions{Latency: 10 * time.Millisecond, Loss: 0.3},
					change:     func(cfg *Config) { cfg.DisableSNAP = !snap }}.run(t)
				offerer = append(offerer, atLeast(o.open))
				answerer = append(answerer, atLeast(a.open))
				message = append(message, atLeast(max(o.message, a.message)))
			})
		}
		for _, q := range []struct {
			what  string
			times []time.Duration
			limit time.Duration
		}{
			{"open at the offerer", offerer, 500 * time.Millisecond},
			{"open at the answerer", answerer, 500 * time.Millisecond},
			{"messages both ways", message, 2 * time.Second},
		} {
			slices.Sort(q.times)
			median, p95 := q.times[len(q.times)/2], q.times[len(q.times)*95/100]
			t.Logf("SNAP %v, %s: median %v, 95 %% within %v", snap, q.what, median, p95)
			if median > q.limit {
				t.Errorf("SNAP %v, %s: median %v, want at most %v", snap, q.what, median, q.limit)
			}
		}
	}
}

// atLeast is a milestone, an hour if it was not reached.
func atLeast(d time.Duration) time.Duration {
	if d == 0 {
		return time.Hour
	}
	return d
}
