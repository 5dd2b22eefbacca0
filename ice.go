//go:build !js

package sluice

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"

	"github.com/sluice-rtc/sluice/internal/udpmux"
)

const (
	// iceCheckInterval is how often the agent sends checks while connecting; the
	// sockets below it thin out those that stay unanswered (see pacer).
	iceCheckInterval = 20 * time.Millisecond

	// iceMaxRequests keeps a pair alive for as long as checking lasts: with the
	// library's default of 7 it would fail 160 ms after it was made, long before
	// a peer starts whose signalling takes a second.
	iceMaxRequests = 65535

	// iceReflexiveWait and iceRelayWait are how long a controlling agent hopes for a
	// pair that is better than one with a server-reflexive or a relayed candidate:
	// some checks long, and as long as NATs on both sides may take to let one
	// through. The library would wait 0.5 s and 2 s.
	iceReflexiveWait = 100 * time.Millisecond
	iceRelayWait     = 500 * time.Millisecond

	// iceNever is a time-out of the library that never comes; two of them can be
	// added.
	iceNever = time.Duration(1 << 61)

	// maxRemoteCandidates bounds the candidates taken from the peer in one
	// generation; further ones are ignored.
	maxRemoteCandidates = 100

	// retireAfter is how long the path of an older generation is still heard
	// after a new one carries data: the peer may have something under way there.
	retireAfter = 5 * time.Second
)

// iceEvents are what an iceTransport reports, in order. They must not block.
type iceEvents struct {
	candidate       func(localCandidate)
	gatheringState  func(ICEGatheringState)
	connectionState func(ICEConnectionState)
	pathChanged     func() // another pair has been selected than before
}

// localCandidate is a candidate of ours, of the generation that ufrag names.
type localCandidate struct {
	ufrag string
	line  string // "candidate:...", "" when gathering is complete
}

// iceTransport is ICE: one generation (RFC 8445, section 9), and while a restart
// is under way a second one beside it. Data stays on the path of the older
// generation until the newer one has a path: an agent of the library that is
// restarted would forget its pair and close its sockets first. Nothing else but
// iceGeneration knows the ICE library.
type iceTransport struct {
	cfg   *Config
	log   scopedLogger
	ev    iceEvents
	names mdnsNode

	mux *udpmux.Mux // of this connection alone, or that of Config.UDPMux

	expiry time.Duration // of consent
	settle time.Duration // until an agent is let go

	ctx       context.Context // ends with close
	cancel    context.CancelFunc
	working   sync.WaitGroup // everything that runs in the background
	closeOnce sync.Once
	marks     iceMarks // of sockets that are no ports; has a lock of its own

	mu          sync.Mutex
	servers     []*stun.URI // of the generations to come
	path        *icePath    // what the layers above see
	closed      bool
	controlling bool
	live        []*iceGeneration   // all that are not closed, oldest first
	next        *iceGeneration     // offered to the peer, whose credentials are not known yet; or nil
	agreed      *iceGeneration     // the newest of which both sides know the credentials; or nil
	used        *iceGeneration     // the one that carries data; nil before there is a path
	state       ICEConnectionState // as last reported
	gathering   ICEGatheringState  // as last reported
	pairChanges int                // how often a pair was selected
	whole       bool               // datagrams must not be fragmented
}

