package sctp

import "math"

// policy is how a message may be given up (RFC 7496, section 4.2); the zero value
// is never.
type policy uint8

const (
	policyNone policy = iota
	policyRetransmits
	policyLifetime
	policyPriority
	policies
)

// policy returns the policy that r selects; false if it selects several.
func (r *Reliability) policy() (p policy, ok bool) {
	n := 0
	if r.LimitRetransmits {
		p, n = policyRetransmits, n+1
	}
	if r.LimitLifetime || r.Lifetime > 0 {
		p, n = policyLifetime, n+1
	}
	if r.LimitPriority {
		p, n = policyPriority, n+1
	}
	return p, n <= 1
}

// Abandoned counts messages that were given up (RFC 7496, section 4.3). Each is
// in one of the counts.
type Abandoned struct {
	Unsent uint64 // before any part was sent
	Sent   uint64 // after a part was sent
}

func (c *Abandoned) count(sent bool) {
	if sent {
		c.Sent++
	} else {
		c.Unsent++
	}
}

// AbandonedStats counts messages that were given up, by the policy under which
// (RFC 7496, sections 4.3 and 4.4).
type AbandonedStats struct {
	ByRetransmits Abandoned // Reliability.MaxRetransmits
	ByLifetime    Abandoned // Reliability.Lifetime
	ByPriority    Abandoned // Reliability.Priority
}

// All returns the sums over the policies.
func (s AbandonedStats) All() Abandoned {
	return Abandoned{
		Unsent: s.ByRetransmits.Unsent + s.ByLifetime.Unsent + s.ByPriority.Unsent,
		Sent:   s.ByRetransmits.Sent + s.ByLifetime.Sent + s.ByPriority.Sent,
	}
}

func (s *AbandonedStats) count(p policy, sent bool) {
	switch p {
	case policyRetransmits:
		s.ByRetransmits.count(sent)
	case policyLifetime:
		s.ByLifetime.count(sent)
	case policyPriority:
		s.ByPriority.count(sent)
	}
}

// A messageHeap finds the message to give up first. A message is in one heap at
// most, and knows its place there.
type messageHeap struct {
	list []*outMessage
	by   policy // policyLifetime: by deadline; policyPriority: the least important, then the oldest
}

func (h *messageHeap) before(a, b *outMessage) bool {
	switch {
	case h.by == policyLifetime && a.expires != b.expires:
		return a.expires.Before(b.expires)
	case h.by == policyPriority && a.priority != b.priority:
		return a.priority > b.priority
	}
	return a.arrival < b.arrival
}

// first returns the message to give up first, nil if there is none.
func (h *messageHeap) first() *outMessage {
	if len(h.list) == 0 {
		return nil
	}
	return h.list[0]
}

func (h *messageHeap) push(m *outMessage) {
	h.list = append(h.list, m)
	h.up(len(h.list)-1, m)
}

// remove takes out a message that is in this heap.
func (h *messageHeap) remove(m *outMessage) {
	i, n := int(m.place)-1, len(h.list)-1
	last := h.list[n]
	h.list[n], h.list = nil, h.list[:n]
	m.place = 0
	if i < n && !h.up(i, last) {
		h.down(i, last)
	}
}

// up puts m at i or above, and reports whether above.
func (h *messageHeap) up(i int, m *outMessage) bool {
	from := i
	for i > 0 && h.before(m, h.list[(i-1)/2]) {
		h.set(i, h.list[(i-1)/2])
		i = (i - 1) / 2
	}
	h.set(i, m)
	return i < from
}

// down puts m at i or below.
func (h *messageHeap) down(i int, m *outMessage) {
	for {
		c := 2*i + 1
		if c+1 < len(h.list) && h.before(h.list[c+1], h.list[c]) {
			c++
		}
		if c >= len(h.list) || !h.before(h.list[c], m) {
			break
		}
		h.set(i, h.list[c])
		i = c
	}
	h.set(i, m)
}

func (h *messageHeap) set(i int, m *outMessage) { h.list[i], m.place = m, int32(i)+1 }

// limited are the messages that may be given up before the peer has them. Giving up one of
// which nothing was sent frees its entry in the send buffer, too.
type limited struct {
	deadlines     messageHeap // queued, with a lifetime
	unsent, begun messageHeap // with a priority, until nothing of them can be saved
}

