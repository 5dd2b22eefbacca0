package sctp_test

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/sluice-rtc/sluice/sctp"
)

// A ledger is the oracle for what one host sends and the other receives. It is
// told of each message accepted, each stream reset, and all that Read returned,
// and complains about the first thing that cannot be:
//
//   - a message that was not sent, or on another stream, in another order mode,
//     damaged, cut, or delivered before;
//   - an ordered message behind a later one of its stream;
//   - a message on the wrong side of a stream reset, or an end of a stream that
//     nobody reset, or before its reliable messages;
//   - at the end, a reliable message that did not arrive, or more messages
//     missing than the sender said it had abandoned.
type ledger struct {
	name    string
	sent    []sentMessage // the message id is the index
	streams map[uint16]*streamLedger
	order   []uint16 // keys of streams, in order of first use
	bytes   int      // delivered
	first   uint32   // PPID of message 0
	over    bool     // a host was started again: nothing more need arrive
	fault   error    // the first one
	telling bool     // the sender is told the fate of messages
}

// firstPPID is the payload protocol identifier of message 0; message n has the
// n-th after it. So each message names itself, however short it is.
const firstPPID = 0x51000000

type sentMessage struct {
	stream    uint16
	unordered bool
	reliable  bool
	open      bool // in parts, and has not ended
	size      int
	delivered bool
	// The receiver has read at least fewest and at most resets ends of the
	// stream before it.
	fewest, resets int
	told           fate // to the sender
}

// streamLedger is what a ledger knows of one stream.
type streamLedger struct {
	messages []int // ids, in order of sending
	fresh    bool  // a reliable message was sent after the last reset

	// resets has an entry for each reset requested by the sender: how many must
	// be reported to the receiver once it is done. Of resets with no message
	// between them one is enough: the peer cannot tell the second from a
	// repetition, as libwebrtc makes them. An unreliable message between them
	// may have been given up before it left.
	resets    []int
	done      int // reported done to the sender
	reported  int // reported to the receiver
	ends      int // io.EOF read
	lastOrder int // id of the last ordered message delivered, -1 before
	abandoned int // messages reported abandoned to the sender
	cut       int // messages reported aborted to the reader
}

func newLedger(name string) *ledger {
	return &ledger{name: name, first: firstPPID, streams: make(map[uint16]*streamLedger)}
}

// maxMessages bounds the messages of a ledger, so that the PPIDs of several stay apart.
const maxMessages = 1 << 16

// following returns the ledger for what comes after a restart.
func (l *ledger) following() *ledger {
	next := newLedger(l.name)
	next.first, next.bytes = l.first+maxMessages, l.bytes
	return next
}

// has reports whether a message is of this ledger.
func (l *ledger) has(ppid uint32) bool { return ppid >= l.first && ppid-l.first < maxMessages }

// content is the payload of message id.
func (l *ledger) content(id, size int) []byte { return content(id+int(l.first-firstPPID), size) }

func (l *ledger) stream(id uint16) *streamLedger {
	s := l.streams[id]
	if s == nil {
		s = &streamLedger{lastOrder: -1}
		l.streams[id] = s
		l.order = append(l.order, id)
	}
	return s
}

func (l *ledger) complain(format string, args ...any) {
	if l.fault == nil {
		l.fault = fmt.Errorf(l.name+": "+format, args...)
	}
}

// next fills in the identity and content of the next message to send.
func (l *ledger) next(m sctp.Message, size int) sctp.Message {
	id := len(l.sent)
	m.PPID = l.first + uint32(id)
	m.ID = uint64(id) + 1
	m.Payload = l.content(id, size)
	return m
}

// content is the payload of message id of all.
func content(id, size int) []byte {
	p := make([]byte, size+8)
	x := uint64(id)*0x9e3779b97f4a7c15 + 1
	for i := 0; i < size; i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(p[i:], x)
	}
	return p[:size:size]
}

// accepted notes that Send took the message that next made.
func (l *ledger) accepted(m sctp.Message) {
	s := l.stream(m.Stream)
	s.messages = append(s.messages, len(l.sent))
	s.fresh = s.fresh || m.Reliability == sctp.Reliability{} && !m.More
	l.sent = append(l.sent, sentMessage{
		stream:    m.Stream,
		unordered: m.Unordered,
		reliable:  m.Reliability == sctp.Reliability{},
		size:      len(m.Payload),
		fewest:    s.fewest(len(s.resets)),
		resets:    len(s.resets),
	})
}

// fewest returns how many resets must have been reported after the first n.
func (s *streamLedger) fewest(n int) int {
	if n = min(n, len(s.resets)); n == 0 {
		return 0
	}
	return s.resets[n-1]
}

// resetRequested notes that ResetStreams was accepted for the stream.
func (l *ledger) resetRequested(stream uint16) {
	s := l.stream(stream)
	n := s.fewest(len(s.resets))
	if s.fresh || n == 0 {
		n++
	}
	s.resets = append(s.resets, n)
	s.fresh = false
}

