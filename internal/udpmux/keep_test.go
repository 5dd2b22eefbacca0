package udpmux

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// TestKeep: connections that are kept read nothing any more for the library, which cannot close
// them either; what comes in, and what lies there, is the keeper's until the agent is closed.
func TestKeep(t *testing.T) {
	m := newTestMux(t, netip.MustParseAddr("127.0.0.1"))
	s := newTestSession(t, m, "us")
	peer := netip.MustParseAddrPort("127.0.0.1:7")
	request := func(id byte, from netip.AddrPort) bool {
		return s.agent.request(s.conn.p, stunMessage(stunmsg.BindingRequest, id, "us:them"), from)
	}
	read := make(chan error)
	go func() {
		for {
			if _, _, err := s.conn.ReadFrom(make([]byte, 1500)); err != nil {
				read <- err
				return
			}
			read <- nil
		}
	}()
	request(1, peer)
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	var got []byte
	keeper := func(c *Conn, b []byte, from netip.AddrPort) {
		if c != s.conn {
			t.Error("another connection")
		}
		got = append(got, b[8])
	}
	s.agent.Keep(keeper)
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom = %v", err)
	}
	s.agent.RemoveConnByUfrag("us")
	s.conn.Close()
	for i := range maxNewcomers + 1 { // they do not become candidates
		from := netip.AddrPortFrom(peer.Addr(), uint16(1000+i))
		if !request(2, from) {
			t.Fatalf("newcomer %d is refused", i)
		}
		s.conn.WriteTo(stunMessage(stunmsg.BindingSuccess, 2, ""), net.UDPAddrFromAddrPort(from))
	}
	if err := s.conn.WriteCheck(stunMessage(stunmsg.BindingRequest, 3, "them:us"), peer); err != nil {
		t.Errorf("WriteCheck = %v", err)
	}
	got = got[:0]
	s.conn.p.handleSTUN(stunMessage(stunmsg.BindingSuccess, 3, ""), netip.AddrPortFrom(peer.Addr(), 1000+maxNewcomers))
	if string(got) != "\x03" {
		t.Errorf("the keeper got %q", got)
	}
	if m.Stats().Sessions != 1 {
		t.Errorf("%+v", m.Stats())
	}
	s.agent.Close()
	if request(4, peer) || len(got) != 1 || m.Stats().Sessions != 0 {
		t.Errorf("after Close: the keeper got %q, %+v", got, m.Stats())
	}
	if err := s.conn.WriteCheck(stunMessage(stunmsg.BindingRequest, 5, "them:us"), peer); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteCheck = %v", err)
	}
}

// TestKeepQueue: what the library has not read is shown to the keeper.
func TestKeepQueue(t *testing.T) {
	s := newTestSession(t, newTestMux(t, netip.MustParseAddr("127.0.0.1")), "us")
	peer := netip.MustParseAddrPort("127.0.0.1:7")
	for id := range byte(3) {
		s.conn.put(stunMessage(stunmsg.BindingSuccess, id+1, ""), peer)
	}
	var got []byte
	s.agent.Keep(func(_ *Conn, b []byte, from netip.AddrPort) {
		if from != peer {
			t.Errorf("from %v", from)
		}
		got = append(got, b[8])
	})
	if string(got) != "\x01\x02\x03" {
		t.Errorf("the keeper got %q", got)
	}
}
