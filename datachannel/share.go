package datachannel

// Overflow says what becomes of messages for which the read buffer of a channel has no
// room.
type Overflow uint8

const (
	// Stall leaves them in the association, where they take from the receive window, which
	// all channels share: when that is full the peer can send nothing on any of them.
	Stall Overflow = iota
	// CloseChannel closes the channel with an error.
	CloseChannel
	// DropOldest throws away the messages that have waited longest; the newest stays, whatever
	// its size. For channels whose news make the old worthless.
	DropOldest
)

// SetReadBuffer gives the channel room, in bytes, for messages that nobody has read yet. They
// are taken out of the association as they come, so that a reader who is slow, or
// stops for a while, takes nothing from the receive window that all channels share: as long
// as the peer sends no more than that in the meantime no other channel notices. What happens beyond
// is for overflow to say. A message counts as at least 64 bytes.
//
// In a browser, which takes messages whether anybody reads them or not, Stall bounds nothing, and
// no channel holds up another.
//
// The default is 0: nothing is taken out before somebody wants it, and a channel that is not
// read can fill the window. With less than is kept already, nothing is lost. Negative values
// are a *TypeError.
func (ch *Channel) SetReadBuffer(bytes int, overflow Overflow) error {
	const op = "SetReadBuffer"
	switch {
	case bytes < 0:
		return &TypeError{op, "the size is negative"}
	case overflow > DropOldest:
		return &TypeError{op, "there is no such overflow"}
	}
	ch.s.lock()
	defer ch.s.unlock()
	ch.bound(bytes, overflow)
	return nil
}
