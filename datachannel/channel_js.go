package datachannel

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall/js"
	"time"
	"unicode/utf8"

	"github.com/sluice-rtc/sluice/internal/webjs"
)

// This file is a channel over an RTCDataChannel of the browser.

const (
	// maxUnread bounds what all channels of a session keep for readers, in bytes. The
	// browser takes messages from the network whether anybody reads them or not, so the
	// channel that keeps most fails.
	maxUnread = 64 << 20

	// messageCost is what a message counts there besides its bytes.
	messageCost = 64

	// WriteMessage waits while more than writeHigh bytes are buffered, until it is no
	// more than writeLow.
	writeHigh = 1 << 20
	writeLow  = writeHigh / 4

	// lingerTime is how long Close waits for less to be buffered. Longer means that it will not be: what
	// Chromium is given in a datachannel event, or in the open event after it, stays in bufferedAmount.
	lingerTime = time.Second
)

// attachment is what ties a channel to the browser's object.
type attachment struct {
	dc       js.Value
	unlisten func()
	unread   fifo[arrival]
	held     int  // what they count
	lingers  bool // Close was called, and the browser is yet to be told
	ended    bool // the browser has closed it: nothing more comes
	limit    int  // SetReadBuffer; 0: none
	overflow Overflow
	final    int // the buffered amount when it was closed
}

// arrival is a message as it came.
type arrival struct {
	isText bool
	text   string
	binary js.Value // an ArrayBuffer: outside of Go's memory, which never shrinks
	size   int      // bytes
}

// cost is what the message counts.
func (a *arrival) cost() int { return messageCost + a.size }

// sender is the outgoing side of a channel: messages go to the browser at once, or
// wait here for an open channel or for WriteMessages before them.
type sender struct {
	queue  fifo[outgoing]
	queued int // bytes in queue
	buffer lowMark
	spare  atomic.Pointer[receipt] // for the next WriteMessage that has to wait
}

// outgoing is a message that waits.
type outgoing struct {
	data    []byte
	isText  bool
	receipt *receipt // of a WriteMessage that waits; else nil
}

func (ch *Channel) id() (uint16, bool) {
	id := ch.dc.Get("id")
	if id.Type() != js.TypeNumber {
		return 0, false
	}
	return uint16(id.Int()), true
}

// onEvent takes every event of the object but message.
func (ch *Channel) onEvent(ev js.Value) {
	ch.s.lock()
	defer ch.s.unlock()
	switch ev.Get("type").String() {
	case "open":
		ch.opened()
		ch.flush()
	case "bufferedamountlow":
		ch.flush()
		ch.checkLow()
		ch.closeWhenSent()
	case "error":
		if ch.state < Closed && !ch.local {
			ch.setError(NewRTCError(ev.Get("error")))
		}
	case "closing":
		ch.peerClosed()
	case "close":
		ch.ended = true
		ch.peerClosed()
	}
}

// onMessage keeps a message until somebody wants it.
func (ch *Channel) onMessage(ev js.Value) {
	s := ch.s
	s.lock()
	defer s.unlock()
	if ch.local || ch.state == Closed || ch.failure != nil {
		return
	}
	var a arrival
	if data := ev.Get("data"); data.Type() == js.TypeString {
		a.isText, a.text = true, data.String()
		a.size = len(a.text)
	} else {
		a.binary, a.size = data, data.Get("byteLength").Int()
	}
	ch.unread.push(a)
	ch.held += a.cost()
	s.unread += a.cost()
	for s.unread > maxUnread {
		s.fullest().fail(channelError(fmt.Sprintf("messages of more than %d bytes were not read", maxUnread), nil))
	}
	ch.overflows()
	ch.readableNow()
}

// fullest returns the channel that keeps most.
func (s *Session) fullest() (most *Channel) {
	for ch := range s.live {
		if most == nil || ch.held > most.held {
			most = ch
		}
	}
	return most
}

