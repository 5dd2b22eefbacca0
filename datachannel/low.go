package datachannel

// lowMark is when OnBufferedAmountLow is due.
type lowMark struct {
	threshold int  // bytes
	high      bool // the amount is, or was until the latest look, above threshold
	ended     bool // the amount changes no more
}

// BufferedAmount returns the payload bytes of messages that were sent and not yet handed
// to the transport. Send raises it, and it falls as the network takes them, which may be
// before Send returns. When the channel ends it stays what it is.
func (ch *Channel) BufferedAmount() int {
	ch.s.lock()
	defer ch.s.unlock()
	return ch.bufferedAmount()
}

// BufferedAmountLowThreshold returns the threshold, in bytes, of
// OnBufferedAmountLow.
func (ch *Channel) BufferedAmountLowThreshold() int {
	ch.s.lock()
	defer ch.s.unlock()
	return ch.out.buffer.threshold
}

// SetBufferedAmountLowThreshold sets the threshold; the default is 0, and so are
// negative values.
func (ch *Channel) SetBufferedAmountLowThreshold(n int) {
	ch.s.lock()
	defer ch.s.unlock()
	ch.out.buffer.threshold = max(0, n)
	ch.watchLow()
}

// watchLow looks anew whether the amount is high. It does so only if somebody
// wants to know when it is low.
func (ch *Channel) watchLow() {
	ch.out.buffer.high = ch.face.onLow != nil && ch.bufferedAmount() > ch.out.buffer.threshold
	ch.checkLow()
}

// rose notes that a message of n bytes was added to an amount of before.
func (ch *Channel) rose(before, n int) {
	if ch.face.onLow == nil {
		return
	}
	if b := &ch.out.buffer; before+n > b.threshold {
		b.high = true
	}
	ch.checkLow()
}

// checkLow reports that the amount fell from above the threshold to or below it.
// It is called when the channel's own queue gets shorter, and when the association
// reports that what it holds of the stream fell to the threshold.
func (ch *Channel) checkLow() {
	b := &ch.out.buffer
	if !b.high || b.ended {
		return
	}
	if ch.bufferedAmount() <= b.threshold {
		b.high = false
		ch.raise(evLow)
		return
	}
	ch.watchFall()
}
