package dtlsrecord

import (
	"testing"
)

// BenchmarkSession is the whole way of a batch from one Session to another, without
// a network.
func BenchmarkSession(b *testing.B) {
	for _, size := range []int{1, 32} {
		b.Run(map[int]string{1: "single", 32: "batch of 32"}[size], func(b *testing.B) {
			c, s := quietPair(b, dtlsConfig(b), dtlsConfig(b))
			frames := make([][]byte, size)
			buf := make([]byte, size*(Before+1200+After))
			for i := range frames {
				frames[i], buf = buf[:Before+1200+After], buf[Before+1200+After:]
			}
			s.Receive(func([][]byte, error) {})
			c.cfg.Send = func(datagrams [][]byte) (int, error) {
				s.HandleDatagrams(datagrams)
				return 0, nil
			}
			b.SetBytes(int64(1200 * size))
			b.ReportAllocs()
			for b.Loop() {
				c.WriteInPlace(frames)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size)/1200, "s/GB")
		})
	}
}

func BenchmarkHandshake(b *testing.B) {
	cc, sc := dtlsConfig(b), dtlsConfig(b)
	b.ReportAllocs()
	for b.Loop() {
		c, s := quietPair(b, cc, sc)
		c.Close()
		s.Close()
	}
}