func newICETransport(cfg *Config, ev iceEvents) (*iceTransport, error) {
	factory := newLogFactory(cfg.Logger)
	t := &iceTransport{cfg: cfg, log: factory.scoped("ice"), ev: ev,
		state: ICEConnectionStateNew, gathering: ICEGatheringStateNew, expiry: consentExpiry, settle: iceSettle,
		names: mdnsNode{loopback: cfg.IncludeLoopback, log: factory.scoped("mdns")}}
	if cfg.UDPMux != nil {
		t.mux = cfg.UDPMux.mux
	} else {
		t.mux = udpmux.New(udpmux.Config{})
	}
	var err error
	if t.servers, err = cfg.serverURIs(cfg.ICEServers); err != nil {
		return nil, err
	}
	t.path = t.newPath()
	t.ctx, t.cancel = context.WithCancel(context.Background())
	if err := t.restart(newICECredentials(cfg.ICEUfragPrefix)); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// agentConfig is the configuration of the agent of one generation.
func (g *iceGeneration) agentConfig(uris []*stun.URI, factory logFactory) *ice.AgentConfig {
	cfg := g.t.cfg
	zero, never, interval, requests := time.Duration(0), iceNever, iceCheckInterval, uint16(iceMaxRequests)
	reflexiveWait, relayWait := iceReflexiveWait, iceRelayWait
	c := &ice.AgentConfig{
		LocalUfrag:             g.ufrag,
		LocalPwd:               g.pwd,
		Urls:                   uris,
		MulticastDNSMode:       ice.MulticastDNSModeDisabled, // see mdnsNode
		DisconnectedTimeout:    &never,                       // these three: see consent
		FailedTimeout:          &never,
		KeepaliveInterval:      &zero,
		CheckInterval:          &interval,
		MaxBindingRequests:     &requests,
		PrflxAcceptanceMinWait: &zero, // browsers with .local names are found as peer-reflexive
		SrflxAcceptanceMinWait: &reflexiveWait,
		RelayAcceptanceMinWait: &relayWait,
		CandidateTypes:         []ice.CandidateType{ice.CandidateTypeHost},
		LoggerFactory:          factory,
		Lite:                   cfg.ICELite,
		UDPMux:                 icePorts{g.ports, g.net, &g.checks},
		Net:                    g.net,
		ProxyDialer:            g.net,
		InterfaceFilter:        cfg.InterfaceFilter,
		IPFilter:               cfg.IPFilter,
		IncludeLoopback:        cfg.IncludeLoopback,
		DisableActiveTCP:       true,
	}
	if g.tcp != nil {
		c.TCPMux = g.tcp
	}
	if cfg.ICETransportPolicy == ICETransportPolicyRelay {
		c.CandidateTypes = []ice.CandidateType{ice.CandidateTypeRelay}
		c.RelayAcceptanceMinWait = &zero // there is nothing better to wait for
	} else if len(uris) > 0 {
		c.CandidateTypes = append(c.CandidateTypes, ice.CandidateTypeServerReflexive, ice.CandidateTypeRelay)
	}
	for _, n := range cfg.NetworkTypes {
		switch n {
		case "udp4":
			c.NetworkTypes = append(c.NetworkTypes, ice.NetworkTypeUDP4)
		case "udp6":
			c.NetworkTypes = append(c.NetworkTypes, ice.NetworkTypeUDP6)
		case "tcp4":
			c.NetworkTypes = append(c.NetworkTypes, ice.NetworkTypeTCP4)
		case "tcp6":
			c.NetworkTypes = append(c.NetworkTypes, ice.NetworkTypeTCP6)
		}
	}
	return c
}

// tlsServers returns the servers to be spoken to over TLS: host:port and name.
func tlsServers(uris []*stun.URI) map[string]string {
	servers := make(map[string]string)
	for _, u := range uris {
		if u.Scheme == stun.SchemeTypeTURNS {
			servers[serverAddress(u)] = u.Host
		}
	}
	return servers
}

// serverAddress is host:port as the agent writes it.
func serverAddress(u *stun.URI) string { return fmt.Sprintf("%s:%d", u.Host, u.Port) }

// newest returns the generation that a description of ours would be of. t.mu is held.
func (t *iceTransport) newest() *iceGeneration {
	if t.next != nil {
		return t.next
	}
	return t.agreed
}

// generation returns the live generation that ufrag names, or nil. t.mu is held.
func (t *iceTransport) generation(ufrag string) *iceGeneration {
	for _, g := range t.live {
		if g.ufrag == ufrag {
			return g
		}
	}
	return nil
}

func (t *iceTransport) localCredentials() iceCredentials {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.newest(); g != nil {
		return g.iceCredentials
	}
	return iceCredentials{}
}

// localCandidates returns what the generation has gathered, and whether that is all.
func (t *iceTransport) localCandidates(ufrag string) (lines []string, complete bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.generation(ufrag)
	if g == nil {
		return nil, false
	}
	return slices.Clone(g.candidates), g.gathering == ICEGatheringStateComplete
}

// gathered is closed when the newest generation is gathered, or is closed itself.
func (t *iceTransport) gathered() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.newest(); g != nil {
		return g.gatheredCh
	}
	return nil
}

