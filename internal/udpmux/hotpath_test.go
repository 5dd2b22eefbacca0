package udpmux

import (
	"bytes"
	"testing"

	"github.com/sluice-rtc/sluice/internal/hotpath"
	"github.com/sluice-rtc/sluice/internal/udpsock"
)

func TestHotPaths(t *testing.T)          { hotpath.Check(t, hotPaths) }
func BenchmarkInstructions(b *testing.B) { hotpath.Benchmark(b, hotPaths) }

var hotPaths = []hotpath.Path{
	{Name: "whose a datagram is, 30 in a batch", Ops: 30, Prepare: func(t testing.TB) func() {
		m := newTestMux(t, loopback[0])
		p, s := m.ports[0], m.NewSession(false)
		t.Cleanup(func() { s.Close() })
		x := newTestSocket(t, loopback[0])
		s.SetPath(p.sock.local, x.local)
		n := 0
		s.Receive(func(datagrams [][]byte) { n += len(datagrams) })
		in := bytes.Repeat(append(record(""), make([]byte, 1187)...), 30)
		runs := []udpsock.Run{{Data: in, Size: len(in) / 30, From: x.local}}
		batch := make([][]byte, 0, udpsock.MaxSegments)
		return func() {
			n = 0
			if p.dispatch(runs, batch); n != 30 {
				t.Fatal(n)
			}
		}
	}},
}
