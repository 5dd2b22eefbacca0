package sluice

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"
	"github.com/pion/turn/v2"
)

// consentTest is a consent in virtual time, with a peer that answers or not.
type consentTest struct {
	*consent
	t         *testing.T
	begin     time.Time
	peerAddr  netip.AddrPort
	answering bool
	losing    bool // every second check
	dtls      time.Time

	mu     sync.Mutex
	sent   []*stun.Message
	times  []time.Duration
	states []ICEConnectionState
	when   []time.Duration
}

func newConsentTest(t *testing.T, cfg Config) *consentTest {
	t.Helper()
	cfg, err := cfg.withDefaults()
	must(t, err)
	p := &consentTest{t: t, begin: time.Now(), peerAddr: netip.MustParseAddrPort("192.0.2.1:1000"), answering: true}
	p.consent = &consent{cfg: &cfg, expiry: consentExpiry, local: newICECredentials("")}
	p.heard = func() time.Time {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.dtls
	}
	p.changed = func() {
		s := p.current()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.states, p.when = append(p.states, s), append(p.when, time.Since(p.begin))
	}
	p.agreed(newICECredentials(""))
	// The agent's checks show the socket and the role.
	if cfg.ICELite { // it checks only what checks it
		p.outgoing(p.build(stun.BindingRequest, stun.NewUsername("a:b"), ice.AttrControlled(7)).Raw, p)
	} else {
		p.outgoing(p.build(stun.BindingRequest, stun.NewUsername("a:b"), ice.AttrControlling(7)).Raw, p)
	}
	local, err := ice.UnmarshalCandidate("1 1 udp 2130706431 192.0.2.9 2000 typ host")
	must(t, err)
	remote, err := ice.UnmarshalCandidate("1 1 udp 2130706431 192.0.2.1 1000 typ host")
	must(t, err)
	p.selected(local, remote)
	p.start()
	t.Cleanup(p.stop)
	return p
}

func (p *consentTest) localAddr() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.9:2000") }

func (p *consentTest) sendCheck(b []byte, to netip.AddrPort) error {
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil || to != p.peerAddr {
		p.t.Errorf("check to %v: %v", to, err)
	}
	p.mu.Lock()
	p.sent, p.times = append(p.sent, m), append(p.times, time.Since(p.begin))
	answering := p.answering && !(p.losing && len(p.sent)%2 == 0)
	p.mu.Unlock()
	if answering {
		p.answer(m)
	}
	return nil
}

func (p *consentTest) build(setters ...stun.Setter) *stun.Message {
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, setters...)...)
	must(p.t, err)
	return m
}

func (p *consentTest) answer(m *stun.Message) {
	answer := p.build(m, stun.BindingSuccess, stun.NewShortTermIntegrity(p.remote.pwd), stun.Fingerprint)
	if !p.incoming(answer.Raw, p.peerAddr) {
		p.t.Error("the answer went to the agent")
	}
}

// mute makes the peer leave checks unanswered.
func (p *consentTest) mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answering = false
}

// pass lets virtual time go by.
func (p *consentTest) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// wantStates compares the states reported, and when they were.
func (p *consentTest) wantStates(states []ICEConnectionState, from, to []time.Duration) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.states, states) {
		p.t.Fatalf("states %v at %v, want %v", p.states, p.when, states)
	}
	for i, at := range p.when {
		if at < from[i] || at > to[i] {
			p.t.Errorf("%s at %v, want %v to %v", p.states[i], at, from[i], to[i])
		}
	}
}

// Of reports that overtake each other the last one says what is true: the state of the
// transport is that of consent.
func TestConsentReportsInAnyOrder(t *testing.T) {
	cfg, err := loopbackConfig().withDefaults()
	must(t, err)
	var states []ICEConnectionState
	tr, err := newICETransport(&cfg, iceEvents{connectionState: func(s ICEConnectionState) { states = append(states, s) }})
	must(t, err)
	t.Cleanup(tr.close)
	g := tr.next
	tr.agreed, tr.used, tr.next, tr.state = g, g, nil, ICEConnectionStateConnected
	g.state, g.consent.state = ICEConnectionStateConnected, ICEConnectionStateDisconnected
	entered, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	changed := g.consent.changed
	late := func() { // disconnected, and before that was told connected again
		defer close(done)
		close(entered)
		<-goOn
		changed()
	}
	go late()
	<-entered
	g.consent.state = ICEConnectionStateConnected
	changed()
	close(goOn)
	<-done
	if len(states) > 0 || g.state != ICEConnectionStateConnected {
		t.Errorf("states %v, then %v", states, g.state)
	}
}