// take takes the next message, into dst if it fits. It returns errNothing if there
// is none, and the reason if there will never be one.
func (ch *Channel) take(dst []byte) (Message, error) {
	if ch.unread.len() == 0 {
		if ch.ended || ch.local || ch.state == Closed {
			return Message{}, ch.endOfMessages()
		}
		return Message{}, errNothing
	}
	a := ch.unread.pop()
	ch.held -= a.cost()
	ch.s.unread -= a.cost()
	m := Message{IsText: a.isText}
	if dst != nil && a.size <= len(dst) {
		m.Data = dst[:a.size]
	} else {
		m.Data = make([]byte, a.size)
	}
	if a.isText {
		copy(m.Data, a.text)
	} else {
		js.CopyBytesToGo(m.Data, js.Global().Get("Uint8Array").New(a.binary))
	}
	ch.sum.received(len(m.Data))
	ch.release()
	return m, nil
}

// mayHaveMessages reports whether there is something for OnMessage. What Chromium delivers before its
// open event waits for that.
func (ch *Channel) mayHaveMessages() bool { return ch.state != Connecting && ch.unread.len() > 0 }

// discard throws away what came in.
func (ch *Channel) discard() {
	ch.endReading()
	ch.unread = fifo[arrival]{}
	ch.s.unread -= ch.held
	ch.held = 0
	ch.release()
}

// release forgets a channel that is closed and read to the end.
func (ch *Channel) release() {
	if ch.state == Closed && ch.unread.len() == 0 {
		delete(ch.s.live, ch)
	}
}

// bufferedAmount returns the amount at present.
func (ch *Channel) bufferedAmount() int {
	if ch.out.buffer.ended {
		return ch.final
	}
	return ch.dc.Get("bufferedAmount").Int() + ch.out.queued
}

// freeze keeps the amount as it is. "The bufferedAmount does not reset to zero once the
// channel closes", W3C webrtc-pc, section 6.2; in Chromium it does.
func (ch *Channel) freeze() {
	if !ch.out.buffer.ended {
		ch.final = ch.bufferedAmount()
		ch.out.buffer.ended = true
	}
}

// watchFall has the browser say when what it buffers has fallen far enough, for a
// WriteMessage or for OnBufferedAmountLow, whichever comes first.
func (ch *Channel) watchFall() {
	n := -1
	if ch.out.buffer.high {
		n = ch.out.buffer.threshold - ch.out.queued
	}
	if ch.state == Open && ch.out.queue.len() > 0 {
		n = max(n, writeLow)
	}
	if ch.lingers {
		n = max(n, 0)
	}
	if n >= 0 {
		ch.dc.Set("bufferedAmountLowThreshold", n)
	}
}

// Send hands a binary message to the browser and does not block; data is not kept.
// The errors are those of the W3C's send: *InvalidStateError if the channel is not
// open, *TypeError if the message is larger than the peer accepts, *OperationError if
// the channel would buffer more than Config.MaxBufferedAmount.
func (ch *Channel) Send(data []byte) error {
	ch.s.lock()
	defer ch.s.unlock()
	return ch.send("Send", data, false)
}

// SendText is Send for text, which has to be UTF-8: *TypeError.
func (ch *Channel) SendText(text string) error {
	const op = "SendText"
	ch.s.lock()
	defer ch.s.unlock()
	if ch.state == Open && !utf8.ValidString(text) {
		return &TypeError{op, "the text is not UTF-8"}
	}
	return ch.send(op, []byte(text), true)
}

func (ch *Channel) send(op string, data []byte, isText bool) error {
	if ch.state != Open {
		return ch.stateError(op)
	}
	if err := ch.s.checkSize(op, int64(len(data))); err != nil {
		return err
	}
	before, most := ch.bufferedAmount(), ch.s.cfg.MaxBufferedAmount
	if before+len(data) > most {
		return &OperationError{Op: op, Reason: fmt.Sprintf("%d bytes are buffered and at most %d may be", before, most)}
	}
	m := outgoing{data: data, isText: isText}
	if ch.out.queue.len() > 0 { // behind those that wait
		m.data = append([]byte(nil), data...)
		ch.push(m)
	} else if err := ch.transmit(op, m); err != nil {
		return err
	}
	ch.rose(before, len(data))
	return nil
}

// transmit hands one message to the browser, which copies it.
func (ch *Channel) transmit(op string, m outgoing) error {
	_, err := webjs.Try(func() js.Value {
		if m.isText {
			return ch.dc.Call("send", string(m.data))
		}
		bytes := js.Global().Get("Uint8Array").New(len(m.data))
		js.CopyBytesToJS(bytes, m.data)
		return ch.dc.Call("send", bytes)
	})
	if err != nil {
		return callError(op, err)
	}
	ch.sum.sent(len(m.data))
	return nil
}

