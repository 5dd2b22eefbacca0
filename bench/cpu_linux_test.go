package bench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// machine describes where the figures come from, and what else ran there: where others
// want the same cores MB/s say little, and CPU time grows somewhat, too.
func machine() string {
	model, load := "unknown processor", "unknown"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
			}
		}
	}
	if avg, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(avg), " ")
	}
	return fmt.Sprintf("%s, %s/%s, %d cores (%s); load average when the run began: %s.",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model, load)
}

// A cost is what a piece of work took, of the whole process.
type cost struct {
	cpu, wall   time.Duration
	allocations uint64
	bytes       int64 // of payload that arrived
}

// measure runs f, which returns the bytes that arrived.
func measure(f func() int64) cost {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	n := f()
	c := cost{cpu: cpuTime() - cpu, wall: time.Since(start), bytes: n}
	runtime.ReadMemStats(&after)
	c.allocations = after.Mallocs - before.Mallocs
	return c
}

// cpuTime returns the time that all threads of the process have run, in user mode
// and in the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perGB returns CPU seconds for 10^9 bytes.
func (c cost) perGB() float64 { return c.cpu.Seconds() * 1e9 / float64(c.bytes) }

// rate returns MB/s, of 10^6 bytes.
func (c cost) rate() float64 { return float64(c.bytes) / 1e6 / c.wall.Seconds() }

// allocsPer returns allocations for each unit of bytes.
func (c cost) allocsPer(unit int) float64 {
	return float64(c.allocations) * float64(unit) / float64(c.bytes)
}

// alternate measures the works in turn, several times, so that what else the machine
// does meets all of them alike, and returns the costs of each.
func alternate(rounds int, works ...func() int64) [][]cost {
	costs := make([][]cost, len(works))
	for range rounds {
		for i, w := range works {
			costs[i] = append(costs[i], measure(w))
		}
	}
	return costs
}

// median returns the median of a figure.
func median(costs []cost, figure func(cost) float64) float64 {
	var all []float64
	for _, c := range costs {
		all = append(all, figure(c))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
