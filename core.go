//go:build !js

package sluice

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/sctp"
)

// coreEvents are what a core reports. They run one at a time and in order, on
// no caller's goroutine and with no lock of the core held; each may be nil.
type coreEvents struct {
	queue *eventQueue // where they run; nil is a queue of the core's own, which close closes

	candidate      func(localCandidate)
	gatheringState func(ICEGatheringState)
	iceState       func(ICEConnectionState)
	dtlsState      func(DTLSState)
	connected      func(struct{})  // the association is established
	ended          func(err error) // once: nothing flows any more; nil if the peer just closed

	// channel is datachannel.Config.OnChannel: unlike the others it runs among
	// the callbacks of the session.
	channel func(*datachannel.Channel)
}

// core is ICE, DTLS and the data-channel session of one connection: what
// Transport and PeerConnection have in common. It knows no signalling.
//
// Life: newCore; gather and addRemoteCandidate at any time; start once, which
// runs ICE, then DTLS, then SCTP in the background; close in any state. All
// methods may be called from any goroutine, from the events too, and none waits
// for the network.
type core struct {
	cfg    *Config // with defaults; shared with ICE and those that follow
	number int     // of those of a connection, for the IDs of statistics
	cert   *Certificate
	log    scopedLogger
	ev     coreEvents
	events *eventQueue
	ice    *iceTransport

	// session exists from the beginning, so that channels can be created on it.
	session   *datachannel.Session
	sctp      *SCTPTransport
	seed      [32]byte // of its association: initToken follows from it; zero with DisableSNAP
	initToken []byte   // of its association, to announce; nil: it is not

	ctx     context.Context // ends with close
	cancel  context.CancelFunc
	running sync.WaitGroup // the goroutine of start, then the session, then the end

	released chan struct{} // closed when the session has let go of the secure transport, or never had it

	mu        sync.Mutex
	params    startParameters // set by start
	started   bool
	closed    bool
	endICE    func() // what close does with ice; see succession.go
	silent    bool   // the application closed the connection, and hears no more of it
	ended     bool
	dtlsState DTLSState
	secure    secureTransport // nil until the handshake has finished
	closeOnce sync.Once
}

// remoteParameters are what signalling says of the peer.
type remoteParameters struct {
	iceCredentials
	fingerprints   []Fingerprint
	sctpPort       uint16
	maxMessageSize int64 // bytes; 0 is any size, negative if it was not said (RFC 8841, section 6)

	// initToken is the peer's INIT token, if it also knows ours; nil: a handshake
	// sets up the association.
	initToken []byte

	// wantsSRTP: see description.
	wantsSRTP bool
}

// startParameters are the peer's parameters and the roles that signalling settled.
type startParameters struct {
	remote      remoteParameters
	controlling bool // ICE role
	dtlsClient  bool
}

