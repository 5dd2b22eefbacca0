package wire

import (
	"testing"

	"github.com/sluice-rtc/sluice/internal/hotpath"
)

func TestHotPaths(t *testing.T)          { hotpath.Check(t, hotPaths) }
func BenchmarkInstructions(b *testing.B) { hotpath.Benchmark(b, hotPaths) }

// hotPaths are what every packet of a transfer goes through in this package.
var hotPaths = []hotpath.Path{
	{Name: "walk a packet with SACK and DATA", Prepare: func(t testing.TB) func() {
		packet := AppendSack(AppendHeader(nil, 5000, 5000, 1), 9, 1<<20, []GapBlock{{2, 3}}, nil)
		packet = AppendData(packet, Data{Flags: FlagBegin | FlagEnd, TSN: 1, PPID: 51, Payload: make([]byte, 1100)})
		return func() {
			it := Packet(packet).Chunks()
			n := 0
			for c, ok := it.Next(); ok; c, ok = it.Next() {
				switch c.Type() {
				case TypeSack:
					if s, err := c.Sack(); err == nil && s.Gap(0).End == 3 {
						n++
					}
				case TypeData:
					if d, err := c.Data(); err == nil && len(d.Payload) == 1100 {
						n++
					}
				}
			}
			if n != 2 {
				t.Fatal(n)
			}
		}
	}},
	{Name: "append 1,100 bytes of DATA", Prepare: func(t testing.TB) func() {
		d := Data{Flags: FlagBegin | FlagEnd, TSN: 1, PPID: 51, Payload: make([]byte, 1100)}
		buf := make([]byte, 0, 2048)
		return func() { AppendData(AppendHeader(buf, 5000, 5000, 1), d) }
	}},
	{Name: "CRC32c of 1,188 bytes", Prepare: func(t testing.TB) func() {
		packet := make([]byte, 1188)
		return func() { SetChecksum(packet) }
	}},
}
