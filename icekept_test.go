package sluice

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"
	"github.com/pion/turn/v2"

	"github.com/sluice-rtc/sluice/datachannel"
)

// keptPeers are two connected PeerConnections whose agents are gone; b is controlled.
type keptPeers struct {
	a, b *testPeer
	x, y *datachannel.Channel // of a, of b
}

func newKeptPeers(t *testing.T, cfgA, cfgB Config) *keptPeers {
	t.Helper()
	p := &keptPeers{a: newTestPeer(t, cfgA), b: newTestPeer(t, cfgB)}
	for _, peer := range []*testPeer{p.a, p.b} {
		peer.core.ice.settle = time.Millisecond
	}
	p.x = wantChannel(t, p.a.PeerConnection)
	negotiate(t, p.a, p.b, false)
	p.y = receive(t, "channel", p.b.channels)
	wantKept(t, p.a.core)
	wantKept(t, p.b.core)
	return p
}

// keptOf returns the generation in use, and what keeps its path; nil if the agent does.
func keptOf(c *core) (g *iceGeneration, k *keptPath) {
	c.ice.mu.Lock()
	defer c.ice.mu.Unlock()
	if c.ice.used == nil {
		return nil, nil
	}
	return c.ice.used, c.ice.used.kept
}

func wantKept(t testing.TB, c *core) {
	t.Helper()
	if !eventually(func() bool { _, k := keptOf(c); return k != nil }) {
		t.Fatal("the agent stays")
	}
}

// Without agents data flows, each side answers the checks of the other (RFC 7675), and
// statistics tell of the pair; a restart makes agents again, which go again.
func TestKeptPath(t *testing.T) {
	cfg := loopbackConfig()
	cfg.ICEKeepaliveInterval = 10 * time.Millisecond
	p := newKeptPeers(t, cfg, cfg)
	for range 2 {
		exchange(t, p.x, p.y)
		for _, peer := range []*testPeer{p.a, p.b} {
			before := checksAnswered(peer)
			if !eventually(func() bool { return checksAnswered(peer) > before+20 }) {
				t.Errorf("checks are not answered: %+v", peer.Stats().CandidatePairs)
			}
			local, remote := selectedCandidates(t, peer)
			if local.CandidateType != "host" || remote.Port == 0 {
				t.Errorf("selected %+v, %+v", local, remote)
			}
		}
		before := usedGeneration(p.b.core)
		p.a.RestartICE()
		negotiate(t, p.a, p.b, false)
		wantMoved(t, p.b.core, before)
		wantKept(t, p.a.core)
		wantKept(t, p.b.core)
	}
	exchange(t, p.x, p.y)
	p.a.Close()
	p.b.Close()
	wantNoLeftovers(t)
}

// Statistics tell of the pair all along, also when the agent goes while they are taken.
func TestKeptPathStats(t *testing.T) {
	for range 10 {
		a, b := newTestPeer(t, loopbackConfig()), newTestPeer(t, loopbackConfig())
		a.core.ice.settle = time.Millisecond
		wantChannel(t, a.PeerConnection)
		negotiate(t, a, b, false)
		receive(t, "channel", b.channels)
		if !eventually(func() bool { return a.Stats().Transport.SelectedCandidatePairID != "" }) {
			t.Fatal("no pair")
		}
		for kept := (*keptPath)(nil); kept == nil; {
			_, kept = keptOf(a.core)
			if s := a.Stats(); s.Transport.SelectedCandidatePairID == "" || len(s.CandidatePairs) == 0 || len(s.RemoteCandidates) == 0 {
				t.Fatalf("selected %q of %d pairs", s.Transport.SelectedCandidatePairID, len(s.CandidatePairs))
			}
		}
		a.Close()
		b.Close()
	}
}

// A peer that stops to answer loses consent without an agent, too, and a restart revives.
func TestKeptPathLosesConsent(t *testing.T) {
	cfg := loopbackConfig()
	cfg.ICEKeepaliveInterval = 50 * time.Millisecond
	a, b := newTestPeer(t, cfg), newTestPeer(t, loopbackConfig())
	a.core.ice.expiry = 500 * time.Millisecond
	a.core.ice.next.consent.expiry = a.core.ice.expiry
	a.core.ice.settle = time.Millisecond
	states := make(chan ICEConnectionState, 100)
	a.OnICEConnectionStateChange(func(s ICEConnectionState) { states <- s })
	tap := &deafTap{stunTap: b.core.ice.next.net.tap} // b keeps its agent, which the tap is of
	b.core.ice.next.net.tap = tap
	b.core.ice.settle = time.Hour
	ch := wantChannel(t, a.PeerConnection)
	negotiate(t, a, b, false)
	other := receive(t, "channel", b.channels)
	wantKept(t, a.core)
	tap.deaf.Store(true)
	want(t, "a", states, ICEConnectionStateFailed)
	a.RestartICE()
	negotiate(t, a, b, false)
	want(t, "a", states, ICEConnectionStateConnected)
	exchange(t, ch, other)
}

