package sctp

import (
	"fmt"
	"testing"
)

// BenchmarkTransfer measures two engines in memory: from Send at one to Read at the
// other, SACKs and CRC32c included, both ends on one core.
func BenchmarkTransfer(b *testing.B) {
	for _, bb := range []struct {
		size, streams int
		zero          ErrorDetection
	}{
		{64, 1, 0}, {1 << 10, 1, 0}, {16 << 10, 1, 0}, {64 << 10, 1, 0}, {256 << 10, 1, 0}, {16 << 10, 32, 0}, {16 << 10, 1, DTLSDetection},
	} {
		name := fmt.Sprintf("size=%d/streams=%d", bb.size, bb.streams)
		if bb.zero != NoZeroChecksum {
			name += "/zero-checksum"
		}
		b.Run(name, func(b *testing.B) {
			p := newPipe(b, Config{HeartbeatInterval: -1, ZeroChecksum: bb.zero})
			payload := make([]byte, bb.size)
			b.SetBytes(int64(bb.size))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				m := Message{Stream: uint16(i % bb.streams), Payload: payload}
				if p.a.Send(p.now, m) != nil {
					b.Fatal("not accepted")
				}
				if i%max(1, 128<<10/bb.size) == 0 {
					p.run()
					p.settle()
				}
			}
			p.run()
		})
	}
}

// BenchmarkHandshake measures setting up both ends.
func BenchmarkHandshake(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newPipe(b, Config{})
	}
}
