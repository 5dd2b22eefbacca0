package sctpnet

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-rtc/sluice/internal/hotpath"
	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

func TestHotPaths(t *testing.T)          { hotpath.Check(t, hotPaths()) }
func BenchmarkInstructions(b *testing.B) { hotpath.Benchmark(b, hotPaths()) }

// hotPaths are what the driver does for a message, with what the engine does below it: both ends
// on one goroutine, as the transport hands packets over within WriteInPlace.
func hotPaths() []hotpath.Path {
	var paths []hotpath.Path
	for _, size := range []int{64, 1 << 10, 16 << 10} {
		paths = append(paths, hotpath.Path{
			Name: fmt.Sprintf("a message of %d bytes written and read", size),
			Ops:  8,
			Prepare: func(t testing.TB) func() {
				a, b := connectInPlace(t, Config{SCTP: sctp.Config{HeartbeatInterval: -1, MaxMTU: -1}})
				m, in := message(1, size, 0), make([]byte, size)
				return func() {
					for range 8 {
						if err := a.WriteMessage(background, m); err != nil {
							t.Fatal(err)
						}
						if _, _, err := b.ReadMessage(background, 1, in); err != nil {
							t.Fatal(err)
						}
					}
				}
			},
		})
	}
	return append(paths, hotpath.Path{Name: "a message of 64 bytes there and one back", Prepare: func(t testing.TB) func() {
		a, b := connectInPlace(t, Config{SCTP: sctp.Config{HeartbeatInterval: -1, MaxMTU: -1}})
		m, in := message(1, 64, 0), make([]byte, 64)
		half := func(from, to *Conn) {
			if err := from.WriteMessage(background, m); err != nil {
				t.Fatal(err)
			}
			if _, _, err := to.ReadMessage(background, 1, in); err != nil {
				t.Fatal(err)
			}
		}
		return func() {
			half(a, b)
			half(b, a)
		}
	}}, hotpath.Path{Name: "a message of 1024 bytes between sockets of a Listener and of Dial", Ops: 8, Prepare: prepareSockets})
}

// tapped is a ringSocket that, once on, keeps what is sent instead, for a test that
// brings it to the peer by itself. Timers send, too.
type tapped struct {
	ringSocket
	on atomic.Bool

	mu   sync.Mutex
	sent [2][64][2048]byte // one half is filled while the other is brought
	runs [2][]udpsock.Run
	half int
}

func (s *tapped) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	if !s.on.Load() {
		return s.ringSocket.WriteToUDPAddrPort(p, to)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if runs := &s.runs[s.half]; len(*runs) < cap(*runs) {
		buf := s.sent[s.half][len(*runs)][:]
		*runs = append(*runs, udpsock.Run{Data: buf[:copy(buf, p)], Size: len(p), From: ringPeer})
	}
	return len(p), nil
}

// bring has the socket take all that was sent to it.
func (s *tapped) bring(to *socket) {
	s.mu.Lock()
	runs := s.runs[s.half]
	s.half = 1 - s.half
	s.runs[s.half] = s.runs[s.half][:0]
	s.mu.Unlock()
	if len(runs) == 0 {
		return
	}
	to.mu.Lock()
	to.handleRead(runs, nil, aReader)
	to.mu.Unlock()
}

// prepareSockets returns a burst of messages from one Endpoint to another.
func prepareSockets(t testing.TB) func() {
	ra, rb := newRings()
	sa, sb := &tapped{ringSocket: ringSocket{ra}}, &tapped{ringSocket: ringSocket{rb}}
	a, b := connectBetween(t, sa, sb, Config{SCTP: sctp.Config{HeartbeatInterval: -1, MaxMTU: -1}})
	if err := a.WaitConnected(background); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*tapped{sa, sb} {
		for i := range s.runs {
			s.runs[i] = make([]udpsock.Run, 0, len(s.sent[i]))
		}
		s.on.Store(true)
	}
	ms, in := make([]sctp.Message, 8), make([]byte, 1<<10)
	for i := range ms {
		ms[i] = message(1, len(in), 0)
	}
	return func() {
		if _, err := a.TryWriteMessages(ms); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < len(ms); {
			sa.bring(b.sock)
			for _, _, err := b.TryReadMessage(1, in); err == nil; _, _, err = b.TryReadMessage(1, in) {
				got++
			}
			sb.bring(a.sock)
		}
	}
}
