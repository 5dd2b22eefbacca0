package datachannel

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// markedConn is a transport that can mark packets.
type markedConn struct {
	*netsim.Conn
	mu         sync.Mutex
	codepoints []uint8
}

func (c *markedConn) SetDSCP(codepoint uint8) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.codepoints = append(c.codepoints, codepoint)
	return nil
}

// told returns what the transport was told since the last time.
func (c *markedConn) told() []uint8 {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.codepoints
	c.codepoints = nil
	return told
}

// The classes of RFC 8837, section 5, by priority, and the codepoint of several channels
// together (8837-t). The side that has not created them marks nothing.
func TestDSCPClasses(t *testing.T) {
	for _, c := range []struct {
		priorities []uint16
		opened     []uint8 // what the transport is told as they open
		closed     []uint8 // and as they close, the first one first
	}{
		{nil, nil, nil},
		{[]uint16{256}, nil, nil},
		{[]uint16{128}, []uint8{1}, []uint8{0}},
		{[]uint16{1}, []uint8{1}, []uint8{0}},
		{[]uint16{512}, []uint8{10}, []uint8{0}},
		{[]uint16{1024}, []uint8{18}, []uint8{0}},
		{[]uint16{65535}, []uint8{18}, []uint8{0}},
		{[]uint16{128, 256}, []uint8{1, 0}, nil},
		{[]uint16{256, 128}, nil, []uint8{1, 0}},
		{[]uint16{512, 128}, []uint8{10}, []uint8{1, 0}},
		{[]uint16{512, 256, 1024, 128}, []uint8{10, 18}, []uint8{1, 0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ca, cb := link(nil)
			ma, mb := &markedConn{Conn: ca}, &markedConn{Conn: cb}
			p := &pair{t: t, a: value(New(ma, Config{}, Params{DTLSClient: true}))(t), b: value(New(mb, Config{}, Params{}))(t)}
			defer p.end()
			check(t, p.a.WaitConnected(background))
			var channels []*Channel
			for _, priority := range c.priorities {
				channels = append(channels, value(p.a.CreateChannel("", &Init{Priority: priority}))(t))
			}
			if got := ma.told(); !slices.Equal(got, c.opened) {
				t.Errorf("%d open: %d, want %d", c.priorities, got, c.opened)
			}
			for _, ch := range channels {
				ch.Close()
			}
			if got := ma.told(); !slices.Equal(got, c.closed) {
				t.Errorf("%d close: %d, want %d", c.priorities, got, c.closed)
			}
			settle()
			if got := mb.told(); got != nil {
				t.Errorf("the other side marks with %d", got)
			}
		})
	}
}
