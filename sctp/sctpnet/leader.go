package sctpnet

import (
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
)

const (
	// promptTime is how soon after its message a call waits for the next one, if it is one
	// of a loop that asks and answers. After trustAfter of those in a row the socket is left to
	// the next, for graceTime at most, or for the trustShare of the time for which calls have come
	// so by now, up to maxGrace.
	//
	// The longer the grace, the farther away is the timer (renewTime).
	promptTime = 250 * time.Microsecond
	trustAfter = 8
	graceTime  = time.Millisecond
	trustShare = 8
	maxGrace   = 32 * time.Millisecond

	// calmBatch is how many datagrams a leader takes at a time. Where more come in
	// together, reading has a goroutine of its own, beside those who take messages.
	calmBatch = 2
)

// lead says who reads a socket. At any time that is one goroutine, the leader: mostly
// the socket's own, the keeper. But a call that waits for a message there can lead as well: it
// takes what comes in, for all Conns, until what it waits for has come, and no goroutine has to
// wake another. That halves the time of a round trip on loopback.
//
// A leader that has what it wants goes home, to come back soon, as a rule. If
// calls of late did, and no other waits, nobody leads meanwhile: the keeper rests, and is called
// back when nobody has come for the time of grace. Else the keeper leads; so it does where much
// comes in, or several wait, who would have to be woken in any case.
//
// While the keeper rests it watches what may end the leader's waiting.
type lead struct {
	possible bool    // the socket has read deadlines
	resting  bool    // the keeper is; else it leads
	leader   *waiter // the call that leads, nil if none does
	reading  bool    // somebody is in Receive, or about to be

	expired bool          // the read deadline lies in the past, to end a leader's Receive
	back    chan struct{} // capacity 1: the keeper is to rest no more
	guarded watch         // by the keeper, while it rests

	waiting int       // calls that wait for a message, or for room, and are not woken yet
	now     time.Time // of the batch at hand
	served  bool      // by it: a call that waited for a message
	at      time.Time // when one was served last
	last    watch     // of the call that waited for a message last
	prompt  int       // calls in a row that came in time after that
	since   time.Time // when the first of them was served
	pace    pace
}

// A watch is the channels whose closing ends the waiting of a call: of its context, its
// deadline and its Stream; nil where there is none.
type watch struct{ ctx, passed, gone <-chan struct{} }

func (l *lead) init(possible bool) {
	l.possible = possible
	l.back = make(chan struct{}, 1)
	l.pace.init()
}

// vacant tells whether nobody leads.
func (l *lead) vacant() bool { return l.resting && l.leader == nil }

// trusts tells whether a call may lead, as far as what ends its waiting goes.
func (l *lead) trusts(w *waiter) bool { return w.watch == (watch{}) || w.watch == l.guarded }

// queued takes note of a call that begins to wait.
func (l *lead) queued(w *waiter) {
	l.waiting++
	switch {
	case !w.reads:
	case w.watch == l.last && l.inTime():
		l.prompt++
	default:
		l.prompt, l.last = 0, w.watch
	}
}

// inTime tells whether a call that begins to wait now comes soon enough after the last one. For the
// time that a socket was left alone for longer than usual, calls have to come soon for trustShare
// times as long until it is left so again.
func (l *lead) inTime() bool {
	late := time.Since(l.at)
	switch {
	case !l.vacant():
		return late < promptTime
	case late < graceTime:
		return true
	}
	run := min(l.at.Sub(l.since), trustShare*maxGrace) - trustShare*late
	l.since = l.at.Add(-run)
	return run > 0
}

// grace returns for how long the socket may be left to the next call.
func (l *lead) grace() time.Duration {
	return min(max(graceTime, l.at.Sub(l.since)/trustShare), maxGrace)
}

// woken takes note of a call that need not wait any more, and tells whether it knows: it
// leads, and looks.
func (s *socket) woken(w *waiter) (knows bool) {
	l := &s.lead
	l.waiting--
	if w.reads {
		if w == l.leader {
			l.pace.ended(l.now.Sub(l.at))
		}
		if l.served, l.at = true, l.now; l.prompt == 0 {
			l.since = l.now
		}
	}
	if w != l.leader {
		return false
	}
	s.interrupt()
	return true
}

