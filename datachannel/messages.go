package datachannel

import (
	"context"
	"io"
	"iter"
)

// Messages returns the messages to come, for a range loop:
//
//	for m, err := range ch.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// The loop ends when the peer has closed the channel, or ended the association
// gracefully, and everything before is read. Any other end, ctx included, comes as
// the last pair, with the error of ReadMessage. Who breaks out of the loop leaves the
// channel as it is, and may go on with another.
func (ch *Channel) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := ch.ReadMessage(ctx)
			if err == io.EOF || !yield(m, err) || err != nil {
				return
			}
		}
	}
}
