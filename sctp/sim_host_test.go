package sctp_test

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// An engine is what the simulation drives: an *sctp.Association, or one
// with a planted bug around it.
type engine interface {
	InitToken() []byte
	Connect(now time.Time) error
	ConnectWithToken(now time.Time, peer []byte) error
	HandlePacketECN(now time.Time, path sctp.PathID, packet []byte, mark sctp.ECN)
	HandleTimeout(now time.Time)
	Timeout() (time.Time, bool)
	Transmit(now time.Time, dst []byte) (sctp.Transmit, bool)
	NextEvent() (sctp.Event, bool)
	Send(now time.Time, m sctp.Message) error
	SendCopy(now time.Time, m sctp.Message) error
	SendMore(now time.Time, stream uint16, payload []byte, more bool) error
	Cancel(now time.Time, stream uint16)
	Peek(stream uint16) (sctp.MessageInfo, error)
	Read(now time.Time, stream uint16, dst []byte) (int, sctp.MessageInfo, error)
	Borrow(now time.Time, stream uint16) (sctp.Loan, sctp.MessageInfo, error)
	Return(l sctp.Loan)
	DeliverParts(stream uint16, on bool)
	ResetStreams(now time.Time, streams ...uint16) error
	RequestReset(now time.Time, streams ...uint16) error
	ResetAssociation(now time.Time) error
	AddStreams(now time.Time, out, in int) error
	Shutdown(now time.Time) error
	Abort(now time.Time, reason string)
	PathChanged(now time.Time, path sctp.PathID)
	State() sctp.State
	OutboundStreams() int
	SetStreamPriority(stream, priority uint16) error
	InboundStreams() int
	BufferedAmount(stream uint16) int
	Stats() sctp.Stats
	InUse(stream uint16) bool
}

// A host is one end of the simulated association: the engine and the
// application on top, which follows the plan's script and reads what comes.
type host struct {
	w    *world
	side int
	plan *plan
	dice dice
	engine

	out, in         *ledger // what it sends, what it receives
	nextOut, nextIn *ledger // the same as soon as it knows that its peer was started again
	past            pastLives
	moves           moves    // handovers
	bundler         bundler  // of what comes
	witness         *witness // nil if there is a planted bug, or it is an Endpoint

	started   bool      // Connect was called
	step      int       // next action of the script
	stepAt    time.Time // not before
	full      bool      // Send was refused, EventWritable has not come
	resetting bool      // Send was refused, EventStreamResetDone has not come
	connected bool
	shutting  bool // Shutdown called, or EventShutdownReceived
	closed    bool // EventClosed
	closeErr  error

	readable []uint16 // streams with EventReadable that were not found empty since
	resumeAt time.Time
	left     map[uint16]time.Time // streams that are not read before
	partial  map[uint16]*partialMessage
	sent     [][]byte             // payloads that the engine holds
	open     map[int]*openMessage // in parts, by action.open
	loans    []loan

	timerAt time.Time // when the harness will call HandleTimeout, if timer is set
	timer   bool
	flow           // of what it sends
	buf     []byte // batch buffer, for Transmit
	scratch []byte // for Read

	displaced                  bool // messages may have been given up while a part of them is outstanding
	inParts                    bool // messages were sent in parts
	packets, timeouts, largest int  // packets out, calls of HandleTimeout, bytes of the largest message accepted
}

// A partialMessage collects the pieces of the message that a stream delivers.
type partialMessage struct {
	info sctp.MessageInfo
	data []byte
}

// act runs what the application does at now.
func (h *host) act() {
	if h.toConnect() && !h.w.now.Before(h.w.start.Add(h.plan.connectAt)) {
		h.started = true
		err := h.connect()
		h.w.note(h, "Connect: %v", err)
		// The peer may have finished the handshake before.
		if err != nil && !(h.connected && errors.Is(err, sctp.ErrAlreadyStarted)) {
			h.w.fail("host %d: Connect: %v", h.side, err)
		}
		h.w.drain(h)
	}
	h.beEager()
	h.read()
	h.giveBack()
	h.runScript()
}

