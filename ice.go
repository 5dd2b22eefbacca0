package sluice

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"
)

const (
	// iceCheckInterval is how often the agent sends checks while connecting; the
	// sockets below it thin out those that stay unanswered (see pacer).
	iceCheckInterval = 20 * time.Millisecond

	// iceMaxRequests keeps a pair alive for as long as checking lasts: with the
	// library's default of 7 it would fail 160 ms after it was made, long before
	// a peer starts whose signalling takes a second.
	iceMaxRequests = 65535

	// maxRemoteCandidates bounds the candidates taken from the peer in one
	// generation; further ones are ignored.
	maxRemoteCandidates = 100
)

// iceEvents are what an iceTransport reports, in order. They must not block.
type iceEvents struct {
	candidate       func(line string) // "" when gathering is complete
	gatheringState  func(ICEGatheringState)
	connectionState func(ICEConnectionState)
	pathChanged     func() // another pair has been selected than before
}

// iceTransport is the ICE agent with its sockets. Nothing else knows the ICE library.
type iceTransport struct {
	cfg   *Config
	log   scopedLogger
	ev    iceEvents
	net   *guardedNet
	agent *ice.Agent
	names mdnsResolver

	ctx       context.Context // ends with close
	cancel    context.CancelFunc
	working   sync.WaitGroup // name lookups and the pump
	closeOnce sync.Once

	mu          sync.Mutex
	closed      bool
	ufrag, pwd  string
	state       ICEConnectionState
	gathering   ICEGatheringState
	gatheredCh  chan struct{} // closed when this generation is gathered
	candidates  []string      // local lines of this generation
	remoteCount int           // remote candidates of this generation
	remoteEnded bool          // end-of-candidates came in
	path        *datagramConn
	pairChanges int // how often a pair was selected
}

func newICETransport(cfg *Config, ev iceEvents) (*iceTransport, error) {
	uris, err := cfg.serverURIs()
	if err != nil {
		return nil, err
	}
	factory := newLogFactory(cfg.Logger)
	t := &iceTransport{cfg: cfg, log: factory.scoped("ice"), ev: ev,
		state: ICEConnectionStateNew, gathering: ICEGatheringStateNew, gatheredCh: make(chan struct{}),
		names: mdnsResolver{loopback: cfg.IncludeLoopback, log: factory}}
	if t.net, err = newGuardedNet(tlsServers(uris), t.log); err != nil {
		return nil, err
	}
	if t.agent, err = ice.NewAgent(t.agentConfig(uris, factory)); err != nil {
		t.net.close()
		return nil, fmt.Errorf("sluice: ICE agent: %w", err)
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	if err := t.prepare(); err != nil {
		t.close()
		return nil, fmt.Errorf("sluice: ICE agent: %w", err)
	}
	return t, nil
}

// prepare sets the handlers and reads the credentials.
func (t *iceTransport) prepare() error {
	if err := t.agent.OnCandidate(t.onCandidate); err != nil {
		return err
	}
	if err := t.agent.OnConnectionStateChange(t.onState); err != nil {
		return err
	}
	if err := t.agent.OnSelectedCandidatePairChange(t.onPair); err != nil {
		return err
	}
	var err error
	t.ufrag, t.pwd, err = t.agent.GetLocalUserCredentials()
	return err
}

func (t *iceTransport) agentConfig(uris []*stun.URI, factory logFactory) *ice.AgentConfig {
	zero, interval, requests := time.Duration(0), iceCheckInterval, uint16(iceMaxRequests)
	c := &ice.AgentConfig{
		Urls:                   uris,
		PortMin:                t.cfg.PortMin,
		PortMax:                t.cfg.PortMax,
		MulticastDNSMode:       ice.MulticastDNSModeDisabled, // see mdnsResolver
		DisconnectedTimeout:    &t.cfg.ICEDisconnectedTimeout,
		FailedTimeout:          &t.cfg.ICEFailedTimeout,
		KeepaliveInterval:      &t.cfg.ICEKeepaliveInterval,
		CheckInterval:          &interval,
		MaxBindingRequests:     &requests,
		PrflxAcceptanceMinWait: &zero, // browsers with .local names are found as peer-reflexive
		CandidateTypes:         []ice.CandidateType{ice.CandidateTypeHost},
		LoggerFactory:          factory,
		Lite:                   t.cfg.ICELite,
		Net:                    t.net,
		ProxyDialer:            t.net,
		InterfaceFilter:        t.cfg.InterfaceFilter,
		IPFilter:               t.cfg.IPFilter,
		IncludeLoopback:        t.cfg.IncludeLoopback,
		DisableActiveTCP:       true,
	}
	if t.cfg.ICETransportPolicy == ICETransportPolicyRelay {
		c.CandidateTypes = []ice.CandidateType{ice.CandidateTypeRelay}
		c.RelayAcceptanceMinWait = &zero // there is nothing better to wait for
	} else if len(uris) > 0 {
		c.CandidateTypes = append(c.CandidateTypes, ice.CandidateTypeServerReflexive, ice.CandidateTypeRelay)
	}
	for _, n := range t.cfg.NetworkTypes {
		switch n {
		case "udp4":
			c.NetworkTypes = append(c.NetworkTypes, ice.NetworkTypeUDP4)
		case "udp6":
			c.NetworkTypes = append(c.NetworkTypes, ice.NetworkTypeUDP6)
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

func (t *iceTransport) localCredentials() (ufrag, pwd string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ufrag, t.pwd
}

func (t *iceTransport) localCandidates() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.candidates...)
}

func (t *iceTransport) gathered() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gatheredCh
}

func (t *iceTransport) gather() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.gathering != ICEGatheringStateNew {
		return nil
	}
	if err := t.agent.GatherCandidates(); err != nil {
		return fmt.Errorf("sluice: gathering: %w", err)
	}
	t.gathering = ICEGatheringStateGathering
	t.ev.gatheringState(t.gathering)
	return nil
}

