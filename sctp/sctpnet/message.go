package sctpnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// writes are the calls that wait to write. They take turns: while one waits for
// the association to be established or for room in the send buffer, later ones
// queue up behind it, so that a large message is not starved by small ones. One
// that makes room by displacing others need not, and those with a message larger than
// the buffer stand aside while another such message is being sent.
type writes struct {
	waiters waitList
	aside   waitList
}

// wake lets the next writers try again: there may be room, or the one before them is done,
// and nothing else would tell them.
func (w *writes) wake() {
	w.waiters.wake()
	w.aside.wake()
}

// wakeAll lets every call find out that it waits in vain.
func (w *writes) wakeAll() {
	w.waiters.wakeAll()
	w.aside.wakeAll()
}

// WriteMessage queues a copy of the message, waiting for the association to be
// established and for room in the send buffer. It returns the error of ctx; one
// that matches net.ErrClosed if the association has ended, and
// sctp.ErrShuttingDown while it does; or what sctp.Association.Send says about
// the message. An error means that nothing was queued.
func (c *Conn) WriteMessage(ctx context.Context, m sctp.Message) error {
	return c.writeMessage(ctx, nil, m)
}

// TryWriteMessage is WriteMessage without waiting: sctp.ErrNotConnected,
// sctp.ErrSendBufferFull.
func (c *Conn) TryWriteMessage(m sctp.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	err := c.send(now, m)
	c.settle(now, aCaller)
	return err
}

// send makes one attempt to queue a copy of m.
func (c *Conn) send(now time.Time, m sctp.Message) error {
	switch {
	case c.life.isOver:
		return c.life.err
	case c.life.closing:
		return errClosing
	}
	return c.explain(c.assoc.SendCopy(now, m))
}

// writeMessage is WriteMessage, for a Stream if s is not nil.
func (c *Conn) writeMessage(ctx context.Context, s *Stream, m sctp.Message) error {
	w := wait{ctx: ctx, stream: s, inTurn: true}
	if s != nil {
		w.deadline = &s.writeDeadline
	}
	if err := w.expired(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list := &c.writes.waiters
	turn := list.empty() // nobody is before us
	var woken *waitList  // where we waited, and keep our place
	for {
		if s != nil && s.closed {
			c.writes.wake()
			return net.ErrClosed
		}
		now := time.Now()
		if turn || c.life.isOver || c.life.closing || c.assoc.Displaces(&m) {
			err := c.send(now, m)
			if !errors.Is(err, sctp.ErrSendBufferFull) && err != sctp.ErrNotConnected {
				c.writes.wake()
				c.settle(now, aCaller)
				return err
			}
			if list = &c.writes.waiters; err == sctp.ErrLargeMessagePending {
				list = &c.writes.aside
				c.writes.waiters.wake()
			}
		}
		if err := c.wait(&w, list, list == woken); err != nil {
			return err
		}
		turn, woken = true, list
	}
}

// ReadMessage waits for data on the stream and moves it into buf; see
// sctp.Association.Read, whose errors it returns except sctp.ErrWouldBlock, and
// sctp.ErrInvalidStream. It waits for the association to be established, too. What was received before the
// end of the association can still be read; then the error matches net.ErrClosed
// and wraps Err. Of several calls that wait on a stream the first is served.
func (c *Conn) ReadMessage(ctx context.Context, stream uint16, buf []byte) (int, sctp.MessageInfo, error) {
	return c.readMessage(ctx, nil, stream, buf)
}

// TryReadMessage is ReadMessage without waiting: sctp.ErrWouldBlock.
func (c *Conn) TryReadMessage(stream uint16, buf []byte) (int, sctp.MessageInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, info, err := c.receive(c.now, nil, stream, buf)
	c.settleRead(err)
	return n, info, err
}

// settleRead settles a call that has tried to read. That gives rise to one thing only, a SACK when the window
// has opened enough to be worth telling.
func (c *Conn) settleRead(err error) {
	if c.assoc.WindowDue() || err != nil && err != sctp.ErrWouldBlock {
		c.settle(time.Now(), aCaller)
	}
}

// TryWriteMessages is TryWriteMessage for several messages, whose packets leave
// together. It returns how many were queued; the error says why the next one was
// not.
func (c *Conn) TryWriteMessages(ms []sctp.Message) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for ; n < len(ms); n++ {
		if err = c.send(now, ms[n]); err != nil {
			break
		}
	}
	c.settle(now, aCaller)
	return n, err
}

// AvailableAmount returns how many bytes can be read now on the stream.
func (c *Conn) AvailableAmount(stream uint16) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.closing {
		return 0
	}
	return c.assoc.AvailableAmount(stream)
}