// connect begins the association.
func (h *host) connect() error {
	if h.plan.token {
		return h.ConnectWithToken(h.w.now, h.w.tokens[1-h.side])
	}
	return h.Connect(h.w.now)
}

// toConnect tells whether Connect is still to be called.
func (h *host) toConnect() bool { return h.plan.connect && !h.started && !h.closed }

// wake returns when act has something to do next.
func (h *host) wake() (time.Time, bool) {
	switch {
	case h.toConnect():
		return h.w.start.Add(h.plan.connectAt), true
	case len(h.readable) > 0 && h.scripted():
		return earlier(h.readAt(), h.stepAt), true
	case len(h.readable) > 0:
		return h.readAt(), true
	case h.scripted():
		return h.stepAt, true
	}
	return time.Time{}, false
}

// scripted tells whether the next action waits for the time only.
func (h *host) scripted() bool {
	return h.connected && !h.closed && !h.full && !h.resetting && h.step < len(h.plan.script)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// runScript does the actions that are due.
func (h *host) runScript() {
	for h.scripted() && !h.w.now.Before(h.stepAt) && h.w.err == nil {
		a := &h.plan.script[h.step]
		done := true
		switch a.do {
		case doSend:
			done = h.send(a)
		case doReset:
			h.reset(a)
		case doMore, doCancel:
			done = h.goOn(a)
		case doReconfig:
			h.reconfig(a)
		case doPriority:
			h.prioritize(a)
		case doRestart:
			h.restart()
		case doShutdown:
			h.shutdown()
		case doAbort:
			h.w.note(h, "Abort")
			h.Abort(h.w.now, abortReason)
		}
		if done {
			h.w.progress()
			h.advance()
			h.w.work++
			h.step++
			if h.step < len(h.plan.script) {
				h.stepAt = h.w.now.Add(h.plan.script[h.step].wait)
			} else {
				h.unblock()
			}
		}
		// Several commands in one go now and then, as a driver might.
		if !done || h.dice.chance(0.8) {
			h.w.drain(h)
		}
	}
	h.w.drain(h)
}

// streamID maps a stream of the plan to one that the association has.
func (h *host) streamID(i int) uint16 {
	n := h.OutboundStreams()
	if n <= 0 {
		h.w.fail("host %d: established with %d outgoing streams", h.side, n)
		return 0
	}
	return uint16(int(h.plan.streams[i%len(h.plan.streams)]) % n)
}

// send queues the message of an action, and tells whether the script may go on.
func (h *host) send(a *action) bool {
	m := h.out.next(a.msg, max(a.size, a.whole))
	m.Stream, m.Payload, m.More = h.streamID(a.stream), m.Payload[:a.size:a.size], a.open > 0
	if h.dice.chance(h.plan.priorities) {
		priority := uint16(h.dice.scale(1, 65536) - 1)
		h.w.note(h, "SetStreamPriority stream %d %d", m.Stream, priority)
		if err := h.SetStreamPriority(m.Stream, priority); err != nil {
			h.w.fail("host %d: SetStreamPriority: %v", h.side, err)
		}
	}
	var err error
	if len(h.out.sent)%2 == 0 {
		err = h.Send(h.w.now, m)
	} else {
		mine := m
		mine.Payload = bytes.Clone(m.Payload)
		err = h.SendCopy(h.w.now, mine)
		clear(mine.Payload)
	}
	h.w.note(h, "Send stream %d id %d size %d unordered %v %+v: %v", m.Stream, len(h.out.sent), a.size, m.Unordered, m.Reliability, err)
	switch {
	case err == nil:
		if h.shutting {
			h.w.fail("host %d: Send accepted during shutdown", h.side)
		}
		h.out.accepted(m)
		if m.More {
			h.begins(a, m)
		}
		h.sent = append(h.sent, m.Payload)
		h.largest = max(h.largest, a.size)
		h.displaced = h.displaced || m.Reliability.LimitPriority || m.Reliability.LimitLifetime || m.Reliability.Lifetime > 0
		h.w.work += 1 + a.size/h.w.s.smallestFragment(h.side)
	case errors.Is(err, sctp.ErrSendBufferFull):
		if h.Stats().SendBuffered == 0 && !h.plan.cfg.Frugal { // a frugal one keeps what is acknowledged out of order
			h.w.fail("host %d: message of %d bytes refused by an empty send buffer", h.side, a.size)
		}
		h.full = true
		if !h.w.s.interleaved() || errors.Is(err, sctp.ErrAllResetPending) || h.dice.chance(0.1) {
			h.makeWay(0)
		}
		return false
	case m.More && errors.Is(err, sctp.ErrResetPending), h.hasOpen(m.Stream) && errors.Is(err, sctp.ErrMessageOpen): // not this one
	case errors.Is(err, sctp.ErrResetPending):
		h.resetting = h.dice.chance(0.5) // else give the message up
		if h.resetting {
			h.makeWay(0)
		}
		return !h.resetting
	case h.shutting && errors.Is(err, sctp.ErrShuttingDown):
		// The peer was first: go to the end of the script.
		for h.step+1 < len(h.plan.script) && h.plan.script[h.step+1].do < doShutdown {
			h.step++
		}
	default:
		h.w.fail("host %d: Send: %v (shutting down: %v)", h.side, err, h.shutting)
	}
	return true
}

// reset resets the streams of an action.
func (h *host) reset(a *action) {
	var ids []uint16
next:
	for i := range a.count {
		id := h.streamID(a.stream + i)
		for _, other := range ids {
			if other == id {
				continue next
			}
		}
		ids = append(ids, id)
	}
	err := h.ResetStreams(h.w.now, ids...)
	h.w.note(h, "ResetStreams %v: %v", ids, err)
	switch {
	case err == nil:
		for _, id := range ids {
			h.out.resetRequested(id)
		}
	case errors.Is(err, sctp.ErrResetPending): // not this time
	case h.shutting && errors.Is(err, sctp.ErrShuttingDown):
	default:
		h.w.fail("host %d: ResetStreams %v: %v", h.side, ids, err)
	}
}

// reconfig makes another request of RFC 6525.
func (h *host) reconfig(a *action) {
	var err error
	switch what := a.size % 3; what {
	case 0:
		id := uint16(int(h.plan.streams[a.stream]) % h.InboundStreams())
		err = h.RequestReset(h.w.now, id)
		h.w.note(h, "RequestReset %d: %v", id, err)
	case 1:
		err = h.AddStreams(h.w.now, a.count/4, a.count%4)
		h.w.note(h, "AddStreams %d, %d: %v", a.count/4, a.count%4, err)
	case 2:
		err = h.ResetAssociation(h.w.now)
		h.w.note(h, "ResetAssociation: %v", err)
	}
	switch {
	case err == nil, errors.Is(err, sctp.ErrResetPending), errors.Is(err, sctp.ErrResetTooSoon), errors.Is(err, sctp.ErrTooManyStreams),
		h.inParts && errors.Is(err, sctp.ErrMessageOpen):
	case h.shutting && errors.Is(err, sctp.ErrShuttingDown):
	default:
		h.w.fail("host %d: %+v: %v", h.side, *a, err)
	}
}

// refused judges an event which says that the peer does not do what it was asked for.
func (h *host) refused(e sctp.Event) {
	const denied, wrongStream, busy = 2, 3, 4
	var re *sctp.ReconfigError
	if !errors.As(e.Err, &re) || re.Result != denied && re.Result != wrongStream && re.Result != busy {
		h.w.fail("host %d: event %+v", h.side, e)
	}
}

func (h *host) shutdown() {
	err := h.Shutdown(h.w.now)
	h.w.note(h, "Shutdown: %v", err)
	if err != nil && !(h.shutting && errors.Is(err, sctp.ErrShuttingDown)) {
		h.w.fail("host %d: Shutdown: %v", h.side, err)
	}
	h.shutting = true
}

// event takes an event of the engine.
func (h *host) event(e sctp.Event) {
	h.w.note(h, "event %d stream %d err %v", e.Kind, e.Stream, e.Err)
	if h.closed {
		h.w.fail("host %d: event %d after EventClosed", h.side, e.Kind)
	}
	switch e.Kind {
	case sctp.EventConnected:
		if h.moves.made {
			h.moves.made = false
			break
		}
		if h.connected {
			h.w.fail("host %d: connected twice", h.side)
		}
		h.connected = true
		h.stepAt = h.w.now
		if len(h.plan.script) > 0 {
			h.stepAt = h.w.now.Add(h.plan.script[0].wait)
		}
		h.w.progress()
	case sctp.EventRestarted:
		h.restarted()
	case sctp.EventReadable:
		for _, id := range h.readable {
			if id == e.Stream {
				h.w.fail("host %d: stream %d reported readable again before it was found empty", h.side, id)
			}
		}
		h.readable = append(h.readable, e.Stream)
	case sctp.EventWritable:
		if !h.full {
			h.w.fail("host %d: EventWritable though no Send was refused", h.side)
		}
		h.full = false
		h.stepAt = h.w.now
	case sctp.EventStreamReset:
		h.in.resetReported(e.Stream)
	case sctp.EventStreamResetDone:
		h.out.resetDone(e.Stream)
		h.resetting = false
	case sctp.EventStreamResetAsked:
		h.out.resetRequested(e.Stream)
	case sctp.EventStreamResetRefused, sctp.EventReconfigFailed:
		h.refused(e)
	case sctp.EventStreamsAdded, sctp.EventAssociationReset:
		h.w.progress()
	case sctp.EventMessageAbandoned, sctp.EventMessageSent, sctp.EventMessageDelivered:
		if e.Kind == sctp.EventMessageAbandoned {
			h.out.abandoned(e.Stream)
			h.gone(e)
		}
		h.out.tell(e)
	case sctp.EventShutdownReceived:
		h.shutting, h.resetting = true, false
	case sctp.EventPathDown, sctp.EventPathUp, sctp.EventBufferedAmountLow, sctp.EventTotalBufferedAmountLow:
	case sctp.EventClosed:
		h.closed, h.closeErr = true, e.Err
		h.w.progress()
	default: // failed reset, an ERROR from the peer
		h.w.fail("host %d: unexpected event %+v", h.side, e)
	}
}

// read reads until nothing is readable, or the application takes a pause.
func (h *host) read() {
	for h.w.err == nil && !h.w.now.Before(h.resumeAt) {
		ids := h.attended()
		if len(ids) == 0 {
			return
		}
		id := ids[h.dice.IntN(len(ids))]
		for range h.dice.between(1, 20) {
			if !h.readOnce(id) {
				h.drop(id)
				break
			}
			if h.w.err != nil || h.w.now.Before(h.resumeAt) || h.holds(id) {
				break
			}
		}
		h.w.drain(h)
	}
}

// readOnce reads from the stream; false means that it is empty.
func (h *host) readOnce(id uint16) bool {
	peeked, peekErr := h.Peek(id)
	size := len(h.scratch)
	switch nibbles := h.plan.habits.nibbles; {
	case nibbles > 0 && h.dice.chance(nibbles):
		size = h.dice.between(1, 16)
	case peekErr == nil && h.dice.chance(0.2):
		size = min(size, h.dice.between(1+peeked.Size/20, 1+peeked.Size))
	case h.dice.chance(0.1):
		size = h.dice.between(4000, size)
	}
	n, info, err := 0, sctp.MessageInfo{}, error(nil)
	if h.dice.chance(h.plan.borrows) {
		if n, info, err = h.borrow(id); err == nil {
			size = n
		}
	} else {
		n, info, err = h.Read(h.w.now, id, h.scratch[:size])
	}
	if (err == nil) != (peekErr == nil) || err == nil &&
		(n != min(size, peeked.Size) || info.PPID != peeked.PPID || info.Unordered != peeked.Unordered) {
		h.w.fail("host %d: stream %d: Read of %d bytes gave %d, %+v, %v; Peek promised %+v, %v",
			h.side, id, size, n, info, err, peeked, peekErr)
	}
	h.w.note(h, "Read stream %d: %d, ppid %#x, complete %v, %v", id, n, info.PPID, info.Complete, err)
	part := h.partial[id]
	switch {
	case err == nil:
		h.w.progress()
		h.w.hosts[1-h.side].advance()
		h.piece(id, h.scratch[:n], info)
	case errors.Is(err, io.EOF):
		if part != nil {
			h.w.fail("host %d: stream %d ends within a message", h.side, id)
		}
		h.end(id)
	case errors.Is(err, sctp.ErrMessageAborted):
		switch {
		case part == nil:
			h.w.fail("host %d: stream %d: ErrMessageAborted without a piece read", h.side, id)
		case h.closeErr == nil: // else the end cut it
			l := h.source(id, part.info.PPID)
			l.cut(id, part.info.PPID)
			h.w.check(l)
		}
		h.partial[id] = nil
	case errors.Is(err, sctp.ErrWouldBlock) && !h.closed:
		return false
	case h.closed && h.endError(err):
		return false
	default:
		h.w.fail("host %d: Read on stream %d: %v (closed %v: %v)", h.side, id, err, h.closed, h.closeErr)
	}
	h.w.check(h.in)
	return true
}

// endError tells whether err is what Read is to return after the end.
func (h *host) endError(err error) bool {
	if h.closeErr == nil {
		return errors.Is(err, sctp.ErrClosed)
	}
	return errors.Is(err, h.closeErr)
}

// piece takes bytes of the current message of a stream.
func (h *host) piece(id uint16, data []byte, info sctp.MessageInfo) {
	if info.Stream != id || len(data) == 0 {
		h.w.fail("host %d: Read on stream %d gave %d bytes with %+v", h.side, id, len(data), info)
		return
	}
	part := h.partial[id]
	if part == nil {
		part = &partialMessage{info: info}
		h.partial[id] = part
	}
	if part.info.PPID != info.PPID || part.info.Unordered != info.Unordered {
		h.w.fail("host %d: stream %d: a piece of %+v within %+v", h.side, id, info, part.info)
	}
	part.data = append(part.data, data...)
	if !info.Complete {
		return
	}
	h.partial[id] = nil
	l := h.source(id, info.PPID)
	l.delivered(id, info.PPID, info.Unordered, part.data)
	h.w.check(l)
	if h.dice.chance(h.plan.pause) {
		h.resumeAt = h.w.now.Add(h.dice.span(h.plan.maxPause))
	}
	h.leave(id)
}

// reclaim spoils the payloads that the engine must have let go.
func (h *host) reclaim(buffered int) {
	if buffered != 0 || len(h.sent) == 0 {
		return
	}
	for _, p := range h.sent {
		clear(p)
	}
	h.sent = h.sent[:0]
}

// finished tells whether the host has ended and its application read all. One
// that waits for a peer whose packets cannot come has nothing to end.
func (h *host) finished() bool {
	if h.w.s.dying && !h.plan.connect && h.State() == sctp.Closed {
		return len(h.readable) == 0
	}
	return h.closed && len(h.readable) == 0
}
