package datachannel

import (
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// markedWire is a wire that can mark packets.
type markedWire struct {
	*wire
	codepoints []uint8
}

func (w *markedWire) SetDSCP(codepoint uint8) error {
	w.codepoints = append(w.codepoints, codepoint)
	return nil
}

// The classes of RFC 8837, section 5, by priority, and the codepoint of several channels
// together (8837-t).
func TestDSCPClasses(t *testing.T) {
	for _, c := range []struct {
		priorities []uint16
		want       uint8
	}{
		{nil, 0}, {[]uint16{256}, 0}, {[]uint16{128}, 1}, {[]uint16{1}, 1}, {[]uint16{512}, 10}, {[]uint16{1024}, 18}, {[]uint16{65535}, 18},
		{[]uint16{128, 256}, 0}, {[]uint16{512, 128}, 10}, {[]uint16{512, 256, 1024, 128}, 18},
	} {
		wa, wb := newWires()
		marked := &markedWire{wire: wa}
		b := NewSession(Config{SCTP: sctp.Config{HeartbeatInterval: -1}})
		check(t, b.Start(wb, Params{}))
		a := NewSession(Config{SCTP: sctp.Config{HeartbeatInterval: -1}})
		check(t, a.Start(marked, Params{DTLSClient: true}))
		check(t, a.WaitConnected(background))
		var channels []*Channel
		for _, priority := range c.priorities {
			channels = append(channels, value(a.CreateChannel("", &Init{Priority: priority}))(t))
		}
		got := uint8(0)
		if n := len(marked.codepoints); n > 0 {
			got = marked.codepoints[n-1]
		}
		if got != c.want {
			t.Errorf("%d: codepoint %d, want %d", c.priorities, got, c.want)
		}
		for range channels {
			value(b.Accept(background))(t)
		}
		for _, ch := range channels {
			ch.Close()
		}
		if n := len(marked.codepoints); n > 0 && marked.codepoints[n-1] != 0 {
			t.Errorf("%d: codepoints %d, and none is open", c.priorities, marked.codepoints)
		}
		a.Abort("")
		b.Abort("")
		<-a.conn.Done()
		<-b.conn.Done()
	}
}
