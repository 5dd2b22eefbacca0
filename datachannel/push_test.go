package datachannel

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// pushing is a transport that brings packets on a goroutine of its own
// (sctpnet.PacketSource), and measures how long it is kept.
type pushing struct {
	*netsim.Conn
	mu      sync.Mutex
	longest time.Duration
}

func (p *pushing) Receive(f func([][]byte, error)) {
	go func() {
		buf := make([]byte, 2048)
		for {
			n, err := p.Conn.Read(buf)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				continue
			case err != nil:
				f(nil, err)
				return
			}
			start := time.Now()
			f([][]byte{buf[:n]}, nil)
			p.mu.Lock()
			p.longest = max(p.longest, time.Since(start))
			p.mu.Unlock()
		}
	}()
}

func (p *pushing) Read([]byte) (int, error) { panic("the transport pushes") }

// Callbacks that take their time, and messages that nobody reads, do not keep the
// goroutine of a transport that brings packets.
func TestPushingTransportIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func() { netsim.Elapse(5 * time.Second) }
		var accepted *Channel
		got := make(chan string, 100)
		p := &pair{t: t, a: NewSession(Config{}), b: NewSession(Config{
			OnConnected: slow,
			OnChannel: func(ch *Channel) {
				if ch.Label() == "unread" {
					accepted = ch
					return
				}
				ch.OnOpen(slow)
				ch.OnMessage(func(m Message) {
					slow()
					got <- string(m.Data)
				})
				ch.OnClose(slow)
				slow()
			},
		})}
		defer p.end()
		ca, cb := link(nil)
		ends := []*pushing{{Conn: ca}, {Conn: cb}}
		check(t, p.a.Start(ends[0], Params{DTLSClient: true}))
		check(t, p.b.Start(ends[1], Params{}))
		a := value(p.a.CreateChannel("l", nil))(t)
		unread := value(p.a.CreateChannel("unread", nil))(t)
		check(t, a.WriteMessage(background, []byte("0"), true))
		for i := range 3 {
			check(t, a.WriteMessage(background, fmt.Append(nil, i+1), true))
		}
		netsim.Elapse(time.Second)
		writing := make(chan error, 1)
		go func() { writing <- unread.WriteMessage(background, make([]byte, DefaultRemoteMaxMessageSize), false) }()
		for range 40 { // more than the receive window
			check(t, unread.Send(make([]byte, DefaultRemoteMaxMessageSize)))
		}
		for i := range 4 {
			if m := <-got; m != fmt.Sprint(i) {
				t.Errorf("message %d is %q", i, m)
			}
		}
		check(t, a.Close())
		netsim.Elapse(time.Minute)
		for range 41 {
			m := value(accepted.ReadMessage(background))(t)
			if len(m.Data) != DefaultRemoteMaxMessageSize {
				t.Errorf("got %d bytes", len(m.Data))
			}
		}
		check(t, <-writing)
		check(t, p.a.Close())
		netsim.Elapse(time.Minute) // for the last callbacks
		for _, e := range ends {
			e.mu.Lock()
			if e.longest != 0 {
				t.Errorf("kept for %v", e.longest)
			}
			e.mu.Unlock()
		}
	})
}
