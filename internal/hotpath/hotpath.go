// Package hotpath holds what is done for every packet or message to its price: that
// it allocates nothing, and how many instructions it takes.
//
// A package lists its hot paths once, in a test file, and both its test (Check) and
// its benchmark (Benchmark) go through the list. `make bench-instructions` runs the
// benchmarks under callgrind, which collects within counted and nowhere else.
package hotpath

import "testing"

// A Path is something that is done again and again, in a steady state.
type Path struct {
	// Name says what is measured, for one of Ops.
	Name string

	// Prepare sets up what the path needs and returns what goes it once, Ops times
	// over. If Part is set, only what that hands to Count is counted.
	Prepare func(t testing.TB) (run func())
	Part    bool

	// Ops is how many packets or messages one run handles. Default 1.
	Ops int

	// Allocs is how often a run may allocate. Default 0.
	Allocs float64
}

// warmUp is how many runs lead to the steady state: stacks, rings and pools have grown.
const warmUp = 30

// Check wants every path to allocate no more than it says. Under the race detector,
// which allocates, it only goes them.
func Check(t *testing.T, paths []Path) {
	for _, p := range paths {
		t.Run(p.Name, func(t *testing.T) {
			run := p.Prepare(t)
			for range warmUp {
				run()
			}
			if got := testing.AllocsPerRun(100, run); got > p.Allocs && !raceDetector {
				t.Errorf("%v allocations, want %v", got, p.Allocs)
			}
		})
	}
}

// Benchmark measures every path. Times are per run, and "counted/op" says how many
// packets or messages that is.
func Benchmark(b *testing.B, paths []Path) {
	for _, p := range paths {
		b.Run(p.Name, func(b *testing.B) {
			run := p.Prepare(b)
			for range warmUp {
				run()
			}
			b.ReportAllocs()
			counting = p.Part
			for b.Loop() {
				if p.Part {
					run()
				} else {
					counted(run)
				}
			}
			counting = false
			b.ReportMetric(float64(max(p.Ops, 1)), "counted/op")
		})
	}
}

// counting says that what is handed to Count is to be counted.
var counting bool

// Count does f, as what is meant of a Path with Part set.
func Count(f func()) {
	if counting {
		counted(f)
	} else {
		f()
	}
}

// counted is known to callgrind by its name.
//
//go:noinline
func counted(f func()) { f() }
