package datachannel

import (
	"fmt"
	"testing"

	"github.com/sluice-rtc/sluice/internal/hotpath"
	"github.com/sluice-rtc/sluice/sctp"
)

func TestHotPaths(t *testing.T)          { hotpath.Check(t, hotPaths()) }
func BenchmarkInstructions(b *testing.B) { hotpath.Benchmark(b, hotPaths()) }

// hotPaths are what a message of a channel takes, with all that is below it: both ends on one goroutine,
// as the transport hands packets over within WriteInPlace.
func hotPaths() []hotpath.Path {
	var paths []hotpath.Path
	for _, size := range []int{64, 16 << 10} {
		paths = append(paths, hotpath.Path{
			Name: fmt.Sprintf("a message of %d bytes sent and read", size),
			Ops:  8,
			Prepare: func(t testing.TB) func() {
				from, to := channelPair(t)
				data, in := make([]byte, size), make([]byte, size)
				return func() {
					for range 8 {
						if err := from.Send(data); err != nil {
							t.Fatal(err)
						}
						if _, err := to.ReadMessageInto(background, in); err != nil {
							t.Fatal(err)
						}
					}
				}
			},
		})
	}
	return paths
}

// channelPair returns both ends of a channel over wires.
func channelPair(t testing.TB) (from, to *Channel) {
	t.Helper()
	wa, wb := newWires()
	cfg := Config{SCTP: sctp.Config{HeartbeatInterval: -1, MaxMTU: -1}}
	sa, sb := NewSession(cfg), NewSession(cfg)
	check(t, sb.Start(wb, Params{}))
	check(t, sa.Start(wa, Params{DTLSClient: true}))
	t.Cleanup(func() {
		sa.Abort("")
		sb.Abort("")
		<-sa.conn.Done()
		<-sb.conn.Done()
	})
	from, err := sa.CreateChannel("", nil)
	check(t, err)
	to, err = sb.Accept(background)
	check(t, err)
	check(t, from.WaitOpen(background))
	return from, to
}
