package usrsctp

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// wrap makes a Conn our side of an association.
func wrap(t *testing.T, ctx context.Context, c *sctpnet.Conn) *assoc {
	t.Cleanup(func() {
		c.Abort("the test is over")
		<-c.Done()
	})
	return &assoc{Conn: c, t: t, ctx: ctx}
}

// Several usrsctps connect to one Listener. They have the same address and SCTP
// port, and are told apart by UDP port. // 6951-5.1-a
func TestListen(t *testing.T) {
	need(t)
	ctx := testContext(t)
	l, err := sctpnet.Listen("udp4", "127.0.0.1:0", sctpnet.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var peers []*peer
	var conns []*assoc
	for range 3 {
		p := setup{mode: encapsulated}.start(t, ctx)
		p.do("peer %d", l.Addr().(*net.UDPAddr).Port)
		p.do("connect")
		c, err := l.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		p.next("up")
		if want := fmt.Sprintf("127.0.0.1:%d", p.port); c.RemoteAddr().String() != want {
			t.Errorf("remote address %v, want %s", c.RemoteAddr(), want)
		}
		peers, conns = append(peers, p), append(conns, wrap(t, ctx, c))
	}
	for i, p := range peers {
		exchange(t, conns[i], p, batch{streams: 3, count: 30, size: 20_000})
	}
	for i, p := range peers {
		p.do("shutdown")
		wantGraceful(t, conns[i], p)
	}
	if s := l.Stats(); s.Associations != 0 || s.Accepted != 3 {
		t.Errorf("%+v", s)
	}
}

// Dial connects to usrsctp from an SCTP port of its own.
func TestDial(t *testing.T) {
	need(t)
	ctx := testContext(t)
	p := setup{mode: encapsulated}.start(t, ctx)
	p.do("listen")
	p.next("listening")
	c, err := sctpnet.Dial(ctx, "udp4", fmt.Sprintf("127.0.0.1:%d", p.port), sctpnet.Config{SCTP: sctp.Config{RemotePort: 5001}})
	if err != nil {
		t.Fatal(err)
	}
	p.next("up")
	a := wrap(t, ctx, c)
	exchange(t, a, p, batch{streams: 3, count: 30, size: 20_000})
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	p.want("closed")
}