// What needs the agent keeps it: relayed candidates, and with PlainTransport everything.
func TestAgentStays(t *testing.T) {
	server := listenLoopback(t)
	turnServer(t, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: server, RelayAddressGenerator: relayOnLoopback()}}})
	relay, plain, tcp := loopbackConfig(), loopbackConfig(), loopbackConfig()
	relay.ICEServers = []ICEServer{{URLs: []string{"turn:" + server.LocalAddr().String()}, Username: "u", Credential: "p"}}
	plain.PlainTransport = true
	tcp.NetworkTypes = []string{"udp4", "tcp4"}
	for name, cfg := range map[string]Config{"relay": relay, "plain": plain, "TCP": tcp} {
		t.Run(name, func(t *testing.T) {
			a, b := newTestPeer(t, cfg), newTestPeer(t, loopbackConfig())
			a.core.ice.settle, b.core.ice.settle = time.Millisecond, 10*time.Millisecond
			ch := wantChannel(t, a.PeerConnection)
			negotiate(t, a, b, false)
			exchange(t, ch, receive(t, "channel", b.channels))
			wantKept(t, b.core) // which settles later
			g, k := keptOf(a.core)
			if k != nil {
				t.Fatal("the agent is gone")
			}
			g.keep(g.agent, 1)
			if _, k := keptOf(a.core); k != nil {
				t.Error("the agent is gone")
			}
		})
	}
}

// impostor is another address of the peer, at which it has the credentials.
type impostor struct {
	*net.UDPConn
	t             *testing.T
	to            *net.UDPAddr
	local, remote iceCredentials // local: of the peer that this is
	role          stun.Setter
}

// elsewhere returns a new address of a, for b.
func (p *keptPeers) elsewhere(t *testing.T) *impostor {
	g, _ := keptOf(p.b.core)
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	return &impostor{listenLoopback(t), t, net.UDPAddrFromAddrPort(g.pair.local), g.consent.remote, g.iceCredentials, ice.AttrControlling(7)}
}

func (i *impostor) addr() netip.AddrPort { return addrPort(i.LocalAddr()) }

// check sends a check, with changes to it.
func (i *impostor) check(setters ...stun.Setter) *stun.Message {
	i.t.Helper()
	return i.send(i.remote.pwd, append([]stun.Setter{stun.NewUsername(i.remote.ufrag + ":" + i.local.ufrag), i.role, ice.PriorityAttr(1 << 30)}, setters...)...)
}

func (i *impostor) send(pwd string, setters ...stun.Setter) *stun.Message {
	i.t.Helper()
	m, err := stun.Build(append(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, setters...), stun.NewShortTermIntegrity(pwd), stun.Fingerprint)...)
	must(i.t, err)
	_, err = i.WriteTo(m.Raw, i.to)
	must(i.t, err)
	return m
}

// next returns the next STUN message, which must be authentic.
func (i *impostor) next() *stun.Message {
	i.t.Helper()
	b := make([]byte, 1500)
	i.SetReadDeadline(time.Now().Add(testTimeout))
	n, err := i.Read(b)
	must(i.t, err)
	for !stun.IsMessage(b[:n]) { // data
		n, err = i.Read(b)
		must(i.t, err)
	}
	m := &stun.Message{Raw: b[:n]}
	must(i.t, m.Decode())
	pwd := i.remote.pwd
	if m.Type == stun.BindingRequest {
		pwd = i.local.pwd
	}
	must(i.t, stun.NewShortTermIntegrity(pwd).Check(m))
	must(i.t, stun.Fingerprint.Check(m))
	return m
}

// wantAnswer waits for the answer to a check.
func (i *impostor) wantAnswer(to *stun.Message) {
	i.t.Helper()
	m := i.next()
	var mapped stun.XORMappedAddress
	must(i.t, mapped.GetFrom(m))
	if m.Type != stun.BindingSuccess || m.TransactionID != to.TransactionID || mapped.Port != int(i.addr().Port()) {
		i.t.Fatalf("%v, want the answer to %v", m, to)
	}
}