// startWrite hands the message over, or queues it and returns a receipt.
func (ch *Channel) startWrite(op string, data []byte, isText bool) (*receipt, error) {
	ch.s.lock()
	defer ch.s.unlock()
	if ch.state >= Closing {
		return nil, ch.stateError(op)
	}
	if isText && !utf8.Valid(data) {
		return nil, &TypeError{op, "the text is not UTF-8"}
	}
	if ch.state == Open { // else the size is checked when the peer's limit is known
		if err := ch.s.checkSize(op, int64(len(data))); err != nil {
			return nil, err
		}
	}
	before := ch.bufferedAmount()
	m := outgoing{data: data, isText: isText}
	if ch.state == Open && ch.out.queue.len() == 0 && before < writeHigh {
		if err := ch.transmit(op, m); err != nil {
			return nil, err
		}
	} else {
		m.receipt = ch.out.newReceipt()
		ch.push(m)
	}
	ch.rose(before, len(data))
	return m.receipt, nil
}

func (ch *Channel) push(m outgoing) {
	ch.out.queue.push(m)
	ch.out.queued += len(m.data)
	ch.watchFall()
}

// flush hands over what waits, as far as there is room.
func (ch *Channel) flush() {
	for ch.state == Open && ch.out.queue.len() > 0 && ch.dc.Get("bufferedAmount").Int() < writeHigh {
		m := ch.takeQueued(0)
		err := ch.s.checkSize("WriteMessage", int64(len(m.data)))
		if err == nil {
			err = ch.transmit("WriteMessage", m)
		}
		if m.receipt != nil {
			m.receipt.outcome <- err
		} else if err != nil {
			ch.fail(channelError("sending", err))
		}
	}
	ch.watchFall()
	ch.checkLow()
}

// takeQueued takes message i out of the queue.
func (ch *Channel) takeQueued(i int) outgoing {
	m := ch.out.queue.remove(i)
	ch.out.queued -= len(m.data)
	return m
}

// withdraw takes back the message with the receipt, unless it is sent already or never
// will be.
func (ch *Channel) withdraw(r *receipt) bool {
	ch.s.lock()
	defer ch.s.unlock()
	i := ch.out.find(r)
	if i < 0 {
		return false
	}
	ch.takeQueued(i)
	ch.flush()
	return true
}

// dropQueue removes all messages of the queue; WriteMessages that wait get err.
func (ch *Channel) dropQueue(err error) {
	for ch.out.queue.len() > 0 {
		if m := ch.takeQueued(0); m.receipt != nil {
			m.receipt.outcome <- err
		}
	}
}

// handOver gives the browser what Send took, however much it buffers by then; WriteMessages that wait
// get err.
func (ch *Channel) handOver(err error) {
	for ch.out.queue.len() > 0 {
		if m := ch.takeQueued(0); m.receipt != nil {
			m.receipt.outcome <- err
		} else {
			_ = ch.transmit("Send", m) // there is nobody left to tell
		}
	}
}

// opened is the W3C's "announce the data channel as open".
func (ch *Channel) opened() {
	if ch.state == Connecting {
		ch.entered(Open)
		ch.s.counts.opened++
		ch.raise(evOpen)
	}
}

// Close closes the channel and does not wait: messages already sent are still
// delivered, and when the peer has closed it, too, the channel is closed. Messages
// not yet read are thrown away, and calls of WriteMessage that wait fail. A second
// Close does nothing. Close returns nil.
func (ch *Channel) Close() error {
	ch.s.lock()
	defer ch.s.unlock()
	if ch.local {
		return nil
	}
	was := ch.state
	ch.local = true
	ch.discard()
	if was < Closing {
		ch.face.pending &^= evOpen
		ch.leave(Closing)
		ch.handOver(ch.stateError("WriteMessage"))
		ch.lingers = true
		if ch.closeWhenSent(); ch.lingers {
			ch.linger(ch.bufferedAmount())
		}
	}
	if was == Connecting {
		ch.setClosed()
	}
	ch.wake()
	return nil
}

