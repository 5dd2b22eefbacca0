//go:build !js

package datachannel

// buffered accounts for what the W3C calls bufferedAmount: the payload bytes of
// the application that are queued, in the channel or in the association, and not
// yet handed to the transport. The association knows how many bytes of a stream
// it has not handed on, but counts DCEP messages and the byte of an empty message
// among them. Since it sends the bytes of a stream in the order in which it got
// them, their place tells which of them are no payload.
type buffered struct {
	queued   int    // payload bytes in the channel's queue
	accepted uint64 // bytes that the association took, ever
	overhead []span // those of them that are no payload and may be buffered, oldest first
	spare    int    // bytes in overhead
	final    int    // the amount when the stream ended
	lowMark
}

// span is bytes from up to, but not including, to of those accepted.
type span struct{ from, to uint64 }

// handed notes a message that the association took: n bytes, of which size are
// payload; it is all payload or none.
func (b *buffered) handed(n, size int) {
	if size == 0 {
		b.spare += n
		if i := len(b.overhead) - 1; i >= 0 && b.overhead[i].to == b.accepted {
			b.overhead[i].to += uint64(n)
		} else {
			b.overhead = append(b.overhead, span{b.accepted, b.accepted + uint64(n)})
		}
	}
	b.accepted += uint64(n)
}

// amount returns the buffered amount if n bytes are in the association.
func (b *buffered) amount(n int) int {
	sent := b.accepted - min(uint64(n), b.accepted)
	for len(b.overhead) > 0 && b.overhead[0].to <= sent {
		b.spare -= int(b.overhead[0].to - b.overhead[0].from)
		b.overhead = b.overhead[1:]
	}
	if len(b.overhead) == 0 {
		b.overhead = nil
		return b.queued + n
	}
	first := b.overhead[0]
	return b.queued + max(0, n-b.spare+int(max(first.from, sent)-first.from))
}

// bufferedAmount returns the amount at present.
func (ch *Channel) bufferedAmount() int {
	b := &ch.out.buffer
	switch {
	case b.ended:
		return b.final
	case b.accepted == 0:
		return b.queued // nothing is in the association
	}
	return b.amount(ch.s.conn.BufferedAmount(ch.st.id))
}

// freeze keeps the amount as it is when the stream ends. "The bufferedAmount does
// not reset to zero once the channel closes", W3C webrtc-pc, section 6.2.
func (ch *Channel) freeze() {
	b := &ch.out.buffer
	if b.ended {
		return
	}
	if b.final = b.queued; b.accepted > 0 { // the association may have ended before
		conn, id := ch.s.conn, ch.st.id
		b.final = b.amount(max(conn.BufferedAmount(id), conn.UnsentAmount(id)))
	}
	b.ended = true
}

// watchFall has the association report when what it holds of the stream falls to the
// threshold.
func (ch *Channel) watchFall() {
	if ch.st == nil || ch.s.conn == nil {
		return
	}
	if n := ch.out.buffer.threshold; n != ch.st.threshold {
		ch.st.threshold = n
		ch.s.conn.SetBufferedAmountLowThreshold(ch.st.id, n)
	}
}