// resetDone notes the sender's EventStreamResetDone.
func (l *ledger) resetDone(stream uint16) {
	s := l.stream(stream)
	if s.done++; s.done > len(s.resets) {
		l.complain("stream %d: reset reported done %d times, requested %d times", stream, s.done, len(s.resets))
		return
	}
	if s.fewest(s.done) > s.reported {
		l.complain("stream %d: reset reported done before the peer reported it", stream)
	}
}

// resetReported notes the receiver's EventStreamReset.
func (l *ledger) resetReported(stream uint16) {
	s := l.stream(stream)
	if s.reported++; s.reported > len(s.resets) {
		l.complain("stream %d: %d resets seen, %d requested", stream, s.reported, len(s.resets))
	}
}

// abandoned notes the sender's EventMessageAbandoned.
func (l *ledger) abandoned(stream uint16) { l.stream(stream).abandoned++ }

// delivered notes a complete message that Read returned on the stream.
func (l *ledger) delivered(stream uint16, ppid uint32, unordered bool, payload []byte) {
	id := int(int64(ppid) - int64(l.first))
	if id < 0 || id >= len(l.sent) {
		l.complain("stream %d: message with PPID %#x, which nobody sent", stream, ppid)
		return
	}
	m := &l.sent[id]
	s := l.stream(stream)
	switch {
	case m.stream != stream:
		l.complain("message %d of stream %d delivered on stream %d", id, m.stream, stream)
	case m.unordered != unordered:
		l.complain("stream %d: message %d delivered as unordered=%v", stream, id, unordered)
	case m.delivered:
		l.complain("stream %d: message %d delivered twice", stream, id)
	case m.open:
		l.complain("stream %d: message %d delivered, which has not ended", stream, id)
	case len(payload) != m.size:
		l.complain("stream %d: message %d has %d bytes, %d were sent", stream, id, len(payload), m.size)
	case !bytes.Equal(payload, l.content(id, m.size)):
		l.complain("stream %d: message %d of %d bytes is damaged", stream, id, m.size)
	case s.ends < m.fewest || s.ends > m.resets:
		l.complain("stream %d: message %d was sent after %d resets, delivered after %d", stream, id, m.resets, s.ends)
	case !unordered && id < s.lastOrder:
		l.complain("stream %d: ordered message %d delivered after %d", stream, id, s.lastOrder)
	}
	m.delivered = true
	l.bytes += len(payload)
	if !unordered {
		s.lastOrder = id
	}
}

// cut notes ErrMessageAborted: a message of which pieces were read will not
// be completed. Only an unreliable one may be.
func (l *ledger) cut(stream uint16, ppid uint32) {
	id := int(int64(ppid) - int64(l.first))
	if id < 0 || id >= len(l.sent) || l.sent[id].stream != stream {
		l.complain("stream %d: cut message has PPID %#x, which nobody sent there", stream, ppid)
		return
	}
	if l.sent[id].reliable && !l.over {
		l.complain("stream %d: reliable message %d cut", stream, id)
	}
	l.stream(stream).cut++
}

// ended notes that Read returned io.EOF.
func (l *ledger) ended(stream uint16) {
	s := l.stream(stream)
	if s.ends >= s.reported {
		l.complain("stream %d: end %d read after %d reported resets", stream, s.ends+1, s.reported)
	}
	s.ends++
	for _, id := range s.messages {
		if m := &l.sent[id]; m.resets < s.ends && m.reliable && !m.delivered {
			l.complain("stream %d: end %d read before reliable message %d", stream, s.ends, id)
		}
	}
}

// finish judges the whole after a graceful end, when the receiver has read all.
func (l *ledger) finish() {
	for _, id := range l.order {
		s := l.streams[id]
		missing, limited := 0, 0
		for _, id := range s.messages {
			m := &l.sent[id]
			l.finishFate(id, m)
			if !m.reliable {
				limited++
			}
			switch {
			case m.delivered:
			case m.reliable:
				l.complain("stream %d: reliable message %d of %d bytes did not arrive", m.stream, id, m.size)
			default:
				missing++
			}
		}
		if missing > s.abandoned {
			l.complain("stream %d: %d messages missing, %d reported abandoned", id, missing, s.abandoned)
		}
		if s.abandoned > limited {
			l.complain("stream %d: %d messages reported abandoned, %d had a limit", id, s.abandoned, limited)
		}
		if s.ends < s.fewest(s.done) {
			l.complain("stream %d: %d resets done, %d ends read", id, s.done, s.ends)
		}
	}
}

// finishClean judges the whole after a graceful end over a network that lost
// nothing: only a lifetime can have stopped a message.
func (l *ledger) finishClean() {
	for _, id := range l.order {
		if s := l.streams[id]; s.abandoned > 0 {
			l.complain("stream %d: %d messages abandoned, though nothing was lost and none has a lifetime", id, s.abandoned)
		}
	}
}

// complete tells whether every reliable message has arrived.
func (l *ledger) complete() bool {
	for i := range l.sent {
		if m := &l.sent[i]; m.reliable && !m.delivered {
			return false
		}
	}
	return true
}