// onCandidate is called by the agent, nil at the end of gathering.
func (t *iceTransport) onCandidate(c ice.Candidate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.gathering != ICEGatheringStateGathering {
		return
	}
	if c != nil {
		line := "candidate:" + c.Marshal()
		t.candidates = append(t.candidates, line)
		t.ev.candidate(line)
		return
	}
	t.gathering = ICEGatheringStateComplete
	close(t.gatheredCh)
	t.ev.candidate("")
	t.ev.gatheringState(t.gathering)
}

// onState is called by the agent.
func (t *iceTransport) onState(s ice.ConnectionState) {
	states := map[ice.ConnectionState]ICEConnectionState{
		ice.ConnectionStateChecking:     ICEConnectionStateChecking,
		ice.ConnectionStateConnected:    ICEConnectionStateConnected,
		ice.ConnectionStateCompleted:    ICEConnectionStateConnected,
		ice.ConnectionStateDisconnected: ICEConnectionStateDisconnected,
		ice.ConnectionStateFailed:       ICEConnectionStateFailed,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if state, ok := states[s]; ok && state != t.state && !t.closed {
		t.state = state
		t.ev.connectionState(state)
	}
}

// onPair is called by the agent when it has selected a pair.
func (t *iceTransport) onPair(local, remote ice.Candidate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pairChanges++
	t.log.Infof("selected pair %s - %s", local, remote)
	if t.pairChanges > 1 {
		t.ev.pathChanged()
	}
}

// addRemoteCandidate is described at core.
func (t *iceTransport) addRemoteCandidate(line string) error {
	if strings.TrimSpace(line) == "" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.remoteEnded = true
		return nil
	}
	canonical, host, err := canonicalCandidate(line)
	if err != nil {
		return &CandidateError{Candidate: line, Err: err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrClosed
	case t.remoteEnded:
		t.log.Infof("ignored a candidate after end-of-candidates (RFC 8838, section 14): %s", line)
		return nil
	case canonical == "":
		t.log.Infof("ignored a candidate of a kind that is not used here: %s", line)
		return nil
	case t.remoteCount >= maxRemoteCandidates:
		t.log.Warnf("ignored a remote candidate beyond %d", maxRemoteCandidates)
		return nil
	}
	t.remoteCount++
	if host == "" {
		return t.addCanonical(canonical)
	}
	if t.cfg.DisableMulticastDNS {
		t.log.Infof("ignored a .local candidate: multicast DNS is disabled")
		return nil
	}
	t.working.Add(1)
	go t.resolve(canonical, host)
	return nil
}

// resolve finds the address of a .local candidate, then adds it.
func (t *iceTransport) resolve(canonical, host string) {
	defer t.working.Done()
	ip, err := t.names.resolve(t.ctx, host)
	if err != nil {
		t.log.Infof("candidate %s: %v", host, err)
		return
	}
	if err := t.addCanonical(strings.Replace(canonical, " "+host+" ", " "+ip.String()+" ", 1)); err != nil {
		t.log.Infof("candidate %s: %v", host, err)
	}
}

func (t *iceTransport) addCanonical(canonical string) error {
	c, err := ice.UnmarshalCandidate(canonical)
	if err != nil {
		return &CandidateError{Candidate: canonical, Err: err}
	}
	if err := t.agent.AddRemoteCandidate(c); err != nil {
		return fmt.Errorf("sluice: remote candidate: %w", err)
	}
	return nil
}

// canonicalCandidate checks a candidate line against RFC 8839, section 5.1, and
// returns it without prefix and extensions; "" if it is well formed but of a
// transport, component, type or address that is not used. For a .local name
// that name is returned, too.
func canonicalCandidate(line string) (canonical, local string, err error) {
	line = strings.TrimPrefix(strings.TrimSpace(line), "a=")
	line = strings.TrimPrefix(line, "candidate:")
	f := strings.Fields(line)
	switch {
	case len(line) > 1024:
		return "", "", errors.New("longer than 1024 bytes")
	case len(f) < 8 || f[6] != "typ":
		return "", "", errors.New(`want "foundation component transport priority address port typ type"`)
	case len(f[0]) > 32 || !isICEChars(f[0]):
		return "", "", errors.New("foundation is not 1 to 32 letters, digits, + or /")
	}
	component, err := strconv.ParseUint(f[1], 10, 16)
	if err != nil {
		return "", "", fmt.Errorf("component: %w", err)
	}
	if _, err := strconv.ParseUint(f[3], 10, 32); err != nil {
		return "", "", fmt.Errorf("priority: %w", err)
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil {
		return "", "", fmt.Errorf("port: %w", err)
	}
	switch f[7] {
	case "host", "srflx", "prflx", "relay":
	default:
		return "", "", nil
	}
	if component != 1 || port == 0 || !strings.EqualFold(f[2], "udp") {
		return "", "", nil
	}
	if addr, err := netip.ParseAddr(f[4]); err == nil {
		if addr.IsUnspecified() || addr.IsMulticast() {
			return "", "", nil
		}
	} else if f[7] == "host" && strings.HasSuffix(f[4], ".local") {
		local = f[4]
	} else {
		return "", "", nil // RFC 8839, section 5.1: a name is ignored
	}
	f[2] = "udp"
	n := 8
	if len(f) >= 12 && f[8] == "raddr" && f[10] == "rport" {
		if _, err := strconv.ParseUint(f[11], 10, 16); err != nil {
			return "", "", fmt.Errorf("rport: %w", err)
		}
		n = 12
	}
	return strings.Join(f[:n], " "), local, nil
}

// isICEChars reports whether s has only ice-char: ALPHA, DIGIT, "+", "/".
func isICEChars(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/') {
			return false
		}
	}
	return s != ""
}

