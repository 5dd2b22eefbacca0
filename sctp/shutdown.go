package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// shutdown ends the association gracefully (RFC 9260, section 9.2). It owns
// T2-shutdown and the T5-shutdown-guard.
type shutdown struct {
	transmits int32 // since something was heard of the peer
	due       bool  // the SHUTDOWN or SHUTDOWN ACK, by the state, is to be sent
	t2        timer
	t5        timer
}

// want asks for the SHUTDOWN or SHUTDOWN ACK of the state just entered.
func (s *shutdown) want() { s.due, s.transmits = true, 0 }

// stop stops the timers.
func (s *shutdown) stop() { *s = shutdown{} }

// append appends what the state asks for.
func (s *shutdown) append(now instant, p *builder, state State, cum wire.TSN, rto time.Duration) bool {
	if !s.due {
		return true
	}
	if p.room() < 8 {
		return false
	}
	if state == ShutdownSent {
		p.b = wire.AppendShutdown(p.b, cum)
	} else {
		p.b = wire.AppendChunk(p.b, wire.TypeShutdownAck, 0, nil)
	}
	s.due = false
	s.transmits++
	s.t2.start(now, rto)
	return true
}