// interrupt ends a leader's Receive.
func (s *socket) interrupt() {
	if l := &s.lead; l.reading && !l.expired {
		l.expired = true
		s.setReadDeadline(time.Unix(1, 0))
	}
}

func (s *socket) setReadDeadline(t time.Time) {
	if err := s.udp.SetReadDeadline(t); err != nil {
		s.log.Debug("setting the read deadline of the socket", "error", err)
	}
}

// keep is the keeper.
func (s *socket) keep() {
	growStack()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.awaitEvents() {
		n := s.read(aReader, polled)
		if s.mayLeave(n) {
			s.rest()
		}
	}
	s.udp.Release() // no call leads any more
	s.drop()
}

// tryLead leads on behalf of a call that waits, if it may, until that is woken, or another has to
// lead. It tells whether the call is woken. The lock is held, and released while waiting.
func (s *socket) tryLead(me *waiter) bool {
	l := &s.lead
	if me.list == nil || !l.vacant() {
		return me.list == nil
	}
	l.leader = me
	n := 0
	for how := l.pace.begin(l.at); me.reads && me.list != nil && l.trusts(me) && n <= calmBatch && s.full == nil && !s.gone(); how = polled {
		n = s.read(aLeader, how)
	}
	l.leader = nil
	if me.list == nil && s.mayLeave(n) {
		s.armTimer(l.at)
	} else {
		s.callBack()
	}
	return me.list == nil
}

// read reads once, and takes what has come in, if anything. It returns the number of
// datagrams. The lock is held, and released while waiting.
func (s *socket) read(by actor, how round) int {
	l := &s.lead
	if l.expired {
		l.expired = false
		s.setReadDeadline(time.Time{})
	}
	l.reading = true
	s.mu.Unlock()
	var runs []udpsock.Run
	var err error
	switch how {
	case blocked:
		runs, err = s.udp.ReceiveSoon()
	case yielding:
		runtime.Gosched()
		fallthrough
	default:
		runs, err = s.udp.Receive()
	}
	s.mu.Lock()
	l.reading = false
	if err == nil && len(runs) == 0 {
		return 0
	}
	if l.expired && errors.Is(err, os.ErrDeadlineExceeded) {
		return 0
	}
	return s.handleRead(runs, err, by)
}

// mayLeave tells whether the socket may be left to the next call, after n datagrams.
func (s *socket) mayLeave(n int) bool {
	l := &s.lead
	return l.possible && n <= calmBatch && l.served && l.waiting == 0 && l.prompt >= trustAfter && s.full == nil && !s.gone()
}

// until returns by when a call has to come, if the socket is left to one, or may be soon.
func (l *lead) until(now time.Time) (at time.Time, ok bool) {
	if !l.resting {
		return at, false
	}
	at = l.at.Add(l.grace())
	return at, l.leader == nil || at.After(now)
}

// awaitLeader calls the keeper back if nobody leads, and has not for a while.
func (s *socket) awaitLeader(now time.Time) {
	if at, ok := s.lead.until(now); ok && !at.After(now) {
		s.callBack()
	}
}

// callBack makes the keeper lead, if nobody does. Calls have to show anew that they can be
// relied on.
func (s *socket) callBack() {
	if l := &s.lead; l.vacant() {
		l.resting, l.prompt = false, 0
		l.back <- struct{}{} // has room: one that rests has been sent none
	}
}

// rest lets the keeper rest, until it is called back. The lock is held, and released
// meanwhile.
func (s *socket) rest() {
	l := &s.lead
	l.resting, l.guarded = true, l.last
	leftSockets.Add(1)
	defer leftSockets.Add(-1)
	s.armTimer(l.at)
	for l.resting {
		w, called := l.guarded, false
		s.mu.Unlock()
		select {
		case <-l.back:
			called = true
		case <-w.ctx:
		case <-w.passed:
		case <-w.gone:
		}
		s.mu.Lock()
		if called {
			return
		}
		l.guarded = watch{}
		if l.leader != nil && l.leader.watch == w {
			s.interrupt() // it goes, and calls back
		}
		s.callBack() // if there is none
	}
	<-l.back // somebody was faster than the guarded channel
}
