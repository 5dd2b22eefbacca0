package datachannel

// face are the callbacks of a channel and the events that they have not heard of
// yet. What has happened is a set, not a list, because a channel's events come in
// one order: those of the constants below, with the messages before evError.
type face struct {
	onOpen    func()
	onLow     func()
	onMessage func(Message)
	onError   func(error)
	onClosing func()
	onClose   func()

	pending   events
	scheduled bool // in calls.row
	inClosing bool // onClosing is running
	// inOnChannel says that OnChannel is to be called for the channel and has not
	// returned.
	inOnChannel bool
}

type events uint8

const (
	evAnnounce events = 1 << iota // OnChannel is to be called
	evOpen
	evLow
	evError
	evClosing
	evClose
)

// Events of a session, in calls.pending.
const (
	sessionConnected events = 1 << iota
	sessionClosed
)

// calls are the callbacks that are due: of the channels in row, in turn, one each
// time. A goroutine makes them while there are some.
type calls struct {
	row     fifo[*Channel] // nil stands for the session
	pending events         // of the session
	running bool
	silent  bool // Session.Abort was called: none is due any more
}

// OnOpen sets the callback for: the channel is open.
func (ch *Channel) OnOpen(f func()) { ch.set(func(c *face) { c.onOpen = f }) }

// OnMessage sets the callback for messages. Messages are read while it is set,
// each when the callback returned from the one before.
func (ch *Channel) OnMessage(f func(Message)) {
	ch.set(func(c *face) { c.onMessage = f; ch.wake() })
}

// OnBufferedAmountLow sets the callback for: the buffered amount fell from above
// the threshold to the threshold or below. Several falls in a row may be reported
// as one.
func (ch *Channel) OnBufferedAmountLow(f func()) {
	ch.set(func(c *face) { c.onLow = f; ch.watchLow() })
}

// OnError sets the callback for: the channel failed. The error is an *RTCError,
// and closing or close follow.
func (ch *Channel) OnError(f func(error)) { ch.set(func(c *face) { c.onError = f }) }

// OnClosing sets the callback for: the channel is closing, and not by a call of
// Close.
func (ch *Channel) OnClosing(f func()) {
	ch.set(func(c *face) { c.onClosing = f; ch.finish() })
}

// OnClose sets the callback for: the channel is closed.
func (ch *Channel) OnClose(f func()) { ch.set(func(c *face) { c.onClose = f }) }

func (ch *Channel) set(f func(*face)) {
	ch.s.lock()
	defer ch.s.unlock()
	f(&ch.face)
	ch.schedule()
}

// raise notes an event of the channel.
func (ch *Channel) raise(e events) {
	ch.face.pending |= e
	ch.schedule()
}

// due returns the events that can be reported now. Those without a callback wait
// for one; after Abort there are none.
func (ch *Channel) due() events {
	f := &ch.face
	if ch.s.calls.silent {
		return 0
	}
	due := f.pending & (evAnnounce | evLow)
	if f.onOpen != nil {
		due |= f.pending & evOpen
	}
	if f.onError != nil {
		due |= f.pending & evError
	}
	if f.onClosing != nil {
		due |= f.pending & evClosing
	}
	if f.onClose != nil {
		due |= f.pending & evClose
	}
	return due
}

// hasMessages reports whether OnMessage may have something to do.
func (ch *Channel) hasMessages() bool {
	return ch.face.onMessage != nil && !ch.s.calls.silent && ch.mayHaveMessages()
}

// schedule puts the channel into the row if it has something to report.
func (ch *Channel) schedule() {
	if !ch.face.scheduled && (ch.hasMessages() || ch.due() != 0) {
		ch.face.scheduled = true
		ch.s.calls.row.push(ch)
		ch.s.startCalls()
	}
}

// raise notes an event of the session, if it has a callback.
func (s *Session) raise(e events) {
	if e == sessionConnected && s.cfg.OnConnected == nil || e == sessionClosed && s.cfg.OnClose == nil {
		return
	}
	if s.calls.pending == 0 {
		s.calls.row.push(nil)
	}
	s.calls.pending |= e
	s.startCalls()
}

func (s *Session) startCalls() {
	if !s.calls.running {
		s.calls.running = true
		go s.makeCalls()
	}
}

// makeCalls makes the calls that are due, without the lock, and ends when there
// are none. A callback that panics brings down the program, as it should.
func (s *Session) makeCalls() {
	s.lock()
	for {
		if s.calls.row.len() == 0 {
			s.calls.running = false
			s.unlock()
			return
		}
		ch := s.calls.row.pop()
		switch {
		case ch == nil && s.calls.pending == sessionClosed && s.calls.row.len() > 0:
			s.calls.row.push(nil) // after what the channels have to say
		case ch == nil:
			s.callSession()
		default:
			ch.face.scheduled = false
			ch.call()
			ch.schedule()
		}
	}
}

// unlocked runs f without the lock.
func (s *Session) unlocked(f func()) {
	s.unlock()
	f()
	s.lock()
}

func (s *Session) callSession() {
	pending := s.calls.pending
	s.calls.pending = 0
	if s.calls.silent {
		return
	}
	if pending&sessionConnected != 0 {
		s.unlocked(s.cfg.OnConnected)
	}
	if pending&sessionClosed != 0 && !s.calls.silent { // OnConnected may have called Abort
		err := s.err
		s.unlocked(func() { s.cfg.OnClose(err) })
	}
}

// call makes the first call that is due on the channel. The end of the channel
// waits until the messages before it are read.
func (ch *Channel) call() {
	f := &ch.face
	due := ch.due()
	switch {
	case due&evAnnounce != 0:
		f.pending &^= evAnnounce
		ch.s.unlocked(func() { ch.s.cfg.OnChannel(ch) })
		ch.wasAnnounced()
	case due&evOpen != 0:
		f.pending &^= evOpen
		ch.s.unlocked(f.onOpen)
	case due&evLow != 0:
		f.pending &^= evLow
		if f.onLow != nil {
			ch.s.unlocked(f.onLow)
		}
	case ch.hasMessages():
		if m, err := ch.receive(nil); err == nil {
			onMessage := f.onMessage
			ch.s.unlock() // not unlocked, for the sake of an allocation
			onMessage(m)
			ch.s.lock()
		}
	case due&evError != 0:
		f.pending &^= evError
		onError, err := f.onError, ch.failure
		ch.s.unlocked(func() { onError(err) })
	case due&evClosing != 0:
		f.pending &^= evClosing
		f.inClosing = true
		ch.s.unlocked(f.onClosing)
		f.inClosing = false
		ch.finish()
	case due&evClose != 0:
		// Nothing comes after it: the callbacks may be collected.
		f.pending = 0
		onClose := f.onClose
		ch.s.unlocked(onClose)
	}
}