// wantCheck waits for a check in return.
func (i *impostor) wantCheck() *stun.Message {
	i.t.Helper()
	m := i.next()
	var priority ice.PriorityAttr
	if err := priority.GetFrom(m); m.Type != stun.BindingRequest || err != nil || priority>>24 != 110 || m.Contains(stun.AttrUseCandidate) ||
		string(mustGet(m, stun.AttrUsername)) != i.local.ufrag+":"+i.remote.ufrag {
		i.t.Fatalf("%v, want a check", m)
	}
	return m
}

func (i *impostor) answer(m *stun.Message, pwd string) {
	i.t.Helper()
	b, err := stun.Build(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: i.to.IP, Port: i.to.Port}, stun.NewShortTermIntegrity(pwd), stun.Fingerprint)
	must(i.t, err)
	_, err = i.WriteTo(b.Raw, i.to)
	must(i.t, err)
}

// wantSilence checks that nothing has come but what is read here: the answer to one
// more check.
func (i *impostor) wantSilence(why string) {
	i.t.Helper()
	m := i.check()
	got := i.next()
	if got.TransactionID != m.TransactionID {
		i.t.Errorf("%s: %v", why, got)
	}
}

// announce makes the address a candidate of the peer that is as good as any.
func (i *impostor) announce(to *testPeer) {
	to.lateCandidate(i.t, fmt.Sprintf("9 1 udp %d 127.0.0.1 %d typ host", 127<<24, i.addr().Port()))
}

// lateCandidate is what multicast DNS brings after the end of candidates.
func (p *testPeer) lateCandidate(t *testing.T, line string) {
	t.Helper()
	g, _ := keptOf(p.core)
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	must(t, g.addCanonical(line))
}

func remoteOf(p *testPeer) string { return p.core.transport().RemoteAddr().String() }

// RFC 8445, section 7.3.1.5: a pair that the peer nominates later is checked, and used when the
// check is answered by the peer, from there. One that is no candidate is worse than a
// host candidate, and has to wait until that is silent.
func TestKeptNomination(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("known %v", known), func(t *testing.T) {
			cfg := loopbackConfig()
			cfg.ICEKeepaliveInterval, cfg.ICEDisconnectedTimeout = 20*time.Millisecond, 200*time.Millisecond
			p := newKeptPeers(t, loopbackConfig(), cfg)
			moved := p.elsewhere(t)
			if known {
				moved.announce(p.b)
			} else {
				moved.wantAnswer(moved.check(ice.UseCandidate()))
				moved.wantSilence("a check of a pair that is worse")
				p.a.core.close() // its path is silent now
				if g, _ := keptOf(p.b.core); !eventually(g.consent.silent) {
					t.Fatal("no silence")
				}
			}
			changes := p.b.Stats().Transport.SelectedCandidatePairChanges
			moved.wantAnswer(moved.check(ice.UseCandidate()))
			check := moved.wantCheck()
			before := remoteOf(p.b)
			moved.answer(check, moved.remote.pwd) // by somebody who does not know the password
			other := p.elsewhere(t)
			other.answer(check, moved.local.pwd) // from elsewhere
			moved.wantSilence("after wrong answers")
			if now := remoteOf(p.b); now != before {
				t.Fatalf("data goes to %v", now)
			}
			moved.answer(check, moved.local.pwd)
			if !eventually(func() bool { return remoteOf(p.b) == moved.addr().String() }) {
				t.Fatalf("data goes to %v, want %v", remoteOf(p.b), moved.addr())
			}
			if !eventually(func() bool { return p.b.ICEConnectionState() == ICEConnectionStateConnected }) {
				t.Error("not connected")
			}
			s := p.b.Stats()
			if n := s.Transport.SelectedCandidatePairChanges; n != changes+1 {
				t.Errorf("%d changes, want %d", n, changes+1)
			}
			if _, remote := selectedCandidates(t, p.b); remote.Port != int(moved.addr().Port()) || (remote.CandidateType == "host") != known {
				t.Errorf("selected %+v", remote)
			}
			for seen := 0; seen < 3; { // consent is asked for there
				if m := moved.next(); m.Type == stun.BindingRequest {
					moved.answer(m, moved.local.pwd)
					seen++
				}
			}
			if !eventually(func() bool { return checksAnswered(p.b) > 1 }) {
				t.Error("the answers are not heard")
			}
		})
	}
}

