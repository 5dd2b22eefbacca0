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
		what          string
		cfg           Config
	}{
		{64, 1, "", Config{}}, {1 << 10, 1, "", Config{}}, {16 << 10, 1, "", Config{}}, {64 << 10, 1, "", Config{}},
		{256 << 10, 1, "", Config{}}, {16 << 10, 32, "", Config{}},
		{16 << 10, 1, "/zero-checksum", Config{ZeroChecksum: DTLSDetection}},
		{64, 1, "/DATA", Config{NoInterleaving: true}}, {16 << 10, 1, "/DATA", Config{NoInterleaving: true}},
		{64, 1, "/BBR", Config{CongestionControl: BBR}}, {16 << 10, 1, "/BBR", Config{CongestionControl: BBR}},
	} {
		b.Run(fmt.Sprintf("size=%d/streams=%d%s", bb.size, bb.streams, bb.what), func(b *testing.B) {
			bb.cfg.HeartbeatInterval = -1
			p := newPipe(b, bb.cfg)
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
					for p.settle(); p.a.out.messages > 0; {
						p.settle() // paced
					}
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
