package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// control holds the chunks that answer what came in and only need to be carried
// out: HEARTBEAT ACK and ERROR. They are encoded when they arise.
type control struct{ buf []byte }

// maxControl bounds what waits to be sent; a peer that provokes more without
// letting us send gets no answer.
const maxControl = 4 << 10

// keptControl is what buf may keep to use again, bytes: enough for answers to ordinary HEARTBEATs, too
// little for those to a probe of a packet's length, which come now and then.
const keptControl = 256

func (c *control) init() { c.buf = c.buf[:0] }

// heartbeatAck answers a HEARTBEAT.
func (c *control) heartbeatAck(info []byte, mtu int) {
	if len(info) > mtu-commonHeader-8 {
		return // what cannot be echoed whole is not echoed
	}
	n := len(c.buf)
	c.buf = wire.AppendHeartbeat(c.buf, wire.TypeHeartbeatAck, info)
	c.trim(n)
}

// errorCause reports one error cause; what does not fit a packet of it is cut.
func (c *control) errorCause(code wire.CauseCode, info []byte, mtu int) {
	n := len(c.buf)
	c.buf = wire.BeginChunk(c.buf, wire.TypeError, 0)
	c.buf = wire.AppendCause(c.buf, n, code, info[:min(len(info), mtu-commonHeader-8)])
	c.buf = wire.EndChunk(c.buf, n)
	c.trim(n)
}

// trim takes back the last chunk, which starts at n, if there is too much.
func (c *control) trim(n int) {
	if len(c.buf) > maxControl {
		c.buf = c.buf[:n]
	}
}

// append moves as many chunks as fit to the packet.
func (c *control) append(p *builder) bool { return len(c.buf) == 0 || c.move(p) }

func (c *control) move(p *builder) bool {
	n := 0
	for n < len(c.buf) {
		size := (int(c.buf[n+2])<<8 | int(c.buf[n+3]) + 3) &^ 3
		if size > p.room() {
			break
		}
		p.b = append(p.b, c.buf[n:n+size]...)
		n += size
	}
	if n > 0 {
		c.buf = append(c.buf[:0], c.buf[n:]...)
	}
	if len(c.buf) > 0 {
		return false
	}
	if cap(c.buf) > keptControl {
		c.buf = nil
	}
	return true
}