// Peek is sctp.Association.Peek.
func (c *Conn) Peek(stream uint16) (sctp.MessageInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.life.closing:
		return sctp.MessageInfo{}, errClosing
	case c.hasNot(stream):
		return sctp.MessageInfo{}, sctp.ErrInvalidStream
	}
	info, err := c.assoc.Peek(stream)
	return info, c.explain(err)
}

// receive makes one attempt to read.
func (c *Conn) receive(now time.Time, s *Stream, stream uint16, buf []byte) (int, sctp.MessageInfo, error) {
	switch {
	case s != nil && s.closed:
		return 0, sctp.MessageInfo{}, net.ErrClosed
	case c.life.closing:
		return 0, sctp.MessageInfo{}, errClosing
	case s != nil && s.ended:
		return 0, sctp.MessageInfo{}, io.EOF
	case c.hasNot(stream):
		return 0, sctp.MessageInfo{}, sctp.ErrInvalidStream
	}
	n, info, err := c.read(now, stream, buf)
	if err == io.EOF && s != nil {
		s.ended = true
	}
	return n, info, c.explain(err)
}

// read is sctp.Association.Read.
func (c *Conn) read(now time.Time, stream uint16, buf []byte) (int, sctp.MessageInfo, error) {
	n, info, err := c.assoc.Read(now, stream, buf)
	if err == sctp.ErrWouldBlock {
		c.streams.unread.remove(stream)
	}
	return n, info, err
}

// readMessage is ReadMessage, for a Stream if s is not nil.
func (c *Conn) readMessage(ctx context.Context, s *Stream, stream uint16, buf []byte) (int, sctp.MessageInfo, error) {
	w := wait{ctx: ctx, stream: s, reads: true}
	if s != nil {
		w.deadline = &s.readDeadline
	}
	if err := w.expired(); err != nil {
		return 0, sctp.MessageInfo{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		n, info, err := c.receive(c.now, s, stream, buf)
		if err != sctp.ErrWouldBlock {
			if st := c.streams.byID[stream]; st != nil {
				st.readers.wake()
			}
			c.settleRead(err)
			return n, info, err
		}
		if err := c.wait(&w, &c.streams.get(stream).readers, false); err != nil {
			return 0, sctp.MessageInfo{}, err
		}
	}
}

// hasNot tells whether the association is known not to have an incoming stream.
func (c *Conn) hasNot(stream uint16) bool {
	return c.life.wasConnected && int(stream) >= c.assoc.InboundStreams()
}

// A wait is what ends the waiting of a call, besides being woken.
type wait struct {
	ctx      context.Context
	deadline *deadline // of stream, for reading or writing
	stream   *Stream   // nil if the call is not for one
	reads    bool      // the call waits for a message
	inTurn   bool      // nobody else in the list tries before this one has got what it wants
}

// expired returns why the call must not even begin to wait.
func (w *wait) expired() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.deadline != nil && w.deadline.hasPassed() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// wait parks the call in list until it is woken, which is nil, or its time is up.
// front puts it before others. It settles what the call has done so far only when
// the call is in the list, so that no wake-up is missed. The lock is held, and
// released meanwhile.
func (c *Conn) wait(w *wait, list *waitList, front bool) error {
	me := c.waiters.get()
	me.watch = watch{ctx: w.ctx.Done()}
	if w.stream != nil {
		me.watch.passed, me.watch.gone = w.deadline.wait(), w.stream.gone
	}
	if front {
		list.pushFront(me)
	} else {
		list.pushBack(me)
	}
	me.reads = w.reads
	if c.sock != nil && list != &c.streams.acceptors { // who may wait for ever while streams are in use
		me.sock = c.sock
		c.sock.lead.queued(me)
	}
	if !w.reads {
		c.settle(time.Now(), aCaller)
	}
	var err error
	if c.sock != nil && c.sock.tryLead(me) {
		select {
		case <-me.ready: // before it led
		default:
		}
	} else {
		c.mu.Unlock()
		err = me.await(w)
		c.mu.Lock()
	}
	if err != nil {
		c.giveUp(me, w, list)
	}
	me.sock, me.watch = nil, watch{}
	c.waiters.put(me)
	return err
}

// await waits without the lock, as wait does.
func (me *waiter) await(w *wait) error {
	if me.watch == (watch{}) {
		<-me.ready
		return nil
	}
	select {
	case <-me.ready:
		return nil
	case <-me.watch.passed:
		return os.ErrDeadlineExceeded
	case <-me.watch.gone:
		return net.ErrClosed
	case <-me.watch.ctx:
		return w.ctx.Err()
	}
}

// giveUp takes a call whose time is up out of the list.
func (c *Conn) giveUp(me *waiter, w *wait, list *waitList) {
	next := w.inTurn && list.head == me // those behind it have not tried yet
	if me.list != nil {
		list.remove(me)
		if me.sock != nil {
			c.sock.lead.waiting--
		}
	} else { // woken as well: that is for the next
		<-me.ready
		next = true
	}
	if next {
		list.wake()
	}
}
