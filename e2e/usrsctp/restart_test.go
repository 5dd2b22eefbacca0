package usrsctp

import (
	"net"
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// usrsctp is killed with messages under way both ways, and another one at the same
// address connects: the association restarts, and both directions begin anew. // 9260-5.2.4-c
func TestTheyRestart(t *testing.T) {
	need(t)
	t.Parallel()
	for _, mode := range []string{conn, encapsulated} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := setup{mode: mode}
			a, p := connect(t, testContext(t), s)
			exchange(t, a, p, batch{streams: 3, count: 9, size: 3000})
			p.do("pause")
			p.send(batch{first: 5, streams: 1, count: 3, size: 10_000})
			p.next("send-done")
			if err := a.send(batch{streams: 3, count: 90, size: 10_000}); err != nil {
				t.Fatal(err)
			}
			a.tap.silence() // data that comes before its INIT it would answer with ABORT
			p.kill()

			p = s.startAt(t, a.ctx, p.port)
			p.do("peer %d", a.LocalAddr().(*net.UDPAddr).Port)
			p.do("connect")
			a.await(sctp.EventRestarted)
			p.next("up")
			for stream := range uint16(3) { // the end of what was before
				wantEOF(t, a, stream)
			}
			exchange(t, a, p, batch{streams: 3, count: 9, size: 3000, seq: 1000})
			if err := a.Shutdown(a.ctx); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			wantGraceful(t, a, p)
		})
	}
}

// We forget the association and connect anew from the same address.
func TestWeRestart(t *testing.T) {
	need(t)
	t.Parallel()
	for _, mode := range []string{conn, encapsulated} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := setup{mode: mode}
			a, p := connect(t, testContext(t), s)
			exchange(t, a, p, batch{streams: 3, count: 9, size: 3000})
			port := a.LocalAddr().(*net.UDPAddr).Port
			a.tap.silence()
			a.Abort("nobody hears this")
			_ = a.ends()

			a = attach(t, a.ctx, dial(t, p, nil, port), s.config(), true)
			a.await(sctp.EventConnected)
			p.next("restart")
			exchange(t, a, p, batch{streams: 3, count: 9, size: 3000, seq: 1000})
			p.do("shutdown")
			wantGraceful(t, a, p)
		})
	}
}