// A pair that the agent selects when consent has expired carries nothing (RFC 7675,
// section 5.1): the agent goes on until it is closed.
func TestNoPairWithoutConsent(t *testing.T) {
	cfg, err := loopbackConfig().withDefaults()
	must(t, err)
	tr, err := newICETransport(&cfg, iceEvents{connectionState: func(ICEConnectionState) {}, pathChanged: func() {}})
	must(t, err)
	t.Cleanup(tr.close)
	must(t, tr.next.ports.Listen([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0, 0))
	port := tr.mux.Addrs()[0].Port()
	local, err := ice.UnmarshalCandidate(fmt.Sprintf("1 1 udp 2130706431 127.0.0.1 %d typ host", port))
	must(t, err)
	remote, err := ice.UnmarshalCandidate("1 1 udp 2130706431 127.0.0.1 1000 typ host")
	must(t, err)
	g := tr.next
	tr.mu.Lock()
	tr.agreed, tr.used, tr.next = g, g, nil
	g.state, g.pairs = ICEConnectionStateConnected, 1
	tr.mu.Unlock()
	g.onPair(local, remote)
	if tr.path.RemoteAddr() == nil {
		t.Fatal("no path")
	}
	g.consent.state = ICEConnectionStateFailed
	g.onConsent()
	g.onPair(local, remote)
	if addr := tr.path.RemoteAddr(); addr != nil {
		t.Errorf("data goes to %v without consent", addr)
	}
}

// 7675-5.1-b: a check every 4 to 6 s, each with a new transaction ID, as RFC 8445
// has them; answers keep the connection as it is.
func TestConsentChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newConsentTest(t, Config{})
		p.pass(10 * time.Minute)
		synctest.Wait()
		p.wantStates(nil, nil, nil)
		if n := len(p.sent); n < 100 || n > 150 {
			t.Errorf("%d checks in ten minutes", n)
		}
		ids := make(map[[12]byte]bool)
		gaps := make(map[time.Duration]bool)
		last := time.Duration(0)
		for i, m := range p.sent {
			gap := p.times[i] - last
			if last = p.times[i]; gap < 4*time.Second || gap > 6*time.Second {
				t.Errorf("check %d after %v", i, gap)
			}
			gaps[gap] = true
			ids[m.TransactionID] = true
			var role ice.AttrControlling
			var priority ice.PriorityAttr
			if role.GetFrom(m) != nil || role != 7 || priority.GetFrom(m) != nil || priority>>24 != 110 ||
				string(mustGet(m, stun.AttrUsername)) != p.remote.ufrag+":"+p.local.ufrag ||
				stun.NewShortTermIntegrity(p.remote.pwd).Check(m) != nil || stun.Fingerprint.Check(m) != nil || m.Contains(stun.AttrUseCandidate) {
				t.Fatalf("check %d is %v", i, m)
			}
		}
		if len(ids) != len(p.sent) || len(gaps) < 10 {
			t.Errorf("%d checks with %d transaction IDs, %d different gaps", len(p.sent), len(ids), len(gaps))
		}
	})
}

// 7675-5.1-a: without answers consent ends after 30 s, whatever else comes in;
// records and checks of the peer only say that it is there.
func TestConsentExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newConsentTest(t, Config{})
		p.mute()
		for range 60 {
			p.pass(time.Second)
			p.mu.Lock()
			p.dtls = time.Now()
			p.mu.Unlock()
			request := p.build(stun.BindingRequest, stun.NewUsername(p.local.ufrag+":"+p.remote.ufrag), stun.NewShortTermIntegrity(p.local.pwd))
			if p.incoming(request.Raw, p.peerAddr) {
				t.Fatal("a check of the peer did not reach the agent")
			}
		}
		p.wantStates([]ICEConnectionState{ICEConnectionStateFailed}, []time.Duration{30 * time.Second}, []time.Duration{30 * time.Second})
		if last := p.times[len(p.times)-1]; last > 30*time.Second {
			t.Errorf("a check at %v, after the end", last)
		}
	})
}

// Silence: disconnected when it lasts and a check is not answered, connected with
// the next sign of life, failed with the end of consent.
func TestConsentSilence(t *testing.T) {
	for _, sign := range []string{"answer", "check", "record"} {
		t.Run(sign, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newConsentTest(t, Config{})
				p.mute()
				p.pass(10 * time.Second)
				switch sign {
				case "answer":
					p.answer(p.sent[len(p.sent)-1])
				case "check":
					p.incoming(p.build(stun.BindingRequest, stun.NewUsername(p.local.ufrag+":"+p.remote.ufrag), stun.NewShortTermIntegrity(p.local.pwd)).Raw, p.peerAddr)
				case "record":
					p.mu.Lock()
					p.dtls = time.Now()
					p.mu.Unlock()
				}
				p.pass(time.Minute)
				end := 30 * time.Second
				if sign == "answer" {
					end = 40 * time.Second
				}
				p.wantStates(
					[]ICEConnectionState{ICEConnectionStateDisconnected, ICEConnectionStateConnected, ICEConnectionStateDisconnected, ICEConnectionStateFailed},
					[]time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second, end},
					[]time.Duration{6500 * time.Millisecond, 10700 * time.Millisecond, 17 * time.Second, end})
			})
		})
	}
}

