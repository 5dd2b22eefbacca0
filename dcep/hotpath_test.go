package dcep_test

import (
	"testing"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/hotpath"
)

func TestHotPaths(t *testing.T)          { hotpath.Check(t, hotPaths) }
func BenchmarkInstructions(b *testing.B) { hotpath.Benchmark(b, hotPaths) }

var hotPaths = []hotpath.Path{
	{Name: "parse an OPEN", Allocs: 2 /* label and protocol */, Prepare: func(t testing.TB) func() {
		in, err := dcep.AppendOpen(nil, dcep.Open{Label: "telemetry", Protocol: "json"})
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if _, err := dcep.ParseOpen(in); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{Name: "append an OPEN", Prepare: func(t testing.TB) func() {
		buf, open := make([]byte, 0, 64), dcep.Open{Label: "telemetry", Protocol: "json"}
		return func() { buf, _ = dcep.AppendOpen(buf[:0], open) }
	}},
}