// What a peer may nominate at once is bounded, and so is what is remembered of it.
func TestKeptNominationsAreBounded(t *testing.T) {
	p := newKeptPeers(t, loopbackConfig(), loopbackConfig())
	first := p.elsewhere(t)
	first.announce(p.b)
	first.wantAnswer(first.check(ice.UseCandidate()))
	check := first.wantCheck()
	first.wantAnswer(first.check(ice.UseCandidate()))
	first.wantSilence("a second check so soon")
	for range keptNominees {
		i := p.elsewhere(t)
		i.announce(p.b)
		i.wantAnswer(i.check(ice.UseCandidate()))
		i.wantCheck()
	}
	before := remoteOf(p.b)
	first.answer(check, first.local.pwd)
	first.wantSilence("after a check that is forgotten")
	if now := remoteOf(p.b); now != before {
		t.Errorf("data goes to %v", now)
	}
	g, k := keptOf(p.b.core)
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	if n := len(k.nominees); n != keptNominees {
		t.Errorf("%d nominees", n)
	}
	k.known.remotes = slices.Grow(k.known.remotes, maxKnown)[:maxKnown]
	k.known.pairs = slices.Grow(k.known.pairs, maxKnown)[:maxKnown]
	k.known.selectPair(udpPair{g.pair.local, netip.MustParseAddrPort("192.0.2.1:9")})
	if k.known.selected != "" || len(k.known.remotes) > maxKnown || len(k.known.pairs) > maxKnown {
		t.Errorf("%d candidates, %d pairs, selected %q", len(k.known.remotes), len(k.known.pairs), k.known.selected)
	}
}

// Only the peer is answered, and what is no check of it does nothing.
func TestKeptPathForged(t *testing.T) {
	p := newKeptPeers(t, loopbackConfig(), loopbackConfig())
	i := p.elsewhere(t)
	name := stun.NewUsername(i.remote.ufrag + ":" + i.local.ufrag)
	i.send("another password", name, ice.UseCandidate())
	i.send(i.local.pwd, name, ice.UseCandidate())
	i.send(i.remote.pwd, stun.NewUsername(i.remote.ufrag+":somebody"), ice.UseCandidate())
	plain, err := stun.Build(stun.TransactionID, stun.BindingRequest, name, ice.UseCandidate())
	must(t, err)
	i.WriteTo(plain.Raw, i.to)
	indication, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication))
	must(t, err)
	i.WriteTo(indication.Raw, i.to)
	answer, err := stun.Build(stun.TransactionID, stun.BindingSuccess, stun.NewShortTermIntegrity(i.local.pwd))
	must(t, err)
	i.WriteTo(answer.Raw, i.to)
	i.wantSilence("forged checks")
	exchange(t, p.x, p.y)
}

// 8445-7.3.1.1-a: who has the greater tie-breaker decides, when both think they control
// or neither.
func TestKeptRoleConflict(t *testing.T) {
	p := newKeptPeers(t, loopbackConfig(), loopbackConfig())
	role := func() stun.AttrType {
		g, _ := keptOf(p.b.core)
		g.consent.mu.Lock()
		defer g.consent.mu.Unlock()
		return g.consent.role.Type
	}
	i := p.elsewhere(t)
	i.announce(p.b)
	for _, step := range []struct {
		role  stun.Setter
		error bool
		ours  stun.AttrType
	}{
		{ice.AttrControlled(1<<64 - 1), true, stun.AttrICEControlled}, // the peer has to control
		{ice.AttrControlled(0), false, stun.AttrICEControlling},
		{ice.AttrControlled(0), false, stun.AttrICEControlling},
		{ice.AttrControlling(0), true, stun.AttrICEControlling},
		{ice.AttrControlling(1<<64 - 1), false, stun.AttrICEControlled},
		{ice.AttrControlling(0), false, stun.AttrICEControlled},
	} {
		i.role = step.role
		m := i.check()
		got := i.next()
		var code stun.ErrorCodeAttribute
		conflict := code.GetFrom(got) == nil && code.Code == stun.CodeRoleConflict && got.Type == stun.BindingError
		if got.TransactionID != m.TransactionID || conflict != step.error || !conflict && got.Type != stun.BindingSuccess || role() != step.ours {
			t.Errorf("%v: answer %v, our role %v", step, got, role())
		}
	}
	i.role = ice.AttrControlled(0)
	i.check()
	i.next()
	i.wantAnswer(i.check(ice.UseCandidate())) // of one that does not control
	i.wantSilence("a nomination by the controlled side")
	exchange(t, p.x, p.y)
}

