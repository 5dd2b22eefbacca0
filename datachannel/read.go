package datachannel

import (
	"context"
	"errors"
	"io"
)

// This file is reading, whatever the messages come through.

// inbox is the incoming side of a channel.
type inbox struct {
	readable bool    // the association has, or may have, something for the channel
	waiters  signal  // ReadMessage may find something; made when first waited on
	reading  reading // reader.go
	dropped  uint64  // messages that DropOldest threw away
}

// errNothing: there is no whole message yet.
var errNothing = errors.New("datachannel: nothing to read")

// readableNow wakes the reader of the channel.
func (ch *Channel) readableNow() {
	ch.in.readable = true
	if ch.in.waiters != nil {
		ch.in.waiters.set()
	}
	ch.schedule()
}

// wake wakes all waiting readers, by turns, for good.
func (ch *Channel) wake() {
	if ch.in.waiters != nil {
		ch.in.waiters.set()
	}
}

// endOfMessages is what reading returns after the last message.
func (ch *Channel) endOfMessages() error {
	switch {
	case ch.failure != nil:
		return ch.failure
	case ch.local:
		return ch.stateError("ReadMessage")
	}
	return io.EOF
}

// ReadMessage waits for the next message. After the last one it returns io.EOF if
// the peer closed the channel or ended the association gracefully, an *RTCError
// if the channel failed, and an *InvalidStateError if it was closed here. It is
// for channels without OnMessage.
func (ch *Channel) ReadMessage(ctx context.Context) (Message, error) {
	return ch.ReadMessageInto(ctx, nil)
}

// ReadMessageInto is ReadMessage with a buffer of the caller's: a message that fits into
// buf is in it, a larger one in memory of its own.
func (ch *Channel) ReadMessageInto(ctx context.Context, buf []byte) (Message, error) {
	c := cancelWith(ctx)
	if err := c.canceled(); err != nil {
		return Message{}, err
	}
	for {
		m, wait, err := ch.tryRead(buf)
		if wait == nil {
			return m, err
		}
		select {
		case <-wait:
		case <-c.ended:
			return Message{}, c.err()
		}
	}
}

// tryRead returns the next message, in buf if it fits, or the error, or what to wait for.
func (ch *Channel) tryRead(buf []byte) (m Message, wait signal, err error) {
	ch.s.lock()
	defer ch.s.unlock()
	wait, err = ch.mayRead("ReadMessage", func() (err error) {
		m, err = ch.receive(buf)
		return err
	})
	return m, wait, err
}

// mayRead calls take, and returns what to wait for if it finds nothing.
func (ch *Channel) mayRead(op string, take func() error) (signal, error) {
	if ch.face.onMessage != nil {
		ch.wake() // another reader may wait, too
		return nil, &InvalidStateError{Op: op, Reason: "OnMessage takes the messages"}
	}
	if err := take(); err != errNothing {
		ch.wake() // another reader may find something, too
		return nil, err
	}
	if ch.in.waiters == nil {
		ch.in.waiters = make(signal, 1)
	}
	return ch.in.waiters, nil
}

// signal wakes one waiter that something may have changed. A waiter that leaves
// something for others sets it again.
type signal chan struct{}

func (c signal) set() {
	select {
	case c <- struct{}{}:
	default:
	}
}
