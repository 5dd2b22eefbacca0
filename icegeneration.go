//go:build !js

package sluice

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"

	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// iceGeneration is what an ICE restart makes anew: credentials, an agent of the
// library with its sockets, and the candidates of both sides.
type iceGeneration struct {
	iceCredentials
	t         *iceTransport
	ports     *udpmux.Agent // of the host candidates
	tcp       *iceTCP       // the same over TCP; nil if that is not wanted
	consent   *consent
	checks    pairChecks
	selected  chan struct{}                  // closed when a pair was selected
	relay     atomic.Pointer[udpmux.Traffic] // of the selected pair, as far as it goes over the agent
	closeOnce sync.Once

	// These are guarded by t.mu.
	agent       *ice.Agent  // nil once the path is kept without it
	net         *guardedNet // the agent's other sockets; nil with the agent
	kept        *keptPath   // nil before
	settling    *time.Timer // to then; nil before there is a pair
	ending      bool        // shut has begun
	conn        *ice.Conn   // nil before there is a pair, and without the agent
	pair        udpPair     // the selected one
	relayed     bool        // there is a candidate that is not at a port
	pumping     bool        // what comes in over conn is read
	state       ICEConnectionState
	gathering   ICEGatheringState
	gatheredCh  chan struct{}              // closed when all local candidates are known, or there will be none
	candidates  []string                   // local ones
	remotes     []ice.Candidate            // that the agent was given: it takes them later
	remoteCount int                        // remote ones
	remoteEnded bool                       // end-of-candidates came in
	amended     *iceCredentials            // of the peer, not yet known to the agent; nil: there are none
	pairs       int                        // how often a pair was selected
	relays      map[string]*udpmux.Traffic // over the agent, by the IDs of pairs
	before      trafficBefore
}

func newICEGeneration(t *iceTransport, local iceCredentials) (*iceGeneration, error) {
	g := &iceGeneration{iceCredentials: local, t: t, state: ICEConnectionStateNew, gathering: ICEGatheringStateNew,
		gatheredCh: make(chan struct{}), selected: make(chan struct{})}
	t.mu.Lock()
	uris := t.servers
	g.ports = t.path.NewAgent()
	g.before.checks = t.traffic()
	t.mu.Unlock()
	g.consent = newConsent(t, local, g.ports.LastAuthentic)
	g.consent.changed = g.onConsent
	g.net = newGuardedNet(tlsServers(uris), &t.marks, t.log)
	g.checks.local, g.checks.every, g.checks.usable = local, t.cfg.ICEKeepaliveInterval, g.onUsable
	g.ports.OnEarly(g.checks.early)
	if t.cfg.hasNetwork("tcp4", "tcp6") {
		g.tcp, g.net.tcp = newICETCP(g), true
	}
	g.net.ports, g.net.tap = g.ports, g.consent
	g.net.tls.RootCAs = t.cfg.ICEServerRoots
	t.mu.Lock()
	g.net.whole = t.whole
	t.mu.Unlock()
	var err error
	if g.agent, err = ice.NewAgent(g.agentConfig(uris, newLogFactory(t.cfg.Logger))); err == nil {
		err = g.listen()
	}
	if err != nil {
		g.discard()
		return nil, fmt.Errorf("sluice: ICE agent: %w", err)
	}
	return g, nil
}

// listen sets the handlers.
func (g *iceGeneration) listen() error {
	if err := g.agent.OnCandidate(g.onCandidate); err != nil {
		return err
	}
	if err := g.agent.OnConnectionStateChange(g.onState); err != nil {
		return err
	}
	return g.agent.OnSelectedCandidatePairChange(g.onPair)
}

// discard ends a generation that nobody knows yet.
func (g *iceGeneration) discard() {
	if g.agent != nil {
		g.agent.Close() // its error is that it was closed before
	}
	g.ports.Close()
	g.net.close()
}

// onCandidate is called by the agent, nil at the end of gathering.
func (g *iceGeneration) onCandidate(c ice.Candidate) {
	t := g.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.generation(g.ufrag) != g {
		return
	}
	if c != nil && (c.Type() == ice.CandidateTypeRelay || c.NetworkType().IsTCP()) {
		g.relayed = true
		g.pump()
	}
	if g.gathering != ICEGatheringStateGathering {
		return
	}
	if c != nil {
		line, err := t.describe(c)
		if err != nil {
			t.log.Warnf("a candidate that stays unknown to the peer: %v", err)
			return
		}
		if line == "" {
			return
		}
		g.candidates = append(g.candidates, line)
		t.ev.candidate(localCandidate{g.ufrag, line})
		return
	}
	g.gathering = ICEGatheringStateComplete
	close(g.gatheredCh)
	t.ev.candidate(localCandidate{ufrag: g.ufrag})
	t.reportGathering()
}

// onState is called by the agent, which knows nothing beyond the selection of a
// pair: see consent.
func (g *iceGeneration) onState(s ice.ConnectionState) {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	switch {
	case s == ice.ConnectionStateChecking && g.state == ICEConnectionStateNew:
		g.state = ICEConnectionStateChecking
		g.amend()
	case s == ice.ConnectionStateConnected && g.state == ICEConnectionStateChecking:
		g.state = ICEConnectionStateConnected
	}
	g.t.reportState()
}

// amend tells the agent of other credentials of the peer, once it has begun with those
// given to run, which would replace them. t.mu is held.
func (g *iceGeneration) amend() {
	remote := g.amended
	if remote == nil || g.state != ICEConnectionStateChecking || g.t.closed {
		return
	}
	g.amended = nil
	agent := g.agent // there is one: no pair was selected
	g.t.background(func() {
		if err := agent.SetRemoteCredentials(remote.ufrag, remote.pwd); err != nil {
			g.t.log.Infof("ICE: %v", err) // closed meanwhile
		}
	})
}

