//go:build linux || darwin || freebsd

package udpsock

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime returns what the process has used, in all threads and in the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU runs step b.N times and reports the processor time for one datagram, sent and received.
func reportCPU(b *testing.B, datagrams int, step func()) {
	b.ReportAllocs()
	b.ResetTimer()
	begin := cpuTime()
	for range b.N {
		step()
	}
	b.ReportMetric(float64(cpuTime()-begin)/float64(b.N*datagrams), "cpu-ns/datagram")
}

// BenchmarkSocket compares batches over loopback with one call for each datagram.
func BenchmarkSocket(b *testing.B) {
	const batch, size = 32, 1237
	b.Run("plain", func(b *testing.B) {
		x, y := newTestSocket(b, loopback[0]), newTestSocket(b, loopback[0])
		p, in := make([]byte, size), make([]byte, 2000)
		to := at(y)
		reportCPU(b, batch, func() {
			for range batch {
				if _, err := x.WriteToUDPAddrPort(p, to); err != nil {
					b.Fatal(err)
				}
			}
			for range batch {
				if _, _, err := y.ReadFromUDPAddrPort(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	batches := func(gso, contiguous bool, sizes []int) func(b *testing.B) {
		return func(b *testing.B) {
			x, y := newTestSocket(b, loopback[0]), newTestSocket(b, loopback[0])
			if !gso {
				withoutGSO(x)
			}
			packets := to(at(y), numbered(sizes, contiguous))
			reportCPU(b, len(sizes), func() {
				if n, err := x.Send(packets); n != len(packets) {
					b.Fatal(err)
				}
				for left := len(packets); left > 0; {
					runs, err := y.Receive()
					if err != nil {
						b.Fatal(err)
					}
					for i := range runs {
						for range runs[i].Datagrams() {
							left--
						}
					}
				}
			})
		}
	}
	b.Run("one", batches(true, true, repeated(1, size)))
	b.Run("batch", batches(true, true, repeated(batch, size)))
	b.Run("scattered", batches(true, false, repeated(batch, size)))
	b.Run("withoutGSO", batches(false, true, repeated(batch, size)))
}