// gather starts gathering for the newest generation, once, in the background: it calls the
// filters of the application, and opens sockets.
func (t *iceTransport) gather() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if g := t.newest(); g.gathering == ICEGatheringStateNew {
		g.gathering = ICEGatheringStateGathering
		t.reportGathering()
		agent := g.agent // there is one: no pair was selected
		t.background(func() { g.gather(agent) })
	}
	return nil
}

// reportGathering reports the state of the newest generation. t.mu is held.
func (t *iceTransport) reportGathering() {
	if s := t.newest().gathering; s != t.gathering {
		t.gathering = s
		t.ev.gatheringState(s)
	}
}

// reportState reports the state of all generations together. t.mu is held.
func (t *iceTransport) reportState() {
	if s := t.connectionState(); s != t.state && !t.closed {
		t.state = s
		t.ev.connectionState(s)
	}
}

// connectionState is what W3C's RTCIceTransportState says of a restart: nothing
// changes while there is a path; once that is lost, the new generation decides
// until it has failed, too. t.mu is held.
func (t *iceTransport) connectionState() ICEConnectionState {
	switch {
	case t.agreed == nil:
		return ICEConnectionStateNew
	case t.used == nil:
		return t.agreed.state
	case t.used.state == ICEConnectionStateConnected || t.agreed.state == ICEConnectionStateFailed:
		return t.used.state
	}
	return t.agreed.state
}

// addRemoteCandidate is described at core. The candidate is of the newest
// generation of the peer that is known.
func (t *iceTransport) addRemoteCandidate(line string) error {
	end := strings.TrimSpace(line) == ""
	canonical, host, err := "", "", error(nil)
	if !end {
		if canonical, host, err = canonicalCandidate(line); err != nil {
			return &CandidateError{Candidate: line, Err: err}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	g := t.agreed
	if g == nil {
		g = t.next
	}
	switch {
	case end:
		g.remoteEnded = true
		return nil
	case g.remoteEnded:
		t.log.Infof("ignored a candidate after end-of-candidates (RFC 8838, section 14): %s", line)
		return nil
	case canonical == "", isTCP(canonical) && !t.cfg.hasNetwork("tcp4", "tcp6"):
		t.log.Infof("ignored a candidate of a kind that is not used here: %s", line)
		return nil
	case g.remoteCount >= maxRemoteCandidates:
		t.log.Warnf("ignored a remote candidate beyond %d", maxRemoteCandidates)
		return nil
	}
	g.remoteCount++
	if host == "" {
		return g.addCanonical(canonical)
	}
	if t.cfg.DisableMulticastDNS {
		t.log.Infof("ignored a .local candidate: multicast DNS is disabled")
		return nil
	}
	t.background(func() { g.resolve(canonical, host) })
	return nil
}

// background runs f until it returns; close waits for it. t.mu is held, and the
// transport is not closed.
func (t *iceTransport) background(f func()) {
	t.working.Add(1)
	go func() {
		defer t.working.Done()
		f()
	}()
}

// start starts checks with the peer, once for an association, in the role given, and returns
// the path of that. Roles stay in restarts (RFC 8445, section 6.1.1).
func (t *iceTransport) start(controlling bool, remote iceCredentials) (*icePath, error) {
	t.mu.Lock()
	t.controlling = controlling
	path := t.path
	t.mu.Unlock()
	return path, t.proceed(remote)
}

// restart begins a new generation; see core.restartICE. One that the peer has
// not answered yet is given up.
func (t *iceTransport) restart(local iceCredentials) error {
	g, err := newICEGeneration(t, local)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		g.discard()
		return ErrClosed
	}
	t.drop(t.next)
	t.next = g
	t.live = append(t.live, g)
	return nil // the gathering state stays until gather begins it anew
}

// setServers replaces the servers of the generations to come.
func (t *iceTransport) setServers(servers []*stun.URI) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	t.servers = servers
	return nil
}

// restarting reports whether a restart was begun that the peer has not answered.
func (t *iceTransport) restarting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next != nil && t.agreed != nil
}