// Checks that are lost now and then do not disconnect a peer that is heard otherwise.
func TestConsentLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newConsentTest(t, Config{})
		p.mu.Lock()
		p.losing = true
		p.mu.Unlock()
		for range 50 {
			p.pass(3 * time.Second)
			p.incoming(p.build(stun.BindingRequest, stun.NewUsername(p.local.ufrag+":"+p.remote.ufrag), stun.NewShortTermIntegrity(p.local.pwd)).Raw, p.peerAddr)
		}
		p.wantStates(nil, nil, nil)
	})
}

// A lite agent sends no checks; those of the peer are its life.
func TestConsentLite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newConsentTest(t, Config{ICELite: true})
		for range 30 {
			p.pass(3 * time.Second)
			p.incoming(p.build(stun.BindingRequest, stun.NewUsername(p.local.ufrag+":"+p.remote.ufrag), stun.NewShortTermIntegrity(p.local.pwd)).Raw, p.peerAddr)
		}
		p.wantStates(nil, nil, nil)
		p.pass(time.Minute)
		synctest.Wait()
		p.wantStates([]ICEConnectionState{ICEConnectionStateDisconnected, ICEConnectionStateFailed},
			[]time.Duration{95 * time.Second, 130 * time.Second}, []time.Duration{95 * time.Second, 130 * time.Second})
		if len(p.sent) != 0 {
			t.Errorf("%d checks", len(p.sent))
		}
	})
}

// What somebody sends who does not know the passwords, or only hears, keeps
// neither consent nor the connection state: TRANSPORT.md, section 3.
func TestConsentForged(t *testing.T) {
	forged := map[string]func(p *consentTest, check *stun.Message){
		"indication": func(p *consentTest, _ *stun.Message) {
			p.incoming(p.build(stun.NewType(stun.MethodBinding, stun.ClassIndication)).Raw, p.peerAddr)
		},
		"answer without integrity": func(p *consentTest, m *stun.Message) {
			p.incoming(p.build(m, stun.BindingSuccess).Raw, p.peerAddr)
		},
		"answer with another password": func(p *consentTest, m *stun.Message) {
			p.incoming(p.build(m, stun.BindingSuccess, stun.NewShortTermIntegrity(p.local.pwd)).Raw, p.peerAddr)
		},
		"answer from elsewhere": func(p *consentTest, m *stun.Message) {
			p.incoming(p.build(m, stun.BindingSuccess, stun.NewShortTermIntegrity(p.remote.pwd)).Raw, netip.MustParseAddrPort("192.0.2.1:1001"))
		},
		"answer to nothing": func(p *consentTest, _ *stun.Message) {
			p.incoming(p.build(stun.BindingSuccess, stun.NewShortTermIntegrity(p.remote.pwd)).Raw, p.peerAddr)
		},
		"error": func(p *consentTest, m *stun.Message) {
			p.incoming(p.build(m, stun.BindingError, stun.CodeUnauthorized, stun.NewShortTermIntegrity(p.remote.pwd)).Raw, p.peerAddr)
		},
		"request without integrity": func(p *consentTest, _ *stun.Message) {
			p.incoming(p.build(stun.BindingRequest, stun.NewUsername(p.local.ufrag+":"+p.remote.ufrag)).Raw, p.peerAddr)
		},
		"our own check": func(p *consentTest, m *stun.Message) { p.incoming(m.Raw, p.peerAddr) },
		"request to another": func(p *consentTest, _ *stun.Message) {
			p.incoming(p.build(stun.BindingRequest, stun.NewUsername("x:y"), stun.NewShortTermIntegrity(p.local.pwd)).Raw, p.peerAddr)
		},
		"noise": func(p *consentTest, m *stun.Message) { p.incoming(m.Raw[:20], p.peerAddr) },
	}
	for name, forge := range forged {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newConsentTest(t, Config{})
				p.mute()
				for range 40 {
					p.pass(time.Second)
					p.mu.Lock()
					check := p.build(stun.BindingRequest)
					if len(p.sent) > 0 {
						check = p.sent[len(p.sent)-1]
					}
					p.mu.Unlock()
					forge(p, check)
				}
				p.wantStates([]ICEConnectionState{ICEConnectionStateDisconnected, ICEConnectionStateFailed},
					[]time.Duration{5 * time.Second, 30 * time.Second}, []time.Duration{6500 * time.Millisecond, 30 * time.Second})
			})
		})
	}
}

