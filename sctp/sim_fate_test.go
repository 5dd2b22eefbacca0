package sctp_test

import "github.com/sluice-rtc/sluice/sctp"

// A fate is what the sender was told of a message.
type fate uint8

const (
	toldSent fate = 1 << iota
	toldDelivered
	toldAbandoned
)

// tell notes an event about a message.
func (l *ledger) tell(e sctp.Event) {
	id := int(e.Message) - 1
	if id < 0 || id >= len(l.sent) || l.sent[id].stream != e.Stream {
		l.complain("event %d of message %d on stream %d, which was not sent there", e.Kind, e.Message, e.Stream)
		return
	}
	l.telling = true
	m := &l.sent[id]
	before, told := m.told, map[sctp.EventKind]fate{
		sctp.EventMessageSent: toldSent, sctp.EventMessageDelivered: toldDelivered, sctp.EventMessageAbandoned: toldAbandoned,
	}[e.Kind]
	if m.open && told == toldAbandoned {
		m.reliable = false
	}
	switch m.told |= told; {
	case before&(told|toldDelivered|toldAbandoned) != 0:
		l.complain("message %d: event %d after fate %b", id, e.Kind, before)
	case told == toldDelivered && before != toldSent:
		l.complain("message %d was delivered before it was sent", id)
	case told == toldAbandoned && m.reliable:
		l.complain("reliable message %d was abandoned", id)
	case told == toldAbandoned && m.delivered && !e.Begun:
		l.complain("message %d was read, and abandoned before it was sent", id)
	}
}

// finishFate judges, after a graceful end, what the sender was told of a message.
func (l *ledger) finishFate(id int, m *sentMessage) {
	switch told := m.told; {
	case told == 0 && m.delivered && l.telling, told == toldSent:
		l.complain("message %d: the sender was not told its fate", id)
	case told&toldDelivered != 0 && !m.delivered:
		l.complain("message %d: the sender was told that it was delivered, and it was not", id)
	}
}
