package sctpnet

import "time"

// PacketSource is what a net.Conn implements besides if it brings packets on
// goroutines of its own, which may serve other connections, too. A Conn over it has
// no reading goroutine, and never calls Read.
//
// Receive makes the transport call f from now on: with packets that came in
// together, in their order; and once, with no packets, with the error that ended the
// transport, io.EOF if the peer ended it. What comes in before, the transport keeps,
// within bounds, and hands over within Receive or later; a nil f takes the function
// away again. After the end, or Close, Receive does nothing or hands over the error.
//
// f does not keep the packets, and may be called from several goroutines at once,
// also after Close, when it does nothing. It never waits for a reader of messages or
// for room to write: what nobody reads closes the receive window. Within f the
// association answers, and may end, so the transport must not hold a lock that its
// Write or Close takes.
type PacketSource interface {
	Receive(f func(packets [][]byte, err error))
}

// attach has the transport bring its packets from now on. It runs on a goroutine
// of the timer, so that packets which the transport has kept are not handled on that
// of the application. The lock is held, and released meanwhile.
func (c *Conn) attach() {
	if c.reader.source == nil || c.reader.attached || c.life.isOver {
		return
	}
	c.reader.attached = true
	c.unlocked(func() { c.reader.source.Receive(c.handlePackets) })
}

// handlePackets takes what a PacketSource brings.
func (c *Conn) handlePackets(packets [][]byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.isOver {
		return
	}
	now := time.Now()
	switch {
	case err != nil:
		c.fail(now, "read", err)
	case c.events.len() > maxEvents:
		// OnEvent lags behind. The goroutine is not ours to stop.
		c.log.Debug("OnEvent lags behind: packets lost", "count", len(packets))
		return
	default:
		c.sender.unheard = 0
		c.reader.answers.came(now)
		c.handle(now, packets)
	}
	c.settle(now, aSource)
}
