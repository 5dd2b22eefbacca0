//go:build !js

package sluice

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// Times of consent (RFC 7675, section 5.1).
const (
	// consentExpiry is how long consent lasts after the last answer to a check.
	consentExpiry = 30 * time.Second

	// consentPatience is how long a check may stay unanswered before the silence
	// counts: the initial RTO of RFC 8489, section 6.2.1.
	consentPatience = 500 * time.Millisecond

	// consentPending is how many checks can be answered late; an answer older
	// than that is unknown.
	consentPending = 8
)

// checkSender is a socket of the agent from which a check can be sent as it is.
type checkSender interface {
	localAddr() netip.AddrPort
	sendCheck(b []byte, to netip.AddrPort) error
}

// stunTap is shown the STUN messages between the agent and its peer. It keeps none
// of them.
type stunTap interface {
	// outgoing is told what the agent sends, and by which socket.
	outgoing(b []byte, via checkSender)
	// incoming is told what came in; true: it is not for the agent.
	incoming(b []byte, from netip.AddrPort) bool
}

// consent keeps the peer's consent to be sent to (RFC 7675) on the selected pair
// of one generation, and tells whether the peer is there. The library would take
// anything that comes from the right address for a sign of life and sends no
// checks while there is traffic. Here checks go out every 5 s or so, whatever
// else is sent; only their authenticated answers keep consent. For the
// connection state authenticated checks of the peer and authentic DTLS records
// count as life, too.
type consent struct {
	cfg     *Config
	expiry  time.Duration
	local   iceCredentials
	heard   func() time.Time // when the last authentic DTLS record came in, zero if none
	changed func()           // current is another one; called without locks, by several at a time

	mu         sync.Mutex
	remote     iceCredentials
	role       stun.RawAttribute // as the agent writes it
	senders    []checkSender     // sockets that the agent has sent checks from
	via        checkSender       // of the selected pair; nil before, and if it cannot be told
	peer       netip.AddrPort    // of the selected pair
	priority   uint32            // of the local candidate, as peer-reflexive
	timer      *time.Timer       // nil before start and after stop
	state      ICEConnectionState
	granted    time.Time // when consent was given last
	life       time.Time // the last sign of the peer, but for DTLS
	nextCheck  time.Time
	unanswered time.Time // when the first check went out after the last sign of life, zero if none did
	pending    [consentPending]pendingCheck
	sent       int
	counts     []*checkCounts // of the pairs that were selected, the selected one last
}

// maxCounted bounds the pairs of which consent keeps counts; those of the one that was left
// first go.
const maxCounted = 64

// checkCounts count the checks for consent on a pair, which go on when it is selected again.
type checkCounts struct {
	udpPair
	requests, responses uint64
	rtt, total          time.Duration // of the last answer, of all
}

type pendingCheck struct {
	id [stun.TransactionIDSize]byte
	at time.Time // zero if it was answered
	of *checkCounts
}

// agreed sets the peer's credentials.
func (c *consent) agreed(remote iceCredentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remote = remote
}

// outgoing is shown each STUN message that the agent sends.
func (c *consent) outgoing(b []byte, via checkSender) {
	m := stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.BindingRequest || !m.Contains(stun.AttrUsername) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range m.Attributes {
		if a.Type == stun.AttrICEControlling || a.Type == stun.AttrICEControlled {
			c.role = stun.RawAttribute{Type: a.Type, Value: bytes.Clone(a.Value)}
		}
	}
	for _, s := range c.senders {
		if s == via {
			return
		}
	}
	c.senders = append(c.senders, via)
}

// selected says which pair carries data. The pair has just been checked.
func (c *consent) selected(local, remote ice.Candidate) {
	c.mu.Lock()
	via := c.sender(local)
	c.mu.Unlock()
	c.move(via, candidateAddr(remote), peerReflexive(local.Priority()))
}

// move is selected for a pair that the agent does not know: a socket, the peer's address,
// and the priority for checks.
func (c *consent) move(via checkSender, peer netip.AddrPort, priority uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.via, c.peer, c.priority = via, peer, priority
	c.countPair()
	c.granted = time.Now()
	c.live(c.granted)
}

// proven says which pair carries data until one is selected. It has just been checked.
func (c *consent) proven(pair udpPair) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.senders {
		if s.localAddr() == pair.local {
			c.via = s
		}
	}
	c.peer = pair.remote
	c.countPair()
	c.priority = unknownPriority // of the one local candidate that counts now
	c.granted = time.Now()
	c.live(c.granted)
}

// countPair makes the counts of the selected pair the last. c.mu is held.
func (c *consent) countPair() {
	of := &checkCounts{udpPair: udpPair{remote: c.peer}}
	if c.via != nil {
		of.local = c.via.localAddr()
	}
	if i := slices.IndexFunc(c.counts, func(o *checkCounts) bool { return o.udpPair == of.udpPair }); i >= 0 {
		of = c.counts[i]
		c.counts = slices.Delete(c.counts, i, i+1)
	} else if len(c.counts) == maxCounted {
		c.counts = slices.Delete(c.counts, 0, 1)
	}
	c.counts = append(c.counts, of)
}

