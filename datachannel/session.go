//go:build !js

package datachannel

import (
	"context"
	"crypto/rand"
	"net"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// Params are what the two sides have agreed on before an association starts.
type Params struct {
	// DTLSClient is the DTLS role of this side. The client opens channels with
	// even identifiers, the server with odd ones (RFC 8832, section 6); the two
	// sides must differ.
	DTLSClient bool

	// RemoteMaxMessageSize is the largest message, in bytes, that the peer
	// accepts: its a=max-message-size. 0 is any size, as there; negative means
	// that the peer did not say, which is 65536.
	RemoteMaxMessageSize int64

	// RemotePort is the peer's SCTP port. 0: that of Config.SCTP.
	RemotePort uint16

	// PeerInitToken is what InitToken returned to the peer, if it got what InitToken
	// returns here: the association is then established without a handshake (SNAP,
	// draft-hancke-tsvwg-snap). nil: with one.
	PeerInitToken []byte

	// RoundTripTime is that of the transport as it has been measured, by ICE for
	// example; 0 if it is not known. It shortens the first timeouts.
	RoundTripTime time.Duration
}

// role is the DTLS role, on which identifiers depend.
type role uint8

const (
	roleUnknown role = iota
	roleClient
	roleServer
)

func roleOf(dtlsClient bool) role {
	if dtlsClient {
		return roleClient
	}
	return roleServer
}

// Session is an SCTP association that carries data channels. It can be made, and
// channels created on it, before there is anything to run the association over.
//
// All methods may be called from any goroutine, and from callbacks.
type Session struct {
	cfg    Config
	events eventQueue // has a lock of its own

	seed [32]byte // of the association, once InitToken has been asked; else zero

	mu   sync.Mutex // taken by lock and released by unlock, which handles events
	conn *sctpnet.Conn
	role role

	connected bool // the association was established
	closing   bool // Close was called
	shutdown  bool // the peer is shutting down
	ended     bool // the association ended, or never will exist
	err       error

	maxChannels int // 0 before connected
	growth      growth
	remoteMax   int64 // bytes; 0 is any size
	remoteKnown bool  // remoteMax is the peer's word: Start leaves it

	ids     idSet
	streams map[uint16]*stream     // the identifiers in use
	unreset int                    // streams whose outgoing side is neither reset nor stuck
	waiting []*Channel             // created before the role was known: no identifier
	ending  map[*Channel]*RTCError // to be closed, with that error or without, once they have told that they are closing; they are in no list else

	recv     receiver       // recv.go
	incoming incoming       // incoming.go
	marking  marking        // dscp.go
	blocked  fifo[*Channel] // have messages that the association had no room for, in turn
	aside    []*Channel     // of those, the ones that wait for another large message or for holder, not for room
	serial   bool           // the association sends one message after the other: the peer does not know interleaving
	holder   *Channel       // with serial: has a message in parts under way, for which all others wait
	calls    calls          // callbacks.go
	counts   counts         // stats.go

	connectedCh chan struct{} // closed when connected
	flushed     chan struct{} // closed when closing and all channels' messages are delivered
	done        chan struct{} // closed when ended
}

// NewSession returns a session without an association. Channels can be created
// on it; Start gives it what it needs to connect them.
func NewSession(cfg Config) *Session {
	return &Session{
		cfg:         cfg.withDefaults(),
		remoteMax:   DefaultRemoteMaxMessageSize,
		incoming:    incoming{acceptable: make(signal, 1)},
		connectedCh: make(chan struct{}),
		flushed:     make(chan struct{}),
		done:        make(chan struct{}),
	}
}

// New is NewSession and Start.
func New(nc net.Conn, cfg Config, p Params) (*Session, error) {
	s := NewSession(cfg)
	if err := s.Start(nc, p); err != nil {
		return nil, err
	}
	return s, nil
}

// InitToken returns what a peer needs to know of the association before it starts,
// to establish it without a handshake (SNAP, a=sctp-init in SDP). It is always the
// same; the peer's goes into Params. The error is a *sctp.ConfigError.
func (s *Session) InitToken() ([]byte, error) {
	s.lock()
	defer s.unlock()
	if s.seed == [32]byte{} {
		if s.seed = s.cfg.SCTP.Seed; s.seed == [32]byte{} {
			rand.Read(s.seed[:]) // never fails
		}
	}
	cfg := s.cfg.SCTP
	cfg.Seed = s.seed
	return sctp.InitToken(cfg)
}

// Start runs an association over nc, which has to preserve message boundaries,
// and does not wait for it; both sides start. nc belongs to the session from then
// on. The error is a *TypeError if nc is nil, an *InvalidStateError if the session was started or closed
// before, an *sctp.InitTokenError, or about a configuration that the association
// refuses; then nc is the caller's still.
func (s *Session) Start(nc net.Conn, p Params) error {
	const op = "Start"
	s.lock()
	defer s.unlock()
	switch {
	case s.ended || s.closing:
		return &InvalidStateError{op, "the session is closed", true}
	case s.conn != nil:
		return &InvalidStateError{Op: op, Reason: "the session was started before"}
	case s.role != roleUnknown && s.role != roleOf(p.DTLSClient):
		return &InvalidStateError{Op: op, Reason: "SetRole fixed the other DTLS role"}
	case p.PeerInitToken != nil && s.seed == [32]byte{}:
		return &InvalidStateError{Op: op, Reason: "the peer cannot know the token of this side, as InitToken was not called"}
	case nc == nil:
		return &TypeError{op, "no net.Conn"}
	}
	cfg := s.cfg.SCTP
	if p.PeerInitToken != nil {
		cfg.Seed = s.seed // else the handshake gets another tag than the token
	}
	if p.RemotePort != 0 {
		cfg.RemotePort = p.RemotePort
	}
	conn, err := sctpnet.New(nc, sctpnet.Config{
		SCTP:          cfg,
		PeerInitToken: p.PeerInitToken,
		ExpectedRTT:   p.RoundTripTime,
		Logger:        s.cfg.Logger,
		OnEvent:       func(_ *sctpnet.Conn, ev sctp.Event) { s.onEvent(ev) },
	}, true)
	if err != nil {
		return err
	}
	s.conn = conn
	s.marking.transport, _ = nc.(DSCPController)
	if !s.remoteKnown {
		s.setRemoteMax(p.RemoteMaxMessageSize)
	}
	s.setRole(roleOf(p.DTLSClient))
	return nil
}

// SetRole tells the DTLS role before Start, and so gives the channels created
// until now their identifiers. The role cannot change.
func (s *Session) SetRole(dtlsClient bool) error {
	s.lock()
	defer s.unlock()
	if s.role != roleUnknown && s.role != roleOf(dtlsClient) {
		return &InvalidStateError{Op: "SetRole", Reason: "the role is known and is the other one"}
	}
	if !s.ended {
		s.setRole(roleOf(dtlsClient))
	}
	return nil
}

// PathChanged says that the transport carries packets another way from now on, as
// after a restart of ICE; see sctp.Association.PathChanged.
func (s *Session) PathChanged() {
	s.lock()
	defer s.unlock()
	if s.conn != nil {
		s.conn.PathChanged()
	}
}

// SetRemoteMaxMessageSize replaces what Params said, or will say, of the peer; n as
// there.
func (s *Session) SetRemoteMaxMessageSize(n int64) {
	s.lock()
	defer s.unlock()
	s.setRemoteMax(n)
}

func (s *Session) setRemoteMax(n int64) {
	if n < 0 {
		n = DefaultRemoteMaxMessageSize
	}
	s.remoteMax, s.remoteKnown = n, true
}

// RemoteMaxMessageSize returns the largest message, in bytes, that Send accepts;
// 0 is any size.
func (s *Session) RemoteMaxMessageSize() int64 {
	s.lock()
	defer s.unlock()
	return s.remoteMax
}

// MaxChannels returns how many channels the association can carry: one more than
// the greatest identifier; 0 before it is established. It grows when a channel
// needs more streams and the peer grants them.
func (s *Session) MaxChannels() int {
	s.lock()
	defer s.unlock()
	return s.maxChannels
}

// Connected is closed when the association is established.
func (s *Session) Connected() <-chan struct{} { return s.connectedCh }

// WaitConnected blocks until the association is established or ctx is done. If
// the association ended without having been established, it returns an *RTCError
// with the reason, or an *InvalidStateError after Close or Abort.
func (s *Session) WaitConnected(ctx context.Context) error {
	select {
	case <-s.connectedCh:
		return nil
	case <-s.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.connectedCh: // it was, before the end
		return nil
	default:
		return s.closedError("WaitConnected")
	}
}

// Done is closed when the association has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns the error with which the association ended; nil before that, after
// a graceful end, and after Close or Abort of this side.
func (s *Session) Err() error {
	s.lock()
	defer s.unlock()
	return s.err
}

// closedError is what a call returns that needs an association when there is none
// any more.
func (s *Session) closedError(op string) error {
	if err := s.Err(); err != nil {
		return associationError(err)
	}
	return &InvalidStateError{op, "the session is closed", true}
}

// Stats returns the session's statistics.
func (s *Session) Stats() Stats {
	s.lock()
	defer s.unlock()
	st := Stats{
		ChannelsRequested: s.counts.requested, ChannelsAccepted: s.counts.accepted,
		ChannelsOpened: s.counts.opened, ChannelsClosed: s.counts.closed, StreamsRefused: s.counts.refused,
	}
	if s.conn != nil {
		st.SCTP = s.conn.Stats()
	}
	for _, ch := range s.channels() {
		st.Channels = append(st.Channels, ch.stats())
	}
	return st
}