// limits returns the messages that may be given up.
func (o *outbound) limits() *limited {
	if o.limited == nil {
		o.limited = &limited{messageHeap{by: policyLifetime}, messageHeap{by: policyPriority}, messageHeap{by: policyPriority}}
	}
	return o.limited
}

// begin takes note that sending a message with a priority has begun.
func (e *limited) begin(m *outMessage) {
	e.unsent.remove(m)
	e.begun.push(m)
}

// remove takes out a message with a priority that is in.
func (e *limited) remove(m *outMessage) {
	if m.sent > 0 {
		e.begun.remove(m)
	} else {
		e.unsent.remove(m)
	}
}

// rank is what a message may displace: messages with a priority above it, which
// are those of less importance.
type rank int64

const (
	ranksAll  rank = -1
	ranksNone rank = 1 << 32
)

// rank returns that of a message. User messages sent reliably have a priority
// higher than all (RFC 7496, section 3.2); those with another limit have none.
func (r *Reliability) rank() rank {
	switch p, _ := r.policy(); p {
	case policyNone:
		return ranksAll
	case policyPriority:
		return rank(r.Priority)
	}
	return ranksNone
}

// shortage is what the send buffer lacks to take a message.
type shortage struct {
	bytes, entries int
	limit          int // the send buffer, bytes
}

func (s *shortage) met() bool { return s.bytes <= 0 && s.entries <= 0 }

// weigh takes off what the messages of less importance than r, from i on down,
// would free, until nothing is lacking.
func (h *messageHeap) weigh(i int, r rank, unsent bool, s *shortage) {
	if i >= len(h.list) || s.met() || rank(h.list[i].priority) <= r {
		return // those below are no less important
	}
	m := h.list[i]
	if left := len(m.payload) - m.acked; len(m.payload) > s.limit {
		s.bytes -= min(left, s.limit/2) // as it takes no more
	} else {
		s.bytes -= left
	}
	if unsent {
		s.entries--
	}
	h.weigh(2*i+1, r, unsent, s)
	h.weigh(2*i+2, r, unsent, s)
}

// shortage returns what is lacking to accept a message of n bytes.
func (o *outbound) shortage(n int) shortage {
	if o.hasRoom(n) {
		return shortage{}
	}
	s := shortage{o.used() + o.charge(n) - o.limit, o.messages + 1 - o.limit/o.cost(), o.limit}
	if o.excludes(n) {
		s.bytes = math.MaxInt // a large message is not given up for another
	}
	return s
}

// displaces reports whether a message of n bytes would be accepted if less
// important ones were given up. It looks at those only, and at no more of them
// than are needed.
func (o *outbound) displaces(n int, r rank) bool {
	s := o.shortage(n)
	if s.met() {
		return false
	}
	if o.limited != nil {
		o.limited.unsent.weigh(0, r, true, &s)
		o.limited.begun.weigh(0, r, false, &s)
	}
	return s.met()
}

// victim returns the message to give up next for one of n bytes that displaces
// others; nil when there is room.
func (o *outbound) victim(n int) *outMessage {
	s := o.shortage(n)
	if s.met() || o.limited == nil {
		return nil
	}
	unsent, begun := o.limited.unsent.first(), o.limited.begun.first()
	switch {
	case unsent == nil:
		return begun
	case begun == nil || s.bytes <= 0 || unsent.priority >= begun.priority:
		return unsent
	}
	return begun
}

// deadline returns when the first of the queued messages is past its lifetime.
func (o *outbound) deadline(at instant, on bool) (instant, bool) {
	if o.limited == nil {
		return at, on
	}
	if m := o.limited.deadlines.first(); m != nil {
		// Its last moment is its own.
		if t := m.expires.Add(1); !on || t.Before(at) {
			return t, true
		}
	}
	return at, on
}

// expired returns a queued message that is past its lifetime, nil if there is none.
func (o *outbound) expired(now instant) *outMessage {
	if o.limited == nil {
		return nil
	}
	if m := o.limited.deadlines.first(); m != nil && m.expired(now) {
		return m
	}
	return nil
}

// limitMessage puts a message that is queued under its policy.
func (o *outbound) limitMessage(now instant, m *outMessage, r *Reliability) {
	switch m.policy {
	case policyRetransmits:
		m.maxRtx = r.MaxRetransmits
	case policyLifetime:
		m.expires = now.Add(r.Lifetime)
		o.limits().deadlines.push(m)
	case policyPriority:
		m.priority = r.Priority
		o.limits().unsent.push(m)
	}
}
