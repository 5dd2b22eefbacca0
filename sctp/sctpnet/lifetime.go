package sctpnet

import (
	"context"
	"io"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// lifetime is how far a Conn has come. It passes, in this order and without
// skipping any but the first: connected; over (the association has ended, every
// blocked call returns); released (its last packets are out and the net.Conn is
// closed); done (no goroutine is left and OnEvent has returned for the last
// time).
type lifetime struct {
	wasConnected bool
	isOver       bool
	isReleasing  bool // the net.Conn is being closed, or is
	isReleased   bool
	isDone       bool

	kept     bool         // handed over: the net.Conn is not closed
	closing  bool         // Close was called: nothing is read any more
	aborting bool         // Abort sends what goes before the ABORT
	reason   string       // of it
	failure  error        // why the transport failed, if it did
	graceful bool         // the transport went away when all that mattered had been done
	cause    error        // why the association ended; nil after a graceful end
	err      *closedError // cause, as returned by calls; set with isOver

	holds int // goroutines of the Conn, armed and running timers

	connected latch // established
	over      latch // the association has ended
	released  latch // the net.Conn has been closed, or the socket let go
	done      latch // nothing runs any more
}

// onConnected carries out EventConnected.
func (c *Conn) onConnected() {
	if c.life.wasConnected {
		return
	}
	c.life.wasConnected = true
	c.life.connected.close()
	c.writes.waiters.wake()
	for _, st := range c.streams.byID {
		st.readers.wakeAll() // those of streams that do not exist return
	}
	c.log.Info("sctp association established")
}

// onClosed carries out EventClosed, and returns why the association ended: what
// the engine says, unless it ended because the transport did.
func (c *Conn) onClosed(cause error) error {
	switch {
	case c.life.graceful:
		cause = nil
	case c.life.failure != nil:
		cause = c.life.failure
	}
	c.life.isOver = true
	c.life.cause = cause
	c.life.err = &closedError{cause}
	c.life.over.close()
	c.writes.wakeAll()
	c.streams.acceptors.wakeAll()
	for _, st := range c.streams.byID {
		st.readers.wakeAll()
	}
	c.events.room.Broadcast()
	c.log.Info("sctp association ended", "cause", cause)
	return cause
}

// fail ends the association because the transport failed.
func (c *Conn) fail(now time.Time, op string, err error) {
	if c.life.isOver {
		return
	}
	// In SHUTDOWN-ACK-SENT each side knows that the other has everything; only
	// the peer's SHUTDOWN COMPLETE is missing, and it may have gone right after
	// sending one that was lost.
	if c.assoc.State() == sctp.ShutdownAckSent {
		c.life.graceful = true
	}
	c.life.failure = &TransportError{op, err}
	c.terminate(now, "transport failed")
}

// terminate aborts the association, and carries out its end.
func (c *Conn) terminate(now time.Time, reason string) {
	if !c.life.isOver {
		c.assoc.Abort(now, reason)
		c.collect(now)
	}
}

// conclude closes the net.Conn once the association is over and has sent its
// last packet.
func (c *Conn) conclude() {
	if c.life.isOver && !c.sender.busy {
		c.release()
	}
}

// release closes the net.Conn, or lets go of the socket.
func (c *Conn) release() {
	if c.life.isReleasing {
		return
	}
	c.life.isReleasing = true
	c.publish(time.Now())
	if c.sock != nil {
		c.sock.forget(c)
		c.life.isReleased = true
		c.life.released.close()
		return
	}
	c.stopTimer()
	c.sender.wake()
	let := c.nc.Close
	if c.life.kept {
		let = func() error { return c.nc.SetDeadline(time.Unix(1, 0)) } // who reads or writes comes back
	}
	c.mu.Unlock()
	err := let()
	c.mu.Lock()
	if err != nil {
		c.log.Debug("letting go of the transport", "error", err)
	}
	c.life.isReleased = true
	c.life.released.close()
}

// drop gives back a hold.
func (c *Conn) drop() {
	c.life.holds--
	c.checkDone()
}

func (c *Conn) checkDone() {
	if !c.life.isReleased || c.life.isDone || c.life.holds > 0 || c.sender.busy || c.events.busy || c.events.len() > 0 {
		return
	}
	c.life.isDone = true
	c.life.done.close()
}

// explain returns err as callers see it.
func (c *Conn) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case c.life.isOver && terminal(err):
		return c.life.err
	case c.life.closing && terminal(err):
		return errClosing
	}
	return err
}

