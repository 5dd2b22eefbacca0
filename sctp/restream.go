package sctp

import (
	"math"
	"slices"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// resetState is how far the reset of an outgoing stream is.
type resetState uint8

const (
	resetNone   resetState = iota
	resetWanted            // once what was sent on the stream is acknowledged
	resetSent              // the request is on its way
)

// reconfigurable returns why no request can be made now, if so.
func (a *Association) reconfigurable() error {
	switch {
	case a.ended:
		return ErrClosed
	case a.state < Established:
		return ErrNotConnected
	case a.state > Established:
		return ErrShuttingDown
	case !a.reconfig.enabled:
		return ErrNotSupported
	}
	return nil
}

// ResetStreams resets the outgoing side of the streams (RFC 6525, section
// 5.1.2) once all messages sent on them are acknowledged or given up (Cancel gives up one
// that has not ended), and then a moment later what was sent on other streams until then; EventStreamResetDone or
// EventStreamResetFailed reports each. Until then Send on them is refused. It
// returns ErrNotSupported if the peer knows no stream reset, ErrInvalidStream,
// ErrResetPending, or ErrNotConnected, ErrShuttingDown, ErrClosed as Send.
func (a *Association) ResetStreams(now time.Time, streams ...uint16) error {
	if err := a.reconfigurable(); err != nil {
		return err
	}
	for i, id := range streams {
		if err := a.wantReset(id); err != nil {
			for _, id := range streams[:i] {
				a.out.stream(id).reset = resetNone
			}
			return err
		}
	}
	for _, id := range streams {
		s := a.out.stream(id)
		if a.cancel(a.clock.read(now), s); s.pending == 0 {
			a.reconfig.own.reset(wire.ParamOutReset, id)
		}
	}
	return nil
}

// wantReset marks a stream that is to be reset.
func (a *Association) wantReset(id uint16) error {
	if int(id) >= a.OutboundStreams() {
		return ErrInvalidStream
	}
	s := a.out.stream(id)
	if s.reset != resetNone {
		return ErrResetPending
	}
	s.reset = resetWanted
	return nil
}

// RequestReset asks the peer to reset its outgoing side of the streams (RFC 6525,
// section 5.1.3). EventStreamReset follows for each that it resets,
// EventStreamResetRefused if it does not; a stream of which it says that there is
// nothing to reset brings neither. It returns errors as ResetStreams does.
func (a *Association) RequestReset(now time.Time, streams ...uint16) error {
	if err := a.reconfigurable(); err != nil {
		return err
	}
	for i, id := range streams {
		switch {
		case int(id) >= a.InboundStreams():
			return ErrInvalidStream
		case a.reconfig.own.asksFor(id), slices.Contains(streams[:i], id):
			return ErrResetPending
		}
	}
	for _, id := range streams {
		a.reconfig.own.reset(wire.ParamInReset, id)
		a.in.news(id) // the caller waits for the event
	}
	return nil
}

// AddStreams asks for more streams (RFC 6525, sections 5.1.5 and 5.1.6): out
// outgoing ones, and in that the peer may send on. EventStreamsAdded reports that
// OutboundStreams or InboundStreams has grown, EventReconfigFailed that the peer
// refused. It returns ErrTooManyStreams if there would be more than 65535 in a
// direction or a number is negative, and else errors as ResetStreams does.
func (a *Association) AddStreams(now time.Time, out, in int) error {
	r := &a.reconfig
	if err := a.reconfigurable(); err != nil {
		return err
	}
	if out < 0 || in < 0 || out > math.MaxUint16-r.out-r.own.adding(wire.ParamAddOutStreams) ||
		in > math.MaxUint16-r.in-r.own.adding(wire.ParamAddInStreams) {
		return ErrTooManyStreams
	}
	if out > 0 {
		r.own.add(wire.ParamAddOutStreams, uint16(out))
	}
	if in > 0 {
		r.own.add(wire.ParamAddInStreams, uint16(in))
	}
	return nil
}

// minResetPause is the least time between two SSN/TSN resets, the maximum segment
// lifetime (RFC 6525, section 5.1.4).
const minResetPause = 30 * time.Second

// ResetAssociation begins the sequence numbers of all streams in both directions and
// the TSNs anew (RFC 6525, section 5.1.4). From then on no message is begun until all
// that was begun is acknowledged or given up and the peer has answered;
// EventAssociationReset or EventReconfigFailed reports the end. Messages are neither lost nor reordered
// by it, if the peer, too, has nothing outstanding: one of this package refuses
// otherwise. It returns ErrResetPending while one is under way, ErrMessageOpen while a
// message in parts (Message.More) is, ErrResetTooSoon within
// 30 s of the last, and else errors as ResetStreams does.
func (a *Association) ResetAssociation(now time.Time) error {
	own := &a.reconfig.own
	err := a.reconfigurable()
	switch {
	case err != nil:
		return err
	case own.pending(wire.ParamTSNReset):
		return ErrResetPending
	case a.out.parted > 0:
		return ErrMessageOpen
	case !own.resetAt.IsZero() && a.clock.read(now).Sub(own.resetAt) < minResetPause:
		return ErrResetTooSoon
	}
	own.queue = append(own.queue, request{kind: wire.ParamTSNReset})
	return nil
}

// SetPeerReconfig replaces Config.PeerReconfig, for requests that come from now on.
func (a *Association) SetPeerReconfig(p ReconfigPolicy) {
	cfg := *a.cfg
	p.complete(&cfg)
	cfg.PeerReconfig = p
	a.cfg = &cfg
}

// OutboundStreams returns the number of outgoing streams, 0 before the
// association is established (RFC 9260, section 5.1.1). AddStreams and the peer
// can make it grow.
func (a *Association) OutboundStreams() int { return a.reconfig.out }

// InboundStreams returns the number of incoming streams, 0 before the
// association is established. AddStreams and the peer can make it grow.
func (a *Association) InboundStreams() int { return a.reconfig.in }