// An answer counts once.
func TestConsentReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newConsentTest(t, Config{})
		p.pass(7 * time.Second)
		synctest.Wait()
		p.mute()
		p.mu.Lock()
		first := p.sent[0]
		p.mu.Unlock()
		answer := p.build(first, stun.BindingSuccess, stun.NewShortTermIntegrity(p.remote.pwd))
		for range 50 {
			p.pass(time.Second)
			p.incoming(answer.Raw, p.peerAddr)
		}
		if n := len(p.states); n != 2 || p.states[1] != ICEConnectionStateFailed {
			t.Errorf("states %v", p.states)
		}
	})
}

// deafTap lets no check of the peer through when it is told so.
type deafTap struct {
	stunTap
	deaf atomic.Bool
}

func (d *deafTap) incoming(b []byte, from netip.AddrPort) bool {
	m := stun.Message{Raw: slices.Clone(b)}
	if d.deaf.Load() && stun.IsMessage(b) && m.Decode() == nil && m.Type == stun.BindingRequest {
		return true
	}
	return d.stunTap.incoming(b, from)
}

// A peer that answers no checks is sent nothing after the expiry, though its data
// keeps coming; an ICE restart helps.
func TestConsentStopsData(t *testing.T) {
	cfg := loopbackConfig()
	cfg.ICEKeepaliveInterval = 50 * time.Millisecond
	a, b := newTestPeer(t, cfg), newTestPeer(t, loopbackConfig())
	a.core.ice.expiry = 500 * time.Millisecond
	a.core.ice.next.consent.expiry = a.core.ice.expiry
	tap := &deafTap{stunTap: b.core.ice.next.net.tap}
	b.core.ice.next.net.tap = tap
	states := make(chan ICEConnectionState, 100)
	a.OnICEConnectionStateChange(func(s ICEConnectionState) { states <- s })
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	f := startFlow(t, other, ch)
	f.goesOn(t, "before")
	tap.deaf.Store(true)
	want(t, "a", states, ICEConnectionStateFailed)
	sent := a.Stats().Transport.PacketsSent
	must(t, other.Send([]byte("is anybody there?")))
	if now := a.Stats().Transport.PacketsSent; now > sent+1 { // one may have been under way
		t.Errorf("%d packets sent without consent", now-sent)
	}
	f.stop()
	a.RestartICE()
	negotiate(t, a, b, false)
	want(t, "a", states, ICEConnectionStateConnected)
	must(t, ch.WriteMessage(t.Context(), []byte("again"), true))
	if m, err := other.ReadMessage(t.Context()); err != nil || string(m.Data) != "again" {
		t.Errorf("%q, %v", m.Data, err)
	}
}

// Consent is checked through TURN servers, too, over UDP and over TCP.
func TestConsentRelayed(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			var server turn.ServerConfig
			var address net.Addr
			if network == "udp" {
				c := listenLoopback(t)
				address = c.LocalAddr()
				server.PacketConnConfigs = []turn.PacketConnConfig{{PacketConn: c, RelayAddressGenerator: relayOnLoopback()}}
			} else {
				l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
				must(t, err)
				address = l.Addr()
				server.ListenerConfigs = []turn.ListenerConfig{{Listener: l, RelayAddressGenerator: relayOnLoopback()}}
			}
			turnServer(t, server)
			cfg := loopbackConfig()
			cfg.ICETransportPolicy = ICETransportPolicyRelay
			cfg.ICEServers = []ICEServer{{URLs: []string{"turn:" + address.String() + "?transport=" + network}, Username: "u", Credential: "p"}}
			cfg.ICEKeepaliveInterval = 20 * time.Millisecond
			a, b := newTestPeer(t, cfg), newTestPeer(t, cfg)
			ch := wantChannel(t, a.PeerConnection)
			negotiate(t, a, b, false)
			exchange(t, ch, receive(t, "channel", b.channels))
			for _, p := range []*testPeer{a, b} {
				if !eventually(func() bool {
					s := p.Stats()
					for _, pair := range s.CandidatePairs {
						if pair.ID == s.Transport.SelectedCandidatePairID {
							return pair.ResponsesReceived > 30
						}
					}
					return false
				}) {
					t.Errorf("no answers: %+v", p.Stats().CandidatePairs)
				}
			}
		})
	}
}