// closeWhenSent has the browser close the channel that Close was called on, once it buffers nothing. In
// Chromium its own close may overtake the messages of the task before: of 1000 channels that a page
// closed right after sending 18 lost all of them, of 800 that it closed so none.
func (ch *Channel) closeWhenSent() {
	switch {
	case !ch.lingers:
	case ch.dc.Get("bufferedAmount").Int() > 0:
		ch.watchFall()
	default:
		ch.closeNow()
	}
}

// linger closes the channel all the same when no less than n bytes are buffered after a time.
func (ch *Channel) linger(n int) {
	time.AfterFunc(lingerTime, func() {
		ch.s.lock()
		defer ch.s.unlock()
		switch now := ch.bufferedAmount(); {
		case !ch.lingers:
		case now < n:
			ch.linger(now)
		default:
			ch.closeNow()
		}
	})
}

func (ch *Channel) closeNow() {
	ch.lingers = false
	ch.dc.Call("close")
}

// leave takes the channel to a later state.
func (ch *Channel) leave(next ReadyState) {
	if ch.state == Open {
		ch.s.counts.closed++
	}
	ch.entered(next)
}

// peerClosed acts on the browser's having begun to close the channel, or ended it.
func (ch *Channel) peerClosed() {
	if ch.face.inOnChannel {
		return // until it returns
	}
	if ch.state < Closing {
		announce := ch.state == Open
		ch.leave(Closing)
		ch.dropQueue(ch.stateError("WriteMessage"))
		if announce {
			ch.raise(evClosing)
		}
	}
	ch.finish()
	ch.wake()
}

// wasAnnounced lets happen what OnChannel held up.
func (ch *Channel) wasAnnounced() {
	ch.face.inOnChannel = false
	if ch.ended || ch.dc.Get("readyState").String() != "open" {
		ch.peerClosed()
	}
}

// finish closes the channel if the browser has closed it. While the application is
// yet to hear that the channel is closing, it stays so.
func (ch *Channel) finish() {
	if ch.state != Closing || !ch.ended || ch.face.inOnChannel || ch.face.inClosing {
		return
	}
	if ch.due()&evClosing != 0 {
		return
	}
	ch.setClosed()
}

// setClosed is the last transition.
func (ch *Channel) setClosed() {
	ch.freeze()
	ch.ended, ch.lingers = true, false
	ch.leave(Closed)
	ch.release()
	ch.unlisten()
	ch.raise(evClose)
	ch.wake()
}

// setError makes err the error of the channel, unless it has one.
func (ch *Channel) setError(err *RTCError) {
	if ch.failure == nil {
		ch.failure = err
		ch.raise(evError)
	}
}

// fail closes the channel with an error.
func (ch *Channel) fail(err *RTCError) {
	ch.discard()
	if ch.state >= Closing {
		if !ch.local && ch.failure == nil {
			ch.failure = err
		}
		return
	}
	ch.s.cfg.Logger.Debug("data channel failed", "label", ch.label, "error", err)
	ch.setError(err)
	ch.leave(Closing)
	ch.raise(evClosing)
	ch.dropQueue(err)
	ch.dc.Call("close")
	ch.wake()
}

// callError names an exception like the W3C does.
func callError(op string, err error) error {
	var e *webjs.Exception
	if !errors.As(err, &e) {
		return err
	}
	switch e.Name {
	case "InvalidStateError":
		return &InvalidStateError{Op: op, Reason: e.Message}
	case "TypeError":
		return &TypeError{op, e.Message}
	}
	return &OperationError{Op: op, Reason: e.Message, Err: err}
}

// NewRTCError returns an RTCError of the browser; null is one that says nothing.
func NewRTCError(v js.Value) *RTCError {
	e := &RTCError{Detail: DataChannelFailure, Message: "the channel failed"}
	if !webjs.Is(v) {
		return e
	}
	if d := webjs.Text(v.Get("errorDetail")); d != "" {
		e.Detail = ErrorDetail(d)
	}
	if m := webjs.Text(v.Get("message")); m != "" {
		e.Message = m
	}
	if c := v.Get("sctpCauseCode"); c.Type() == js.TypeNumber {
		e.SCTPCauseCode = c.Int()
	}
	return e
}