// connect runs checks until a pair is selected, and returns the path for data.
func (t *iceTransport) connect(ctx context.Context, controlling bool, ufrag, pwd string) (*datagramConn, error) {
	dial := t.agent.Accept
	if controlling {
		dial = t.agent.Dial
	}
	conn, err := dial(ctx, ufrag, pwd)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("sluice: ICE: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	t.path = newDatagramConn(conn, t.log)
	t.path.dontFragment = t.net.setDontFragment
	t.working.Add(1)
	go func() {
		defer t.working.Done()
		t.path.pump(conn)
	}()
	return t.path, nil
}

// restart begins a new generation; see core.restartICE.
func (t *iceTransport) restart() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.gathering == ICEGatheringStateGathering {
		// The agent cannot tell the end of a cancelled gathering from that of
		// the next one.
		return &StateError{Op: "ICE restart", Reason: "candidates are still being gathered"}
	}
	if err := t.agent.Restart("", ""); err != nil {
		return fmt.Errorf("sluice: ICE restart: %w", err)
	}
	var err error
	if t.ufrag, t.pwd, err = t.agent.GetLocalUserCredentials(); err != nil {
		return fmt.Errorf("sluice: ICE restart: %w", err)
	}
	t.candidates, t.remoteCount, t.remoteEnded = nil, 0, false
	if t.gathering == ICEGatheringStateComplete {
		t.gatheredCh = make(chan struct{})
		t.gathering = ICEGatheringStateNew
		t.ev.gatheringState(t.gathering)
	}
	return nil
}

func (t *iceTransport) setRemoteCredentials(ufrag, pwd string) error {
	if err := t.agent.SetRemoteCredentials(ufrag, pwd); err != nil {
		return fmt.Errorf("sluice: ICE credentials: %w", err)
	}
	return nil
}

// roundTripTime returns that of the selected pair, 0 if none is known.
func (t *iceTransport) roundTripTime() time.Duration {
	s, ok := t.agent.GetSelectedCandidatePairStats()
	if !ok {
		return 0
	}
	return time.Duration(s.CurrentRoundTripTime * float64(time.Second))
}

// close ends the agent, its sockets and its goroutines.
func (t *iceTransport) close() {
	t.closeOnce.Do(func() {
		t.mu.Lock()
		gathering := t.gathering == ICEGatheringStateGathering
		t.closed, t.state = true, ICEConnectionStateClosed
		t.mu.Unlock()
		if t.cancel != nil {
			t.cancel()
		}
		if gathering {
			t.net.close() // or the agent would wait for servers that do not answer
		}
		// The handlers only post, so waiting for them cannot deadlock. Otherwise
		// the agent goes first: it releases its TURN allocations.
		if err := t.agent.GracefulClose(); err != nil {
			t.log.Warnf("closing the agent: %v", err)
		}
		t.net.close()
		t.names.close()
		t.working.Wait()
	})
}
