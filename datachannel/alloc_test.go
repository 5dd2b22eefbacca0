package datachannel

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// A wire is one end of a transport without delay: what is written at one end comes in
// at the other before the write returns. It allocates nothing.
type wire struct {
	net.Conn // nil: for the methods that are not called
	peer     *wire
	handle   atomic.Pointer[func(packets [][]byte, err error)]
}

func newWires() (a, b *wire) {
	a, b = new(wire), new(wire)
	a.peer, b.peer = b, a
	return a, b
}

func (w *wire) Room() (before, after int) { return 0, 0 }

func (w *wire) WriteInPlace(packets [][]byte) (lost int, err error) {
	handle := w.peer.handle.Load()
	if handle == nil {
		return len(packets), nil
	}
	(*handle)(packets, nil)
	return 0, nil
}

func (w *wire) Receive(f func(packets [][]byte, err error)) { w.handle.Store(&f) }
func (w *wire) Close() error                                { return nil }
func (w *wire) SetDeadline(time.Time) error                 { return nil }
func (w *wire) SetWriteDeadline(time.Time) error            { return nil }

// TestAllocs: sending and receiving allocate nothing, but for a message that the
// application keeps (PIONS-16).
func TestAllocs(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	wa, wb := newWires()
	sa, sb := NewSession(Config{SCTP: sctp.Config{HeartbeatInterval: -1}}), NewSession(Config{SCTP: sctp.Config{HeartbeatInterval: -1}})
	check(t, sb.Start(wb, Params{}))
	check(t, sa.Start(wa, Params{DTLSClient: true}))
	defer func() {
		sa.Abort("")
		sb.Abort("")
		<-sa.conn.Done()
		<-sb.conn.Done()
	}()
	from, err := sa.CreateChannel("", nil)
	check(t, err)
	to, err := sb.Accept(background)
	check(t, err)

	buf := make([]byte, 64<<10)
	into := func() error {
		_, err := to.ReadMessageInto(background, buf)
		return err
	}
	var err1 error
	ways := []struct {
		name    string
		send    func(data []byte) error
		receive func() error
		most    float64
	}{
		{"WriteMessage and ReadMessageInto", func(data []byte) error { return from.WriteMessage(background, data, false) }, into, 0},
		{"Send and ReadMessageInto", from.Send, into, 0},
		{"Write and Read", func(data []byte) error { _, err := from.Write(data); return err }, func() error { _, err := to.Read(buf); return err }, 0},
		{"WriteMessage and ReadMessage", func(data []byte) error { return from.WriteMessage(background, data, false) },
			func() error { _, err := to.ReadMessage(background); return err }, 1},
	}
	for _, way := range ways {
		for _, size := range []int{64, 1 << 10, 16 << 10} {
			t.Run(fmt.Sprintf("%s/%d", way.name, size), func(t *testing.T) {
				data := make([]byte, size)
				const batch = 20
				round := func() {
					for range batch {
						if err1 = way.send(data); err1 != nil {
							t.Fatal(err1)
						}
					}
					for range batch {
						if err1 = way.receive(); err1 != nil {
							t.Fatal(err1)
						}
					}
				}
				for range 50 {
					round()
				}
				if n := testing.AllocsPerRun(50, round); n > way.most*batch {
					t.Errorf("%v allocations for %d messages", n, batch)
				}
			})
		}
	}
}
