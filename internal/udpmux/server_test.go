package udpmux

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/internal/stunmsg"
	"github.com/sluice-rtc/sluice/internal/udpsock"
)

// newServerTest returns a connection to ask a server over, and the server, without a
// goroutine that reads the port: a bubble has none but its own.
func newServerTest(t *testing.T) (c *ServerConn, p *port, server peer) {
	m := New(Config{})
	sock := newTestSocket(t, loopback[0])
	p = newPort(m, sock)
	m.ports = append(m.ports, p)
	s := m.NewSession(false)
	t.Cleanup(func() { s.Close() })
	a := s.NewAgent()
	a.Listen(loopback[:1], 0, 0)
	c, err := a.NewServerConn(false)
	if err != nil {
		t.Fatal(err)
	}
	return c, p, newPeer(t)
}

// The question to a STUN server is repeated until the answer comes, and nobody else
// can answer it.
func TestServerQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, server := newServerTest(t)
		defer c.Close()
		request := stunMessage(stunmsg.BindingRequest, 7, "")
		if _, err := c.WriteTo(request, server.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		server.want("question", request, p.sock.local)
		if c.LocalAddr().String() != p.sock.local.String() {
			t.Errorf("local address %v, want the port's", c.LocalAddr())
		}
		for _, pause := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
			netsim.Elapse(pause) // virtual
			server.want("question again", request, p.sock.local)
		}
		answer := stunMessage(stunmsg.BindingSuccess, 7, "", []byte{0, 0x20, 0, 8, 0, 1, 0, 0, 1, 2, 3, 4})
		for _, wrong := range []struct {
			b    []byte
			from netip.AddrPort
		}{
			{answer, at(1)}, // right id, wrong address
			{answer, netip.AddrPortFrom(server.addr().Addr(), server.addr().Port()+1)},
			{stunMessage(stunmsg.BindingSuccess, 8, ""), server.addr()}, // wrong id
			{stunMessage(stunmsg.BindingRequest, 7, "a:b"), server.addr()},
			{stunMessage(stunmsg.BindingSuccess, 7, "", emptyAddress), server.addr()}, // broken
			{record("hello"), server.addr()},
		} {
			p.dispatch([]udpsock.Run{{Data: wrong.b, Size: len(wrong.b), From: wrong.from}}, nil)
			if c.answer != nil {
				t.Errorf("%x of %v was taken for the answer", wrong.b, wrong.from)
			}
		}
		p.dispatch([]udpsock.Run{{Data: answer, Size: len(answer), From: server.addr()}}, nil)
		b := make([]byte, 100)
		if n, from, err := c.ReadFrom(b); err != nil || !bytes.Equal(b[:n], answer) || addrPort(from) != server.addr() {
			t.Errorf("read %x from %v, %v", b[:n], from, err)
		}
		if len(p.queries) != 0 {
			t.Error("the question is still open")
		}
		netsim.Elapse(time.Minute) // virtual
		other := []byte("other")
		p.sock.send([][]byte{other}, server.addr(), asBefore)
		server.want("nothing before this", other, p.sock.local)
		// The library goes on to use it as the candidate's: what the host candidate sends, too.
		if n, err := c.WriteTo(stunMessage(stunmsg.BindingRequest, 9, "a:b"), server.LocalAddr()); n == 0 || err != nil {
			t.Errorf("WriteTo = %d, %v", n, err)
		}
		p.sock.send([][]byte{other}, server.addr(), asBefore)
		server.want("no check", other, p.sock.local)
	})
}

func TestServerQueryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, server := newServerTest(t)
		begin := time.Now()
		c.SetReadDeadline(begin.Add(5 * time.Second))
		c.WriteTo(stunMessage(stunmsg.BindingRequest, 7, ""), server.LocalAddr())
		if _, _, err := c.ReadFrom(nil); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 5*time.Second {
			t.Errorf("ReadFrom = %v after %v", err, time.Since(begin))
		}
		c.SetReadDeadline(time.Time{})
		ended := make(chan error)
		go func() {
			_, _, err := c.ReadFrom(nil)
			ended <- err
		}()
		synctest.Wait()
		c.Close()
		c.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadFrom = %v", err)
		}
		if len(p.queries) != 0 || len(c.a.servers) != 0 {
			t.Errorf("left: %v, %v", p.queries, c.a.servers)
		}
		if _, err := c.WriteTo(stunMessage(stunmsg.BindingRequest, 7, ""), server.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteTo = %v", err)
		}
		c.a.Close()
		if _, err := c.a.NewServerConn(false); !errors.Is(err, net.ErrClosed) {
			t.Errorf("NewServerConn = %v", err)
		}
	})
}

// A server of a family without port cannot be asked.
func TestServerOfOtherFamily(t *testing.T) {
	c, _, _ := newServerTest(t)
	defer c.Close()
	if _, err := c.WriteTo(stunMessage(stunmsg.BindingRequest, 7, ""), &net.UDPAddr{IP: net.IPv6loopback, Port: 9}); err == nil {
		t.Error("asked")
	}
}

// The port that the way to the server leads through asks.
func TestServerPort(t *testing.T) {
	m := newTestMux(t, netip.MustParseAddr("127.0.0.2"), loopback[0])
	s := newTestSession(t, m, "aaaa")
	if p := s.agent.portTo(netip.MustParseAddrPort("127.0.0.1:9"), false); p == nil || p.sock.local.Addr() != loopback[0] {
		t.Errorf("%v asks", p.sock.local)
	}
	if p := s.agent.portTo(netip.MustParseAddrPort("192.0.2.1:9"), false); p == nil || !p.sock.local.Addr().Is4() {
		t.Errorf("%v asks", p)
	}
	if p := s.agent.portTo(netip.MustParseAddrPort("[2001:db8::1]:9"), true); p != nil {
		t.Errorf("%v asks", p.sock.local)
	}
}
