//go:build !js

package datachannel

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-rtc/sluice/dcep"
)

// CreateChannel creates a channel; a nil init is a zero one. The channel connects
// when the session does. Its label has at most 65535 bytes of UTF-8.
//
// The errors are, and come in the order of, those of createDataChannel (W3C
// webrtc-pc, section 6.1): *InvalidStateError if the session is closed,
// *TypeError for a label, protocol or init that is not acceptable,
// *OperationError if the identifier is in use, none is free, or the association
// cannot have one so great. If it can have more streams than it has (RFC 6525), the
// channel connects when the peer has granted them, and fails if it does not.
func (s *Session) CreateChannel(label string, init *Init) (*Channel, error) {
	const op = "CreateChannel"
	if init == nil {
		init = &Init{}
	}
	s.lock()
	defer s.unlock()
	if s.closing || s.shutdown || s.ended {
		return nil, &InvalidStateError{op, "the session is closed", true}
	}
	if err := init.check(op, label); err != nil {
		return nil, err
	}
	ch := s.newChannel(label, init)
	if err := s.takeID(op, ch, init); err != nil {
		return nil, err
	}
	s.counts.requested++
	ch.serial = s.counts.channels()
	if s.connected {
		ch.connect()
		s.flush()
	}
	return ch, nil
}

// takeID gives a new channel its identifier, or lets it wait for the role.
func (s *Session) takeID(op string, ch *Channel, init *Init) error {
	limit := s.potential()
	switch {
	case ch.negotiated && s.ids.has(*init.ID):
		return &OperationError{Op: op, Reason: fmt.Sprintf("ID %d is in use", *init.ID)}
	case ch.negotiated && int(*init.ID) >= limit:
		return &OperationError{Op: op, Reason: fmt.Sprintf("ID %d is beyond the %d streams of the association", *init.ID, limit)}
	case ch.negotiated && !s.reaches(*init.ID):
		return &OperationError{Op: op, Reason: fmt.Sprintf("ID %d is beyond the %d streams of the association", *init.ID, s.maxChannels)}
	case ch.negotiated:
		ch.st = s.addStream(*init.ID, ch)
	case s.role == roleUnknown:
		s.waiting = append(s.waiting, ch)
	default:
		id, ok := s.ids.free(s.role == roleClient, limit)
		if !ok || !s.reaches(id) {
			return &OperationError{Op: op, Reason: "no ID is free"}
		}
		ch.st = s.addStream(id, ch)
	}
	return nil
}

// setRole fixes the role, and with it the identifiers of the channels that wait
// for it, in the order of their creation.
func (s *Session) setRole(r role) {
	s.role = r
	waiting := s.waiting
	s.waiting = nil
	for _, ch := range waiting {
		id, ok := s.ids.free(r == roleClient, maxID+1)
		if !ok {
			ch.fail(channelError("no ID is free", nil))
			continue
		}
		ch.st = s.addStream(id, ch)
	}
}

// onConnected opens the channels created so far, in the order of their
// identifiers.
func (s *Session) onConnected() {
	if s.connected {
		return
	}
	s.connected = true
	s.serial = !s.conn.Interleaves()
	s.maxChannels = min(s.conn.OutboundStreams(), s.conn.InboundStreams(), maxID+1)
	close(s.connectedCh)
	s.raise(sessionConnected)
	for _, id := range slices.Sorted(maps.Keys(s.streams)) {
		if st := s.streams[id]; st.ch != nil {
			st.ch.connect()
		}
	}
	s.flush()
}

// connect starts a channel on an established association: it is open at once
// (w3c-sctp-c), one that is not negotiated with its OPEN ahead of all else. Nobody
// waits for the ACK: messages may follow the OPEN (RFC 8832, section 6), and a
// peer that does not want the channel closes it.
func (ch *Channel) connect() {
	if int(ch.st.id) >= ch.s.maxChannels {
		if !ch.s.reaches(ch.st.id) {
			ch.beyond(nil)
		}
		return
	}
	ch.ready = true
	ch.prioritize()
	if ch.negotiated {
		ch.confirmed = true
	} else {
		open := dcep.Open{
			ChannelType: ch.kind, Priority: ch.priority, Reliability: uint32(ch.reliability),
			Label: ch.label, Protocol: ch.protocol,
		}
		raw, err := dcep.AppendOpen(make([]byte, 0, 12+ch.nameBytes()), open)
		if err != nil {
			panic("datachannel: BUG: " + err.Error()) // CreateChannel checked it
		}
		ch.out.queue.pushFront(outgoing{data: raw, ppid: dcep.PPIDControl})
	}
	ch.opened()
	if ch.out.queue.len() > 0 {
		ch.block()
	}
}

// prioritize tells the association the priority of the channel, which both sides go by
// (RFC 8831, section 6.4).
func (ch *Channel) prioritize() {
	ch.s.conn.SetStreamPriority(ch.st.id, ch.priority) // fails if the association has ended
}

// opened is the W3C's "announce the data channel as open".
func (ch *Channel) opened() {
	if ch.state != Connecting {
		return
	}
	ch.entered(Open)
	ch.s.counts.opened++
	if !ch.incoming {
		ch.s.marking.change(ch.priority, 1)
	}
	ch.raise(evOpen)
}

// confirm notes a message of the peer on the channel: it has the channel, and
// messages no longer have to be ordered behind the OPEN (RFC 8832, section 6). A
// user message may overtake the ACK; it says as much.
func (ch *Channel) confirm() { ch.confirmed = true }