// rollback gives up the generation that restart began, if the peer has not
// answered it and there is one to go back to.
func (t *iceTransport) rollback() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.agreed == nil || t.next == nil {
		return
	}
	t.drop(t.next)
	t.next = nil
	t.reportGathering()
}

// proceed starts the checks of the newest generation, with the peer's
// credentials. One that was agreed before and has no path yet is given up.
func (t *iceTransport) proceed(remote iceCredentials) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrClosed
	case t.next == nil:
		return &StateError{Op: "ICE restart", Reason: "none was begun on this side"}
	}
	if t.agreed != t.used {
		t.drop(t.agreed)
	}
	g, controlling := t.next, t.controlling
	t.agreed, t.next = g, nil
	g.consent.agreed(remote)
	g.checks.begin(remote)
	t.background(func() { g.run(controlling, remote) })
	return nil
}

// amend gives the generation that was agreed last other credentials of the peer: of
// restarts that crossed, both sides mean this one now. False if it has a path.
func (t *iceTransport) amend(remote iceCredentials) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.agreed
	if t.closed || t.next != nil || g == nil || g == t.used || g.pairs > 0 || g.state == ICEConnectionStateFailed {
		return false
	}
	g.consent.agreed(remote)
	g.checks.begin(remote)
	g.remoteCount, g.remoteEnded, g.remotes = 0, false, nil
	g.amended = &remote
	g.amend()
	return true
}

// drop closes a generation in the background; g may be nil. t.mu is held.
func (t *iceTransport) drop(g *iceGeneration) {
	if g != nil {
		t.forget(g)
		t.background(g.close)
	}
}

// forget takes a generation out of those that are live. t.mu is held.
func (t *iceTransport) forget(g *iceGeneration) {
	if t.generation(g.ufrag) == g && g.gathering != ICEGatheringStateComplete {
		close(g.gatheredCh) // nobody is to wait for what will not come
	}
	t.live = slices.DeleteFunc(t.live, func(other *iceGeneration) bool { return other == g })
}

// adopt moves the data to the path of g, which has selected a pair.
func (t *iceTransport) adopt(g *iceGeneration, conn *ice.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.agreed != g {
		return
	}
	g.conn = conn
	if t.used == g { // data has gone over a pair that worked before
		g.follow()
		g.pump()
		return
	}
	t.take(g)
}

// take moves the data to the path of g. t.mu is held.
func (t *iceTransport) take(g *iceGeneration) {
	old := t.used
	t.used = g
	if old != nil {
		g.before.data = t.traffic()
	}
	g.consent.start()
	g.follow()
	g.pump()
	t.reportState()
	if old == nil {
		close(t.path.connected)
		return
	}
	t.ev.pathChanged()
	old.consent.stop()
	t.background(func() {
		linger := time.NewTimer(retireAfter)
		defer linger.Stop()
		select {
		case <-linger.C:
		case <-t.ctx.Done():
		}
		old.close()
	})
}

// roundTripTime returns that of the selected pair, 0 if none is known.
func (t *iceTransport) roundTripTime() time.Duration {
	t.mu.Lock()
	g := t.used
	var agent *ice.Agent
	if g != nil {
		agent = g.agent
	}
	t.mu.Unlock()
	if g == nil {
		return 0
	}
	if rtt := g.checks.roundTripTime(); rtt > 0 || agent == nil {
		return rtt
	}
	s, ok := agent.GetSelectedCandidatePairStats()
	if !ok {
		return 0
	}
	return time.Duration(s.CurrentRoundTripTime * float64(time.Second))
}

// mute stops what the layers above send, for an end that is to follow.
func (t *iceTransport) mute() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.path.SetConn(nil, nil)
}

// close ends every generation, its sockets and goroutines.
func (t *iceTransport) close() {
	t.closeOnce.Do(func() {
		t.mu.Lock()
		t.closed, t.state = true, ICEConnectionStateClosed
		live, path := slices.Clone(t.live), t.path
		t.mu.Unlock()
		t.cancel()
		for _, g := range live {
			g.close()
		}
		path.Close()
		t.names.close()
		if t.cfg.UDPMux == nil {
			t.mux.Close()
		}
		t.working.Wait()
	})
}
