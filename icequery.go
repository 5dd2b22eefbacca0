package sluice

import (
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun"
)

// serverQuery is a question to a STUN server, repeated until it is answered.
type serverQuery struct {
	id    [stun.TransactionIDSize]byte
	to    netip.AddrPort
	timer *time.Timer
}

// Retransmissions of RFC 8489, section 6.2.1: RTO 500 ms, doubling; the agent
// waits 5 s altogether.
const (
	queryRTO   = 500 * time.Millisecond
	queryLimit = 4 * time.Second // the last interval
)

func newServerQuery(g *udpGuard, b []byte, id [stun.TransactionIDSize]byte, to netip.AddrPort) *serverQuery {
	raw := append([]byte(nil), b...)
	q := &serverQuery{id: id, to: to}
	rto := queryRTO
	q.timer = time.AfterFunc(rto, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.query != q {
			return
		}
		if _, err := g.UDPConn.WriteTo(raw, net.UDPAddrFromAddrPort(to)); err != nil {
			return
		}
		if rto *= 2; rto < queryLimit {
			q.timer.Reset(rto)
		}
	})
	return q
}

func (q *serverQuery) answeredBy(m *stun.Message, from netip.AddrPort) bool {
	return m.Type.Method == stun.MethodBinding && m.TransactionID == q.id && from == q.to &&
		(m.Type.Class == stun.ClassSuccessResponse || m.Type.Class == stun.ClassErrorResponse)
}

// stop ends the retransmissions; q may be nil.
func (q *serverQuery) stop() {
	if q != nil {
		q.timer.Stop()
	}
}
