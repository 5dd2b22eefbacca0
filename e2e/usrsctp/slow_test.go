package usrsctp

import (
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// A reader that stops closes its window and loses nothing.
func TestSlowReader(t *testing.T) {
	need(t)
	t.Parallel()
	b := batch{streams: 2, count: 64, size: 16 << 10}
	t.Run("we", func(t *testing.T) {
		t.Parallel()
		a, p := connect(t, testContext(t), setup{cfg: sctp.Config{ReceiveBuffer: 64 << 10}, options: []string{"rtomax=200"}})
		closed := a.tap.watchClosedWindow(toPeer)
		p.send(b)
		a.see("a closed window of ours", closed)
		// usrsctp 0.9.5 counts probes of a closed window as errors, also when they are
		// answered, and gives up after ten.
		probes := 5
		a.see("window probes of usrsctp", a.tap.watch(fromPeer, func(kind byte, _ []byte) bool {
			if kind == typeData {
				probes--
			}
			return probes == 0
		}))
		arrivals, err := a.receive(b)
		if err != nil {
			t.Fatal(err)
		}
		b.check(t, arrivals)
	})
	t.Run("usrsctp", func(t *testing.T) {
		t.Parallel()
		a, p := connect(t, testContext(t), setup{options: []string{"rcvbuf=65536"}})
		p.do("pause")
		closed := a.tap.watchClosedWindow(fromPeer)
		sent := make(chan error, 1)
		go func() { sent <- a.send(b) }()
		a.see("a closed window of usrsctp", closed)
		p.do("resume")
		b.check(t, p.receive(b))
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}