// onConsent takes the state that consent has now, and not when the call was begun:
// a later one may have come first.
func (g *iceGeneration) onConsent() {
	t := g.t
	t.mu.Lock()
	defer t.mu.Unlock()
	s := g.consent.current()
	if t.closed || t.used != g || g.state == s || g.state == ICEConnectionStateFailed {
		return
	}
	if g.state = s; s == ICEConnectionStateFailed {
		t.path.SetConn(nil, nil) // RFC 7675, section 5.1: nothing is sent without consent
		t.background(g.shut)
	}
	t.reportState()
}

// onPair is called by the agent when it has selected a pair.
func (g *iceGeneration) onPair(local, remote ice.Candidate) {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	g.consent.selected(local, remote)
	g.t.log.Infof("selected pair %s - %s", local, remote)
	g.choose(newUDPPair(local, remote), pairID(local.ID(), remote.ID()))
}

// choose makes the pair the selected one, not valid if it is not from a port; id is that of
// the agent, if it knows the pair. t.mu is held.
func (g *iceGeneration) choose(pair udpPair, id string) {
	t := g.t
	g.pairs++
	g.countRelay(pair, id)
	before := g.pair
	g.pair = pair
	g.checks.end()
	if confirmed := t.used == g && g.pairs == 1 && g.pair == before; !confirmed {
		t.pairChanges++
	}
	if g.pairs == 1 {
		close(g.selected) // adopt does the rest
	}
	if t.used == g && (g.pairs > 1 || g.pair != before) {
		g.follow()
		t.ev.pathChanged()
	}
	switch {
	case g.ending:
	case g.settling == nil:
		g.settling = time.AfterFunc(t.settle, g.settle)
	default:
		g.settling.Reset(t.settle)
	}
}

// onUsable is called when a pair works, though none is nominated yet.
func (g *iceGeneration) onUsable(pair udpPair) {
	t := g.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.agreed != g || t.used != nil || g.pairs > 0 || t.cfg.PlainTransport {
		return
	}
	t.log.Infof("data may go over %v - %v", pair.local, pair.remote)
	g.pair, g.state = pair, ICEConnectionStateConnected
	g.consent.proven(pair)
	t.pairChanges++
	t.take(g)
}

// run checks until a pair is selected, then moves the data there.
func (g *iceGeneration) run(controlling bool, remote iceCredentials) {
	dial := g.agent.Accept
	if controlling {
		dial = g.agent.Dial
	}
	ctx, cancel := context.WithTimeout(g.t.ctx, g.t.cfg.ICEDisconnectedTimeout+g.t.cfg.ICEFailedTimeout)
	defer cancel()
	conn, err := dial(ctx, remote.ufrag, remote.pwd)
	if err == nil {
		select {
		case <-g.selected:
			g.t.adopt(g, conn)
		case <-g.t.ctx.Done():
		}
		return
	}
	g.t.log.Infof("ICE: %v", err) // also if closed meanwhile: by the transport, or for a newer generation
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		g.t.mu.Lock()
		g.state = ICEConnectionStateFailed
		if g.t.used == g { // a pair worked that was never nominated
			g.t.path.SetConn(nil, nil)
		}
		g.t.reportState()
		g.t.mu.Unlock()
		g.shut()
	}
}

// resolve finds the address of a .local candidate, then adds it.
func (g *iceGeneration) resolve(canonical, host string) {
	ip, err := g.t.names.resolve(g.t.ctx, host)
	if err != nil {
		g.t.log.Infof("candidate %s: %v", host, err)
		return
	}
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	if err := g.addCanonical(strings.Replace(canonical, " "+host+" ", " "+ip.String()+" ", 1)); err != nil {
		g.t.log.Infof("candidate %s: %v", host, err)
	}
}

// addCanonical takes a candidate of the peer. t.mu is held.
func (g *iceGeneration) addCanonical(canonical string) error {
	c, err := ice.UnmarshalCandidate(canonical)
	if err != nil {
		return &CandidateError{Candidate: canonical, Err: err}
	}
	if g.kept != nil {
		g.kept.known.addRemote(c)
		return nil
	}
	if err := g.agent.AddRemoteCandidate(c); err != nil {
		return fmt.Errorf("sluice: remote candidate: %w", err)
	}
	g.remotes = append(g.remotes, c) // no more than remoteCount
	return nil
}

// close is shut for a generation that is not needed any more.
func (g *iceGeneration) close() {
	g.t.mu.Lock()
	g.t.forget(g)
	g.t.mu.Unlock()
	g.shut()
}

// shut ends the agent, its sockets and its goroutines, and waits for that. What is
// known of the generation stays.
func (g *iceGeneration) shut() {
	g.closeOnce.Do(func() {
		t := g.t
		g.consent.stop()
		g.checks.end()
		t.mu.Lock()
		gathering, agent, sockets := g.gathering == ICEGatheringStateGathering, g.agent, g.net
		g.ending = true
		if g.settling != nil {
			g.settling.Stop()
		}
		t.mu.Unlock()
		if gathering {
			sockets.close() // or the agent would wait for servers that do not answer
			g.ports.Close()
		}
		// The handlers only post, so waiting for them cannot deadlock. Otherwise
		// the agent goes first: it releases its TURN allocations.
		if agent != nil {
			if err := agent.GracefulClose(); err != nil {
				t.log.Warnf("closing the agent: %v", err)
			}
		}
		g.ports.Close()
		if sockets != nil {
			sockets.close()
		}
		if g.tcp != nil {
			g.tcp.Close()
			g.tcp.working.Wait()
		}
	})
}
