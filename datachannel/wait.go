package datachannel

import "context"

// stages are what callers wait for in the life of a channel. Each is nil until
// somebody does.
type stages struct {
	begun chan struct{} // closed when the channel is connecting no more
	over  chan struct{} // closed when it is closed
}

// stage returns the channel that is closed when a stage is reached.
func stage(c *chan struct{}, reached bool) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
		if reached {
			close(*c)
		}
	}
	return *c
}

// entered tells who waits for it that the channel has a new state.
func (ch *Channel) entered(state ReadyState) {
	was := ch.state
	ch.state = state
	if was == Connecting && state > Connecting && ch.stages.begun != nil {
		close(ch.stages.begun)
	}
	if was < Closed && state == Closed && ch.stages.over != nil {
		close(ch.stages.over)
	}
}

// WaitOpen waits until the channel is open, or ctx is done. Nothing needs it: on a channel that
// is connecting WriteMessage and ReadMessage wait by themselves. On one that is closing or
// closed it returns the *RTCError with which the channel failed, or an *InvalidStateError.
func (ch *Channel) WaitOpen(ctx context.Context) error {
	ch.s.lock()
	begun := stage(&ch.stages.begun, ch.state > Connecting)
	ch.s.unlock()
	select {
	case <-begun:
	case <-ctx.Done():
		return ctx.Err()
	}
	ch.s.lock()
	defer ch.s.unlock()
	switch {
	case ch.state == Open:
		return nil
	case ch.failure != nil:
		return ch.failure
	}
	return ch.stateError("WaitOpen")
}

// Done returns a Go channel that is closed when the channel is closed. After Close that
// means: everything sent before was delivered, and the peer has closed its side, too;
// unless Err says otherwise, or the association has ended.
func (ch *Channel) Done() <-chan struct{} {
	ch.s.lock()
	defer ch.s.unlock()
	return stage(&ch.stages.over, ch.state == Closed)
}
