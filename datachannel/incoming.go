//go:build !js

package datachannel

import (
	"context"
	"io"

	"github.com/sluice-rtc/sluice/dcep"
)

// Bounds of what a peer that opens channels can make this side hold. Beyond the
// first, OPENs stay in the association, in its receive window, until the
// application took some channels; beyond the second they are refused.
const (
	maxUnannounced = 1 << 20  // bytes of channels the application has not seen
	maxNamed       = 16 << 20 // bytes of labels and protocols of the peer's channels
	channelCost    = 512      // bytes that a channel counts besides label and protocol
)

// incoming are the channels that the peer opened.
type incoming struct {
	unannounced int      // bytes of those that neither OnChannel nor Accept returned
	named       int      // bytes of labels and protocols of those in use
	deferred    []uint16 // streams whose OPEN waits in the association, oldest first
	isDeferred  idSet    // the same
	accept      []*Channel
	acceptable  signal // Accept may find something
}

// onOpen answers a DATA_CHANNEL_OPEN on an unused stream. "If the
// DATA_CHANNEL_OPEN message doesn't satisfy the conditions above, the receiver
// MUST close the corresponding data channel [...] and MUST NOT send a
// DATA_CHANNEL_ACK message", RFC 8832, section 6.
func (s *Session) onOpen(id uint16, raw []byte) {
	open, err := dcep.ParseOpen(raw)
	localParity := roleOf(id%2 == 0) == s.role // the client opens the even ones
	switch {
	case err != nil, localParity:
	case int(id) >= s.maxChannels, s.closing:
	case s.incoming.named+len(open.Label)+len(open.Protocol) > maxNamed:
	default:
		s.accept(id, open)
		return
	}
	s.refuse(id)
}

// accept makes the channel and acknowledges it.
func (s *Session) accept(id uint16, open dcep.Open) {
	ch := &Channel{
		s: s, label: open.Label, protocol: open.Protocol, incoming: true,
		kind: open.ChannelType, priority: open.Priority,
		reliability: uint16(min(open.Reliability, 65535)), // the range of the W3C's attributes
		attachment:  attachment{ready: true, confirmed: true},
	}
	ch.st = s.addStream(id, ch)
	ch.prioritize()
	s.counts.accepted++
	ch.serial = s.counts.channels()
	s.incoming.named += ch.nameBytes()
	s.incoming.unannounced += ch.nameBytes() + channelCost
	ch.control(ackMessage)
	// "Set channel.[[ReadyState]] to open (but do not fire the open event, yet)":
	// W3C webrtc-pc, section 6.1. The application may send in OnChannel.
	if s.cfg.OnChannel != nil {
		ch.face.inOnChannel = true
		ch.raise(evAnnounce)
	} else {
		s.incoming.accept = append(s.incoming.accept, ch)
		s.incoming.acceptable.set()
	}
	ch.opened()
	if ch.st.resets > 0 {
		ch.peerClosed()
	}
}

var ackMessage = dcep.AppendAck(nil)

// announced notes that the application knows the channel, and lets OPENs in that
// waited.
func (s *Session) announced(ch *Channel) {
	s.incoming.unannounced -= ch.nameBytes() + channelCost
	for len(s.incoming.deferred) > 0 && s.incoming.unannounced < maxUnannounced {
		s.resumeOpen()
	}
}

// resumeOpen looks at the stream that was deferred first.
func (s *Session) resumeOpen() {
	id := s.incoming.deferred[0]
	s.incoming.deferred = s.incoming.deferred[1:]
	s.incoming.isDeferred.remove(id)
	s.pump(id)
}

func (in *incoming) deferOpen(id uint16) {
	if !in.isDeferred.has(id) {
		in.isDeferred.add(id)
		in.deferred = append(in.deferred, id)
	}
}

// Accept waits for a channel that the peer opens, and returns it open. It is for
// sessions without OnChannel. After the end of the association it returns the
// channels that are left, then why it ended: an *RTCError, or io.EOF after a
// graceful end.
func (s *Session) Accept(ctx context.Context) (*Channel, error) {
	if s.cfg.OnChannel != nil {
		return nil, &InvalidStateError{Op: "Accept", Reason: "OnChannel takes the channels"}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		ch, err := s.tryAccept()
		if ch != nil || err != nil {
			return ch, err
		}
		select {
		case <-s.incoming.acceptable:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Session) tryAccept() (*Channel, error) {
	s.lock()
	defer s.unlock()
	q := s.incoming.accept
	switch {
	case len(q) > 0:
		ch := q[0]
		q[0] = nil
		s.incoming.accept = q[1:]
		s.incoming.acceptable.set() // for another Accept
		s.announced(ch)
		return ch, nil
	case !s.ended:
		return nil, nil
	}
	s.incoming.acceptable.set()
	if s.err != nil {
		return nil, associationError(s.err)
	}
	return nil, io.EOF
}