// newCore checks cfg and makes the ICE agent and the certificate. It gathers nothing.
func newCore(cfg Config, ev coreEvents) (*core, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	cert := cfg.Certificate
	if cert == nil {
		if cert, err = GenerateCertificate(); err != nil {
			return nil, err
		}
	}
	c := makeCore(&cfg, cert, ev)
	c.ice, err = newICETransport(c.cfg, c.iceEvents())
	if err != nil {
		c.cancel()
		return nil, err
	}
	c.endICE = c.ice.close
	if err := c.addSession(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// makeCore returns a core that lacks ICE and the session.
func makeCore(cfg *Config, cert *Certificate, ev coreEvents) *core {
	c := &core{cfg: cfg, cert: cert, ev: ev, events: ev.queue, dtlsState: DTLSStateNew, released: make(chan struct{})}
	if c.events == nil {
		c.events = &eventQueue{}
	}
	c.log = newLogFactory(cfg.Logger).scoped("sluice")
	c.sctp = &SCTPTransport{c: c, dtls: DTLSTransport{c: c}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// iceEvents are those of ICE for this core.
func (c *core) iceEvents() iceEvents {
	return iceEvents{
		candidate:       func(l localCandidate) { emit(c.events, c.ev.candidate, l) },
		gatheringState:  func(s ICEGatheringState) { emit(c.events, c.ev.gatheringState, s) },
		connectionState: func(s ICEConnectionState) { emit(c.events, c.ev.iceState, s) },
		pathChanged:     func() { c.events.post(func() { c.session.PathChanged() }) },
	}
}

// addSession makes the session, and the token of its association from c.seed, if that is set.
func (c *core) addSession() error {
	cfg := datachannel.Config{
		SCTP:              c.cfg.SCTP,
		MaxMessageSize:    c.cfg.MaxMessageSize,
		MaxBufferedAmount: c.cfg.MaxBufferedAmount,
		OnConnected: func() {
			emit(c.events, c.ev.connected, struct{}{})
			c.sctp.changed(SCTPTransportStateConnected)
		},
		OnChannel: c.ev.channel,
		OnClose:   func(error) { c.sctp.changed(SCTPTransportStateClosed) },
	}
	if c.cfg.DisableSNAP {
		c.session = datachannel.NewSession(cfg)
		return nil
	}
	if c.seed == [32]byte{} {
		if c.seed = c.cfg.SCTP.Seed; c.seed == [32]byte{} {
			rand.Read(c.seed[:]) // never fails
		}
	}
	cfg.SCTP.Seed = c.seed
	c.session = datachannel.NewSession(cfg)
	var err error
	c.initToken, err = c.session.InitToken()
	return err
}

// localCredentials returns those of the newest generation of ICE.
func (c *core) localCredentials() iceCredentials { return c.ice.localCredentials() }

// fingerprints returns those of the local certificate.
func (c *core) fingerprints() []Fingerprint { return c.cert.Fingerprints() }

// localPort returns the SCTP port to announce.
func (c *core) localPort() uint16 { return cmp.Or(c.cfg.SCTP.LocalPort, defaultSCTPPort) }

// gather starts gathering candidates; when it already runs or has ended for
// this generation, it does nothing.
func (c *core) gather() error { return c.ice.gather() }

// gathered is closed when gathering of the present generation is complete, or that is given up.
func (c *core) gathered() <-chan struct{} { return c.ice.gathered() }

// localCandidates returns the candidate lines gathered so far for the generation
// that ufrag names, and whether there are no more to come.
func (c *core) localCandidates(ufrag string) (lines []string, complete bool) {
	return c.ice.localCandidates(ufrag)
}

// addRemoteCandidate takes a candidate line, with or without "candidate:" or
// "a=candidate:" before it. The empty line is end-of-candidates. Candidates of a
// kind that cannot be used are ignored (RFC 8839, section 5.1); a line that is
// no candidate is a *CandidateError.
func (c *core) addRemoteCandidate(line string) error { return c.ice.addRemoteCandidate(line) }

// restartICE begins a new generation of ICE (RFC 8445, section 9) with these
// credentials of ours: no candidates on either side, gathering state new. What
// there is goes on until the new generation has a path; DTLS and what is above it
// notice nothing. After it: gather, then continueICE or rollbackICE. A generation
// that waits for either is given up for the new one.
func (c *core) restartICE(local iceCredentials) error { return c.ice.restart(local) }

// continueICE gives the peer's credentials of the generation that restartICE
// began, and starts its checks. From now on addRemoteCandidate is about it.
func (c *core) continueICE(remote iceCredentials) error { return c.ice.proceed(remote) }

// amendICE replaces the peer's credentials of the generation that was continued last, and
// its candidates with them, as long as it has no path; false if it has one.
func (c *core) amendICE(remote iceCredentials) bool { return c.ice.amend(remote) }

// rollbackICE gives up the generation that restartICE began, unless it was
// continued; without one it does nothing.
func (c *core) rollbackICE() { c.ice.rollback() }

// start connects in the background: ICE, then DTLS, then the session. Errors are
// of the parameters (*ParameterError) or the state (*StateError, ErrClosed);
// what happens later is reported by the events.
func (c *core) start(p startParameters) error {
	if err := p.remote.validate(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if c.started {
		return &StateError{Op: "start", Reason: "it was started before"}
	}
	if err := c.session.SetRole(p.dtlsClient); err != nil {
		return err
	}
	c.session.SetRemoteMaxMessageSize(p.remote.maxMessageSize)
	path, err := c.ice.start(p.controlling, p.remote.iceCredentials)
	if err != nil {
		return err
	}
	c.started, c.params = true, p
	c.running.Add(1)
	go c.run(path, p)
	return nil
}

func (r *remoteParameters) validate() error {
	if err := r.iceCredentials.validate(); err != nil {
		return err
	}
	if r.sctpPort == 0 {
		return &ParameterError{Name: "sctpPort", Rule: "0 means that no association is wanted (RFC 8841, section 5)"}
	}
	return checkFingerprints(r.fingerprints)
}

// run is the goroutine of start. It connects and leaves the session to itself.
func (c *core) run(path *icePath, p startParameters) {
	secure, err := c.connect(path, p)
	if err == nil {
		err = c.session.Start(watchedTransport{secure, c}, datachannel.Params{
			DTLSClient:    p.dtlsClient,
			RemotePort:    p.remote.sctpPort,
			PeerInitToken: c.usableToken(p.remote.initToken),
			RoundTripTime: c.ice.roundTripTime(),
		})
		if err == nil {
			return // to finish
		}
		secure.Close()
		close(c.released)
	}
	c.session.Fail(err)
	c.end(err)
	c.running.Done()
}

// watchedTransport is the transport of a session, which closes it when the association
// has ended, whichever way: so no goroutine need wait for the end.
type watchedTransport struct {
	secureTransport
	c *core
}

// Close is called once, when the association's last packet is out.
func (t watchedTransport) Close() error {
	go t.c.finish()
	defer close(t.c.released)
	return t.secureTransport.Close()
}

// finish is what comes after run when the association has ended, or is about to.
func (c *core) finish() {
	defer c.running.Done()
	<-c.session.Done()
	c.setDTLSState(DTLSStateClosed)
	c.end(c.session.Err())
}

// usableToken returns the peer's INIT token if it is good to establish the
// association with. One that is not is ignored (snap-b), and so is our own, which
// peers send back that mirror what they do not know (libdatachannel).
func (c *core) usableToken(token []byte) []byte {
	if token == nil || c.initToken == nil || bytes.Equal(token, c.initToken) {
		return nil
	}
	if err := sctp.CheckInitToken(token); err != nil {
		c.log.Infof("connecting with a handshake: %v", err)
		return nil
	}
	return token
}

// connect waits for ICE, then brings up DTLS.
func (c *core) connect(path *icePath, p startParameters) (secureTransport, error) {
	if err := path.await(c.ctx); err != nil {
		return nil, err
	}
	c.setDTLSState(DTLSStateConnecting)
	hc := handshakeConfig{
		cert:         c.cert,
		fingerprints: p.remote.fingerprints,
		client:       p.dtlsClient,
		offerSRTP:    p.remote.wantsSRTP,
		timeout:      c.cfg.HandshakeTimeout,
		rtt:          c.ice.roundTripTime(),
		plain:        c.cfg.PlainTransport,
		falseStart:   c.cfg.DTLSFalseStart,
		dontFragment: path.setDontFragment,
		log:          newLogFactory(c.cfg.Logger),
	}
	if !c.cfg.DisableDSCP {
		hc.dscp = path.setDSCP
	}
	secure, err := handshake(c.ctx, path.Session, hc)
	if err != nil {
		c.sctp.dtls.failed(err)
		c.setDTLSState(DTLSStateFailed)
		return nil, err
	}
	c.mu.Lock()
	c.secure = secure
	c.mu.Unlock()
	c.setDTLSState(DTLSStateConnected)
	return secure, nil
}

// over reports whether the association has ended.
func (c *core) over() bool {
	select {
	case <-c.session.Done():
		return true
	default:
		return false
	}
}

// end reports the end of the connection, once, and not after close.
func (c *core) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.closed || errors.Is(err, context.Canceled) {
		return
	}
	c.ended = true
	emit(c.events, c.ev.ended, err)
}

func (c *core) setDTLSState(s DTLSState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dtlsState == s || c.closed {
		return
	}
	c.dtlsState = s
	c.sctp.dtls.changed(s)
	emit(c.events, c.ev.dtlsState, s)
}

// transport returns the secure transport, nil before the handshake has finished.
func (c *core) transport() secureTransport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secure
}

// close ends everything at once, as closing an RTCPeerConnection does: the peer
// gets an ABORT and a close_notify. It waits until no goroutine and no socket is
// left. Events already posted may still run; no others follow.
func (c *core) close() {
	c.closeOnce.Do(func() {
		c.mu.Lock()
		c.closed, c.dtlsState = true, DTLSStateClosed
		secure, silent := c.secure, c.silent
		c.mu.Unlock()
		if c.ev.queue == nil {
			c.events.close()
		}
		if silent || !c.over() { // else its channels may have something to say still
			c.session.Abort("closed")
		}
		if secure != nil {
			c.awaitRelease()
			secure.Close()
		}
		c.cancel()
		c.mu.Lock()
		end := c.endICE
		c.mu.Unlock()
		end()
	})
	c.running.Wait()
}

// lastWords is how long the ABORT may take to leave. A transport takes it at once, or counts as
// one that blocks after 100 ms (sctpnet.Conn.Abort).
const lastWords = 200 * time.Millisecond

// silence ends the events of the transports.
func (c *core) silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = true
}

// awaitRelease waits until the session has let go of the transport: another goroutine may be sending,
// and the ABORT be left to that.
func (c *core) awaitRelease() {
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-c.released:
	case <-timer.C:
	}
}

// emit posts f(v), unless f is nil.
func emit[T any](q *eventQueue, f func(T), v T) {
	if f != nil {
		q.post(func() { f(v) })
	}
}