// terminal tells whether an error of the association may be due to its end: all
// but those that say something about what is left to read, or about the call.
func terminal(err error) bool {
	switch err {
	case sctp.ErrMessageAborted, sctp.ErrInvalidStream, sctp.ErrEmptyMessage, sctp.ErrReliability, io.EOF:
		return false
	}
	return true
}

// StartShutdown begins a graceful end without waiting for it: nothing can be
// written any more, all that was is delivered. It does nothing if the end has
// begun, and aborts an association that is not established.
func (c *Conn) StartShutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.startShutdown(now)
	c.settle(now, aCaller)
}

// startShutdown tells whether the association was not established, and was
// aborted therefore.
func (c *Conn) startShutdown(now time.Time) (aborted bool) {
	if c.life.isOver {
		return false
	}
	if !c.life.wasConnected {
		c.terminate(now, "closed before it was established")
		return true
	}
	c.assoc.Shutdown(now) // fails only after the end
	if c.sock != nil {
		c.sock.callBack() // for the answer
	}
	c.writes.wakeAll()
	return false
}

// Shutdown ends the association gracefully: nothing can be written any more, all
// that was is delivered. What the peer still sends must be read meanwhile, for it
// cannot end before it is rid of it. When ctx ends first, Shutdown aborts.
//
// It returns nil after a graceful end, also an earlier one, and after giving up
// an association not yet established; the error of ctx; or why the association
// ended otherwise. The net.Conn is closed when it returns.
func (c *Conn) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	now := time.Now()
	aborted := c.startShutdown(now)
	c.settle(now, aCaller)
	c.mu.Unlock()
	select {
	case <-c.when(&c.life.over):
	case <-ctx.Done():
		c.Abort("graceful shutdown took too long")
		<-c.when(&c.life.released)
		return ctx.Err()
	}
	<-c.when(&c.life.released)
	if aborted {
		return nil
	}
	return c.Err()
}

// Close ends the association gracefully within Config.CloseTimeout, else aborts
// it. Unlike during Shutdown, nothing can be read from here on: blocked and later
// calls return net.ErrClosed, and what the peer has sent and sends is dropped. It
// returns what Shutdown does.
func (c *Conn) Close() error {
	c.mu.Lock()
	now := time.Now()
	c.discardAll(now)
	c.settle(now, aCaller)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.CloseTimeout)
	defer cancel()
	return c.Shutdown(ctx)
}

// Abort ends the association at once; the peer is told the reason. Blocked calls
// return, and the net.Conn is closed as soon as the ABORT is out, which takes no
// longer than 100 ms even if the net.Conn blocks.
func (c *Conn) Abort(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.life.isOver { // what calls before have left to another goroutine goes first, with this one
		c.sender.unheard, c.life.aborting, c.life.reason = 0, true, reason
		if c.sock != nil {
			c.sock.unheard = 0
		}
		c.settle(now, aCaller)
	}
	c.terminate(now, reason)
	c.settle(now, aCaller)
}

// Done is closed when the association has ended and no goroutine of the Conn is left.
func (c *Conn) Done() <-chan struct{} { return c.when(&c.life.done) }

// Err returns why the association ended: nil before and after a graceful end, a
// *TransportError, or what sctp.EventClosed lists.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.cause
}
