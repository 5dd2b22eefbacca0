package sctp

import (
	"math"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// commonHeader is the length of the common header of a packet.
const commonHeader = wire.HeaderLen

// PathID names a path of an association. A WebRTC association has one, 0.
type PathID uint8

// State is a state of the association (RFC 9260, section 4).
type State uint8

// The states.
const (
	Closed State = iota
	CookieWait
	CookieEchoed
	Established
	ShutdownPending
	ShutdownSent
	ShutdownReceived
	ShutdownAckSent
)

var stateNames = [...]string{
	"CLOSED", "COOKIE-WAIT", "COOKIE-ECHOED", "ESTABLISHED", "SHUTDOWN-PENDING",
	"SHUTDOWN-SENT", "SHUTDOWN-RECEIVED", "SHUTDOWN-ACK-SENT",
}

func (s State) String() string { return stateNames[s] }

// MarshalText returns the name of the state.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Association is one SCTP association: what two peers know of each other, and of what they have sent. It is driven by five
// methods (see the package comment), and told what to do by the others: Connect, Send, Read, ResetStreams, Shutdown and so on.
type Association struct {
	// The fields are components, each with a file of its own; recv.go, send.go and timers.go pass facts between them.
	//
	// Their order, here and within components, is that of use: what every packet looks at lies
	// together, and what few need at an end of its component, next to that of another. Among
	// thousands of associations what a packet costs is what it misses of the cache, a fifth less so:
	// it looked at 31 lines of 64 bytes when it sent, and at 24 when it received, of the 40 that there were then; 31 are left.
	//
	// What is of use only for a time, in a handshake, after a loss, with gaps or while requests are going on, is behind a
	// pointer of its component, made when it is needed first, and, but for what is counted or may have to be answered again, given
	// up when the association rests.

	id    identity
	state State
	ended bool // for good: Closed is final
	*common
	cfg   *Config // complete, and shared: not to be changed
	trace *tracer // nil: there is none
	err   error   // of the end; nil if graceful
	peer  peerInit

	tsns tsnMap
	ack  ackState
	in   inbound

	closer   shutdown
	control  control
	strays   strays
	hs       handshake
	reconfig reconfig

	forward  forwardState
	window   peerWindow
	recovery recovery
	counters counters
	sent     sentQueue
	out      outbound
	events   eventQueue
	paths    paths
}

// New returns an association in state Closed, which answers the handshake of a
// peer. Connect starts the handshake from this side; both sides may. The error
// is a *ConfigError.
func New(cfg Config) (*Association, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return newAlone(&cfg), nil
}

// newAlone returns an association that shares nothing, with a configuration that is complete.
func newAlone(cfg *Config) *Association {
	return newAssociation(newCommon(cfg, 1))
}

// newAssociation returns an association that shares this with others, as it may.
func newAssociation(c *common) *Association {
	cfg := &c.cfg
	a := &Association{cfg: cfg, trace: newTracer(cfg.Trace), common: c}
	a.id = identity{localPort: cfg.LocalPort, remotePort: cfg.RemotePort}
	a.id.localTag, a.hs.localTSN = cfg.TagShard.random(c.rng.Uint64)
	a.paths.init(cfg, uint64(a.id.localTag)<<32|uint64(a.hs.localTSN))
	if a.paths.primary().cc.measures() {
		a.sent.rate = new(rateSampler)
	}
	a.in.init(cfg.ReceiveBuffer, cfg.Frugal, c.pool())
	a.out.init(cfg.SendBuffer, cfg.Scheduler, cfg.Frugal, c.pool())
	return a
}

// Connect sends INIT (RFC 9260, section 5.1). It returns ErrAlreadyStarted if
// the association is past Closed, ErrClosed if it has ended.
func (a *Association) Connect(now time.Time) error {
	switch {
	case a.ended:
		return ErrClosed
	case a.state != Closed:
		return ErrAlreadyStarted
	}
	a.state = CookieWait
	a.hs.begin().next()
	return nil
}

// Send queues a message. It is refused with ErrNotConnected before the
// association is established, ErrShuttingDown and ErrClosed after, and with
// ErrEmptyMessage, ErrMessageTooLong, ErrInvalidStream, ErrReliability, ErrMessageOpen, ErrTooManyOpen
// or ErrResetPending if the message cannot be sent. ErrSendBufferFull means: wait for
// EventWritable; it comes only if no less important messages can be given up to
// make room (Reliability.LimitPriority), or as ErrAllResetPending. If the peer does not
// support partial reliability (RFC 3758), messages are sent reliably.
func (a *Association) Send(now time.Time, m Message) error {
	return a.enqueue(a.clock.read(now), &m, false)
}

// SendCopy is Send with a payload that stays the caller's: the association copies that of
// a message that it does not refuse.
func (a *Association) SendCopy(now time.Time, m Message) error {
	return a.enqueue(a.clock.read(now), &m, true)
}

func (a *Association) enqueue(now instant, m *Message, foreign bool) error {
	r := &m.Reliability
	switch {
	case a.ended:
		return ErrClosed
	case a.state < Established:
		return ErrNotConnected
	case a.state > Established:
		return ErrShuttingDown
	case len(m.Payload) == 0:
		return ErrEmptyMessage
	case len(m.Payload) > math.MaxInt32:
		return ErrMessageTooLong
	case int(m.Stream) >= a.OutboundStreams():
		return ErrInvalidStream
	}
	if p, ok := r.policy(); !ok || m.More && p != policyNone {
		return ErrReliability
	}
	s := a.out.streams.get(m.Stream)
	switch {
	case s != nil && s.reset != resetNone, m.More && a.reconfig.own.pending(wire.ParamTSNReset):
		return ErrResetPending
	case s != nil && s.open != nil:
		return ErrMessageOpen
	case !m.More:
	case a.out.parted >= maxParted:
		return ErrTooManyOpen
	case !a.forward.enabled: // without which it could not be given up
		return ErrNotSupported
	}
	if !a.forward.enabled {
		m.Reliability = Reliability{}
	}
	if n, all := len(m.Payload), a.reconfig.own.all; all || !a.out.hasRoom(n) && !a.displace(now, n, r.rank()) {
		a.out.refuse(n)
		switch {
		case all:
			return ErrAllResetPending
		case a.out.excludes(n):
			return ErrLargeMessagePending
		}
		return ErrSendBufferFull
	}
	if s == nil {
		s = a.out.stream(m.Stream)
	}
	if !s.used {
		a.in.news(m.Stream)
	}
	if msg := a.out.push(now, s, m, foreign); m.More {
		a.out.open(msg)
	}
	a.counters.messagesSent++
	a.observe(now)
	return nil
}

// Peek describes what Read on the stream would return, without taking it.
func (a *Association) Peek(stream uint16) (MessageInfo, error) {
	m := a.in.peek(stream)
	if err := m.check(); err != nil {
		return MessageInfo{}, a.orEnded(err)
	}
	return m.describe(), nil
}

// Read moves the next bytes of the stream's current message to dst. It returns
// ErrWouldBlock when there is nothing, io.EOF once for each reset by the peer
// (resets with nothing sent between them may count as one), and
// ErrMessageAborted once when a message of which pieces were read will not
// be completed. After the association has ended and all is read, it returns the
// error of EventClosed, ErrClosed after a graceful end.
func (a *Association) Read(now time.Time, stream uint16, dst []byte) (n int, info MessageInfo, err error) {
	if n, err = a.in.read(stream, dst, &info); err != nil {
		return 0, MessageInfo{}, a.orEnded(err)
	}
	a.tellWindow()
	return n, info, nil
}

// Borrow is Read without a copy: it takes the next bytes of the stream's current message
// that lie together, as a rule what came in one chunk, and lends them to the caller, who
// gives their memory back with Return. They count as read; errors are those of Read.
func (a *Association) Borrow(now time.Time, stream uint16) (l Loan, info MessageInfo, err error) {
	if l, err = a.in.borrow(stream, &info); err != nil {
		return Loan{}, MessageInfo{}, a.orEnded(err)
	}
	a.tellWindow()
	return l, info, nil
}

// Return takes back, once, what Borrow of this association lent.
func (a *Association) Return(l Loan) {
	if l.s != nil {
		a.in.pool.freeSegment(l.s)
	}
}

// DeliverParts has messages of an incoming stream read as their beginnings come in, one
// after the other, with Complete false, but none before all that was sent earlier came in, as
// that may be of the same stream; a peer may then give up one that was read in part (ErrMessageAborted). Default, and again after the peer has reset the stream: only those that
// are larger than the association is willing to hold are. After a handover it is to be set again.
func (a *Association) DeliverParts(stream uint16, on bool) {
	if int(stream) < a.InboundStreams() {
		a.in.deliverParts(stream, on)
		a.reportReadable()
	}
}

// reportReadable turns streams with something to read into events.
func (a *Association) reportReadable() {
	for _, id := range a.in.readable {
		a.events.pushOf(EventReadable, id)
	}
	a.in.readable = a.in.readable[:0]
}

// tellWindow has a window that reading has opened by a quarter told to the peer
// (9260-6.2-d).
func (a *Association) tellWindow() {
	if a.in.window()-a.ack.advertised >= a.cfg.ReceiveBuffer/4 &&
		(a.state == Established || a.state == ShutdownPending || a.state == ShutdownSent) {
		a.ack.now()
	}
}

// WindowDue reports whether reading has opened the window so far that the peer is to be told, or a
// SACK is due at once for another reason. Reading (Read, Borrow) gives rise to nothing else: as long as this says no,
// whoever has read need not look for packets to send, nor call Endpoint.Update.
func (a *Association) WindowDue() bool { return a.ack.due == ackNow }

// orEnded replaces ErrWouldBlock after the end.
func (a *Association) orEnded(err error) error {
	switch {
	case err != ErrWouldBlock || !a.ended:
		return err
	case a.err != nil:
		return a.err
	}
	return ErrClosed
}

// Shutdown ends the association gracefully: what was accepted is delivered
// first (RFC 9260, section 9.2). EventClosed reports the end. Before the
// association is established it ends at once.
func (a *Association) Shutdown(now time.Time) error {
	switch {
	case a.ended:
		return ErrClosed
	case a.state < Established:
		a.end(nil)
	case a.state == Established:
		a.cancelAll(a.clock.read(now))
		a.state = ShutdownPending
		a.progressShutdown(a.clock.read(now))
	}
	a.observe(a.clock.read(now))
	return nil
}

// PathChanged says that a path goes another way from now on, such as between other
// candidates of ICE: its congestion window, round-trip time and MTU count for
// nothing any more (RFC 8261, section 6.1).
func (a *Association) PathChanged(now time.Time, id PathID) {
	path := a.paths.get(id)
	if path == nil || a.ended {
		return
	}
	path.changed(a.cfg)
	if a.state >= Established {
		path.pmtu.begin()
	}
}

// RequestHeartbeat has a HEARTBEAT sent on a path now, also if heartbeats are switched
// off: the REQUESTHEARTBEAT primitive of RFC 9260, section 11.1. Its answer is a
// round-trip sample; without one it counts as an error of the path. While one is not
// answered yet there is no second. It returns ErrNotConnected before the association is
// established, ErrShuttingDown and ErrClosed after, and ErrInvalidPath.
func (a *Association) RequestHeartbeat(now time.Time, id PathID) error {
	path := a.paths.get(id)
	switch {
	case a.ended:
		return ErrClosed
	case a.state < Established:
		return ErrNotConnected
	case a.state > Established:
		return ErrShuttingDown
	case path == nil:
		return ErrInvalidPath
	}
	path.hb.want(a.rng.Uint64())
	return nil
}

// Abort ends the association at once; the peer is told the reason, if it is
// known already (RFC 9260, section 9.1).
func (a *Association) Abort(now time.Time, reason string) {
	if !a.ended {
		a.abort(wire.CauseUserAbort, []byte(reason))
		a.observe(a.clock.read(now))
	}
}

// abort tells the peer a cause and ends the association.
func (a *Association) abort(code wire.CauseCode, info []byte) {
	info = info[:min(len(info), a.paths.primary().pmtu.base-commonHeader-8)]
	if a.id.peerTag != 0 {
		a.refuse(a.id.peerTag, code, info)
	}
	a.end(&AbortedError{Code: CauseCode(code), Info: string(info)})
}

// end makes the association closed for good.
func (a *Association) end(err error) {
	a.state, a.ended, a.err = Closed, true, err
	a.hs.finish()
	a.hs.cookieAck = false
	a.closer.stop()
	a.paths.stopTimers()
	a.ack.delay.stop()
	a.reconfig.own.stop()
	a.out.close()
	a.sent = sentQueue{}
	a.recovery = recovery{}
	a.control.init()
	a.in.end()
	a.events.push(Event{Kind: EventClosed, Err: err})
}

// State returns the state.
func (a *Association) State() State { return a.state }

// BufferedAmount returns the bytes of a stream that are queued and have not been
// handed to the transport.
func (a *Association) BufferedAmount(stream uint16) int {
	if a.ended {
		return 0
	}
	return a.out.queuedOn(stream)
}

// UnsentAmount returns the bytes of a stream that were queued when the association ended,
// and so are never handed to the transport; 0 before that.
func (a *Association) UnsentAmount(stream uint16) int {
	if !a.ended {
		return 0
	}
	return a.out.queuedOn(stream)
}

// SetBufferedAmountLowThreshold sets the threshold of EventBufferedAmountLow in
// bytes. Default 0.
func (a *Association) SetBufferedAmountLowThreshold(stream uint16, n int) {
	if !a.ended && int(stream) < max(int(a.cfg.OutboundStreams), a.OutboundStreams()) {
		a.out.stream(stream).threshold = max(n, 0)
	}
}

// TotalBufferedAmount returns the bytes of all streams that are queued and have
// not been handed to the transport.
func (a *Association) TotalBufferedAmount() int { return a.out.waiting }

// SetTotalBufferedAmountLowThreshold sets the threshold of
// EventTotalBufferedAmountLow in bytes. Without it the event is not reported.
func (a *Association) SetTotalBufferedAmountLowThreshold(n int) { a.out.allLow = max(n, 0) }

// AvailableAmount returns how many bytes Read can return now on the stream, over
// all its messages. Its cost grows with their number; Peek tells of the next one.
func (a *Association) AvailableAmount(stream uint16) int { return a.in.available(stream) }

// Displaces reports whether Send would make room for the message by giving up less
// important ones, and only so (Reliability.LimitPriority).
func (a *Association) Displaces(m *Message) bool {
	return a.forward.enabled && a.out.displaces(len(m.Payload), m.Reliability.rank())
}

// SetStreamPriority sets the priority of an outgoing stream, at any time, for the
// schedulers that know one: its weight under WeightedFairQueueing, where 0 counts as
// 1, and its rank under StrictPriority, where a higher one goes first. Default
// DefaultPriority. It outlasts resets of the stream and restarts of the association. The
// errors are ErrInvalidStream and ErrClosed.
func (a *Association) SetStreamPriority(stream, priority uint16) error {
	switch {
	case a.ended:
		return ErrClosed
	case int(stream) >= max(int(a.cfg.OutboundStreams), a.OutboundStreams()):
		return ErrInvalidStream
	}
	a.out.prioritize(stream, priority)
	return nil
}

// NextEvent returns the next event; false if there is none.
func (a *Association) NextEvent() (Event, bool) { return a.events.pop() }
