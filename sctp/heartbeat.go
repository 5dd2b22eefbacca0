package sctp

import (
	"encoding/binary"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// heartbeat probes a path that is idle (RFC 9260, section 8.3), and finds out whether it is
// so idle that memory kept for reuse is given back (Association.rest).
type heartbeat struct {
	timer    timer
	due      bool // a HEARTBEAT is to be sent
	awaiting bool // the one sent was not answered yet
	used     bool // data was sent since the timer started, so RTT is known anyway
	busy     bool // data came in since then
	nonce    uint64
	sentAt   instant
}

// heartbeatInfoLen is the length of our Heartbeat Info: nonce and path.
const heartbeatInfoLen = 12

func (h *heartbeat) stop() { *h = heartbeat{} }

// schedule starts the timer for the next HEARTBEAT, with a part of RTO that is left
// to chance, as far as time and salt do.
func (h *heartbeat) schedule(now instant, interval, rto time.Duration, salt uint32) {
	h.used = false
	if interval < 0 {
		h.timer.stop()
		return
	}
	chance := splitmix(uint64(now) ^ uint64(salt)<<32)
	part := int64(chance.next() >> 48)
	h.timer.start(now, interval+rto/2+time.Duration(int64(rto)*part>>16)) // +-50 % of RTO
}

// want has a HEARTBEAT sent, unless one is to be or was and may yet be answered.
func (h *heartbeat) want(nonce uint64) {
	if !h.due && !h.awaiting {
		h.nonce, h.due = nonce, true
	}
}

// append appends the HEARTBEAT, which is due.
func (h *heartbeat) append(now instant, p *builder, id PathID, rto time.Duration) bool {
	if p.room() < 8+heartbeatInfoLen {
		return false
	}
	var info [heartbeatInfoLen]byte
	binary.BigEndian.PutUint64(info[:], h.nonce)
	info[8] = byte(id)
	p.b = wire.AppendHeartbeat(p.b, wire.TypeHeartbeat, info[:])
	h.due, h.awaiting, h.sentAt = false, true, now
	h.timer.start(now, rto)
	return true
}

// answered takes the information of a HEARTBEAT ACK; ok says that it is the
// answer awaited, and rtt how long it took.
func (h *heartbeat) answered(now instant, info []byte) (rtt time.Duration, ok bool) {
	if !h.awaiting || len(info) != heartbeatInfoLen || binary.BigEndian.Uint64(info) != h.nonce {
		return 0, false
	}
	h.awaiting = false
	return now.Sub(h.sentAt), true
}
