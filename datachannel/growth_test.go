package datachannel

import (
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// frugal begins with 4 streams and grants 50.
var frugal = Config{SCTP: sctp.Config{
	OutboundStreams: 4, InboundStreams: 4,
	PeerReconfig: sctp.ReconfigPolicy{OutboundStreams: 50, InboundStreams: 60},
}}

// Channels beyond the streams of the association get more streams, whichever side
// creates them and whether before or after it is established; what the peer does
// not grant fails (6525-5.2.5-a).
func TestGrowth(t *testing.T) {
	var early *Channel
	cfg := setup{a: frugal, before: func(p *pair) { early, _ = p.negotiate(9, Init{}) }}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		settle()
		wantState(t, early, Open)
		if a, b := p.a.MaxChannels(), p.b.MaxChannels(); a < 10 || a > 16 || b != a { // both ask
			t.Errorf("MaxChannels %d and %d, want 10 or a few more", a, b)
		}
		var channels []*Channel
		for range 20 { // 1, 3 ... 7, 11 ... 41
			channels = append(channels, value(p.b.CreateChannel("", nil))(t))
		}
		for range 5 {
			channels = append(channels, value(p.a.CreateChannel("", nil))(t))
		}
		settle()
		for _, ch := range channels {
			wantState(t, ch, Open)
		}
		last := value(p.b.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](49)}))(t)
		beyond := value(p.b.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](50)}))(t)
		settle()
		wantState(t, beyond, Closed)
		wantState(t, last, Closed) // asked for together
		wantCreateError(t, p.b, "refused before", "", &Init{Negotiated: true, ID: ptr[uint16](51)}, &OperationError{})
	})
}

// A peer that asks us to reset our stream closes the channel (6525-5.2.3-a).
func TestResetAsked(t *testing.T) {
	hostile(t, Config{}, false, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		var j journal
		ch := value(s.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](2)}))(t)
		j.watch(ch)
		check(t, ch.SendText("hello"))
		settle()
		j.want(t, "open open")
		check(t, r.conn.RequestReset(2))
		r.wantResets(2)
		wantState(t, ch, Closing)
		check(t, r.conn.ResetStreams(2))
		settle()
		j.want(t, "closing closing", "close closed")
		again := value(s.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](2)}))(t)
		check(t, again.SendText("again"))
		settle()
		wantState(t, again, Open)
	})
}