// sender finds the socket behind a candidate; c.mu is held.
func (c *consent) sender(local ice.Candidate) checkSender {
	at := candidateAddr(local)
	tcp := local.NetworkType().IsTCP()
	fits := func(s checkSender) bool {
		_, ok := s.(*tcpPort)
		return ok == tcp
	}
	for _, s := range c.senders {
		if fits(s) && s.localAddr() == at {
			return s
		}
	}
	// The socket of a server-reflexive candidate is bound to no address of its own.
	base := at.Port()
	if r := local.RelatedAddress(); r != nil && local.Type() == ice.CandidateTypeServerReflexive {
		base = uint16(r.Port)
	}
	for _, s := range c.senders {
		if fits(s) && s.localAddr().Port() == base {
			return s
		}
	}
	return nil
}

// candidateAddr is the address of a candidate, invalid for a name.
func candidateAddr(c ice.Candidate) netip.AddrPort {
	addr, err := netip.ParseAddr(c.Address())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(c.Port()))
}

// newConsent returns that of a generation with those credentials; heard as there.
func newConsent(t *iceTransport, local iceCredentials, heard func() time.Time) *consent {
	return &consent{cfg: t.cfg, expiry: t.expiry, local: local, heard: heard}
}

// start begins with consent as the connectivity checks gave it.
func (c *consent) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.state, c.granted, c.life = ICEConnectionStateConnected, now, now
	c.nextCheck = now.Add(c.interval())
	c.timer = time.AfterFunc(0, c.tick)
}

// stop ends it; nothing is reported afterwards by timers that have not fired.
func (c *consent) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// interval is the time to the next check (RFC 7675, section 5.1).
func (c *consent) interval() time.Duration {
	return time.Duration((0.8 + 0.4*rand.Float64()) * float64(c.cfg.ICEKeepaliveInterval))
}

// incoming is shown each STUN message that came in, before the agent. It reports
// whether that was the answer to a check of ours, which is none of the agent's.
func (c *consent) incoming(b []byte, from netip.AddrPort) bool {
	if !stun.IsMessage(b) {
		return false
	}
	m := stun.Message{Raw: bytes.Clone(b)} // the library's check of integrity writes behind it
	if m.Decode() != nil || m.Type.Method != stun.MethodBinding {
		return false
	}
	if m.Type.Class == stun.ClassRequest {
		c.request(&m)
		return false
	}
	return c.answered(&m, from)
}

// answered takes a message of which only the class is known: that of no request. It reports
// whether it is about a check of ours.
func (c *consent) answered(m *stun.Message, from netip.AddrPort) bool {
	now := time.Now()
	c.mu.Lock()
	i := c.pendingIndex(m.TransactionID)
	if i < 0 {
		c.mu.Unlock()
		return false
	}
	if m.Type != stun.BindingSuccess || from != c.peer || stun.NewShortTermIntegrity(c.remote.pwd).Check(m) != nil {
		c.mu.Unlock()
		return true
	}
	if n := c.pending[i].of; n != nil {
		n.rtt = now.Sub(c.pending[i].at)
		n.total += n.rtt
		n.responses++
	}
	c.pending[i] = pendingCheck{}
	c.granted = now
	c.live(now)
	c.mu.Unlock()
	c.tick()
	return true
}

// awaits reports whether a message has the transaction ID of a check of ours that is unanswered,
// which nobody guesses.
func (c *consent) awaits(b []byte) bool {
	m, ok := stunmsg.Parse(b)
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pendingIndex(m.ID) >= 0
}

// pendingIndex returns the check with that transaction ID, -1 if there is none.
func (c *consent) pendingIndex(id [stun.TransactionIDSize]byte) int {
	for i, p := range c.pending {
		if !p.at.IsZero() && p.id == id {
			return i
		}
	}
	return -1
}

// request takes a check of the peer: a sign of life if it is authentic, which it reports.
func (c *consent) request(m *stun.Message) bool {
	c.mu.Lock()
	if string(mustGet(m, stun.AttrUsername)) != c.local.ufrag+":"+c.remote.ufrag ||
		stun.NewShortTermIntegrity(c.local.pwd).Check(m) != nil {
		c.mu.Unlock()
		return false
	}
	again := false
	if c.timer != nil {
		c.live(time.Now())
		again = c.state != ICEConnectionStateConnected
	}
	c.mu.Unlock()
	if again {
		c.tick()
	}
	return true
}

// fromPeer reports whether an answer is authentic.
func (c *consent) fromPeer(m *stun.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return stun.NewShortTermIntegrity(c.remote.pwd).Check(m) == nil
}

// settleRole compares our role with that of an authentic check (RFC 8445, section 7.3.1.1). If they are the same
// one side has to change: we, or the peer, which conflict says. controlling is our role then.
func (c *consent) settleRole(m *stun.Message) (controlling, conflict bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	controlling = c.role.Type == stun.AttrICEControlling
	theirs := mustGet(m, c.role.Type)
	if len(theirs) != 8 || len(c.role.Value) != 8 {
		return controlling, false
	}
	if greater := bytes.Compare(c.role.Value, theirs) >= 0; greater == controlling { // tie-breakers, in network order
		return controlling, true
	}
	c.role.Type = stun.AttrICEControlling
	if controlling {
		c.role.Type = stun.AttrICEControlled
	}
	return !controlling, false
}