// An agent that is lite keeps its path as well, and so does one whose peer is.
func TestKeptPathLite(t *testing.T) {
	lite := loopbackConfig()
	lite.ICELite = true
	lite.ICEKeepaliveInterval, lite.ICEDisconnectedTimeout = 20*time.Millisecond, 200*time.Millisecond
	full := lite
	full.ICELite = false
	p := newKeptPeers(t, full, lite)
	if !eventually(func() bool { return checksAnswered(p.a) > 50 }) {
		t.Error("no checks are answered")
	}
	for _, peer := range []*testPeer{p.a, p.b} {
		if s := peer.ICEConnectionState(); s != ICEConnectionStateConnected {
			t.Errorf("ICE is %s", s)
		}
	}
	exchange(t, p.x, p.y)
}

// A candidate that comes when the agent is gone is known to statistics, once.
func TestKeptPathTakesCandidates(t *testing.T) {
	p := newKeptPeers(t, loopbackConfig(), loopbackConfig())
	for range 2 {
		p.b.lateCandidate(t, "9 1 udp 5 192.0.2.7 700 typ host")
	}
	n := 0
	for _, c := range p.b.Stats().RemoteCandidates {
		if strings.HasPrefix(c.Address, "192.0.2.7") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("known %d times", n)
	}
}

// Of what somebody sends who knows the user fragments little is looked at, and the peer is heard
// all the same.
func TestKeptPace(t *testing.T) {
	var p keptPace
	peer, start := netip.MustParseAddrPort("192.0.2.1:1"), time.Now()
	at := func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), uint16(i+1)) }
	admitted := 0
	for round := range 2 {
		now := start.Add(time.Duration(round) * keptCheckGap)
		for i := range 100_000 {
			if p.admit(at(i%1000), peer, now) {
				admitted++
			}
		}
		for i := range 2 * keptPeerBurst {
			if p.admit(peer, peer, now) != (i < keptPeerBurst) {
				t.Errorf("message %d of the peer", i)
			}
		}
	}
	if most := 2 * keptBurst * (keptSources + 1); admitted != most || len(p.seen) > keptSources+2 {
		t.Errorf("%d messages of strangers, want %d; %d addresses", admitted, most, len(p.seen))
	}
}

// Whatever comes from the peer's address, forged or not, the answers to checks for consent are heard.
func TestKeptPathFlooded(t *testing.T) {
	cfg := loopbackConfig()
	cfg.ICEKeepaliveInterval = 10 * time.Millisecond
	p := newKeptPeers(t, cfg, loopbackConfig())
	g, k := keptOf(p.a.core)
	g.t.mu.Lock()
	k.pace = keptPace{since: time.Now().Add(time.Hour), seen: []keptSource{{g.pair.remote, keptPeerBurst}}}
	g.t.mu.Unlock()
	answered := func() (n uint64) {
		for _, c := range g.consent.checked() {
			n += c.responses
		}
		return n
	}
	if before := answered(); !eventually(func() bool { return answered() > before+3 }) {
		t.Errorf("%d answers, as before", before)
	}
}

// A candidate that the agent was given when it was about to go is known.
func TestKeptPathKnowsLateCandidates(t *testing.T) {
	p := newKeptPeers(t, loopbackConfig(), loopbackConfig())
	p.b.RestartICE()
	before, _ := keptOf(p.b.core)
	negotiate(t, p.b, p.a, false)
	if !eventually(func() bool { g, _ := keptOf(p.b.core); return g != before }) {
		t.Fatal("no new generation")
	}
	g, _ := keptOf(p.b.core)
	g.t.mu.Lock()
	if g.kept == nil {
		c, err := ice.UnmarshalCandidate("9 1 udp 2130706431 127.0.0.1 9 typ host")
		must(t, err)
		g.remotes = append(g.remotes, c) // as if the agent had not come to it
	}
	early := g.kept == nil
	g.t.mu.Unlock()
	wantKept(t, p.b.core)
	_, k := keptOf(p.b.core)
	p.b.core.ice.mu.Lock()
	defer p.b.core.ice.mu.Unlock()
	if early && candidateAt(k.known.remotes, netip.MustParseAddrPort("127.0.0.1:9")) == nil {
		t.Errorf("not known: %+v", k.known.remotes)
	}
}