// mustGet returns the value of an attribute, nil if there is none.
func mustGet(m *stun.Message, t stun.AttrType) []byte {
	v, err := m.Get(t)
	if err != nil {
		return nil
	}
	return v
}

// live notes a sign of life; c.mu is held.
func (c *consent) live(at time.Time) {
	if at.After(c.life) {
		c.life = at
	}
	if !c.life.Before(c.unanswered) {
		c.unanswered = time.Time{}
	}
}

// tick sends the check that is due and reports the state.
func (c *consent) tick() {
	c.mu.Lock()
	if c.timer == nil || c.state == ICEConnectionStateFailed {
		c.mu.Unlock()
		return
	}
	now := time.Now()
	c.live(c.heard())
	send := c.check(now)
	before := c.state
	c.state = c.judge(now)
	after := c.state
	c.timer.Reset(c.wait(now))
	c.mu.Unlock()
	if send != nil {
		send()
	}
	if after != before {
		c.changed()
	}
}

// current returns the state: connected, disconnected or failed.
func (c *consent) current() ICEConnectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// judge returns the state at that moment; c.mu is held.
func (c *consent) judge(now time.Time) ICEConnectionState {
	silence := now.Sub(c.life)
	switch {
	case c.probes() && now.Sub(c.granted) >= c.expiry,
		silence >= c.cfg.ICEDisconnectedTimeout+c.cfg.ICEFailedTimeout:
		return ICEConnectionStateFailed
	case silence >= c.cfg.ICEDisconnectedTimeout && (!c.probes() || !c.unanswered.IsZero() && now.Sub(c.unanswered) >= c.patience()):
		return ICEConnectionStateDisconnected
	case silence < c.cfg.ICEDisconnectedTimeout:
		return ICEConnectionStateConnected
	}
	return c.state
}

// probes reports whether checks are sent. A lite agent sends none, unless the
// peer is lite, too, and so it controls (RFC 8445, section 6.1.1).
func (c *consent) probes() bool {
	return c.via != nil && (!c.cfg.ICELite || c.role.Type == stun.AttrICEControlling)
}

func (c *consent) patience() time.Duration {
	return min(consentPatience, c.cfg.ICEDisconnectedTimeout/2)
}

// silent reports whether a check on the selected pair has gone unanswered, whatever came
// over others.
func (c *consent) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.probes() && time.Since(c.granted) > c.cfg.ICEKeepaliveInterval*6/5+c.patience()
}

// wait returns how long nothing can change by itself; c.mu is held.
func (c *consent) wait(now time.Time) time.Duration {
	next := now.Add(c.cfg.ICEDisconnectedTimeout) // after it a record may have come
	for _, at := range []time.Time{
		c.nextCheck, c.granted.Add(c.expiry), c.life.Add(c.cfg.ICEDisconnectedTimeout),
		c.life.Add(c.cfg.ICEDisconnectedTimeout + c.cfg.ICEFailedTimeout), c.unanswered.Add(c.patience()),
	} {
		if at.After(now) && at.Before(next) {
			next = at
		}
	}
	if c.state == ICEConnectionStateDisconnected {
		next = now.Add(min(next.Sub(now), c.cfg.ICEDisconnectedTimeout/8)) // records are not announced
	}
	return next.Sub(now)
}

// check returns what sends the check that is due, nil if none is; c.mu is held.
func (c *consent) check(now time.Time) func() {
	if now.Before(c.nextCheck) {
		return nil
	}
	c.nextCheck = now.Add(c.interval())
	if !c.probes() {
		return nil
	}
	m, err := c.compose(c.priority)
	if err != nil {
		return nil // never, with credentials of permitted sizes
	}
	of := c.counts[len(c.counts)-1] // there is one, with c.via
	of.requests++
	c.pending[c.sent%consentPending] = pendingCheck{m.TransactionID, now, of}
	c.sent++
	if c.unanswered.IsZero() {
		c.unanswered = now
	}
	via, peer := c.via, c.peer
	return func() { via.sendCheck(m.Raw, peer) } // an error is as good as a loss
}

// build makes a check from a candidate with that priority, as a peer-reflexive one. It is
// not for consent.
func (c *consent) build(priority uint32) (*stun.Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.compose(priority)
}

// compose is build with c.mu held.
func (c *consent) compose(priority uint32) (*stun.Message, error) {
	return stun.Build(stun.TransactionID, stun.BindingRequest,
		stun.NewUsername(c.remote.ufrag+":"+c.local.ufrag), c.role, ice.PriorityAttr(priority),
		stun.NewShortTermIntegrity(c.remote.pwd), stun.Fingerprint)
}

// checked returns the counts of pairs, those of the selected one last.
func (c *consent) checked() []checkCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []checkCounts
	for _, n := range c.counts {
		list = append(list, *n)
	}
	return list
}
