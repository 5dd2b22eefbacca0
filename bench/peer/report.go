package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A report is the line that is printed.
type report []figure

type figure struct {
	name  string
	value float64
}

func (r report) String() string {
	var words []string
	for _, f := range r {
		words = append(words, fmt.Sprintf("%s=%.9g", f.name, f.value))
	}
	return strings.Join(words, " ")
}

// A meter takes the cost of what happens between start and stop, of the whole process.
type meter struct {
	before runtime.MemStats
	cpu    time.Duration
	at     time.Time
}

func start() *meter {
	m := new(meter)
	runtime.GC()
	runtime.ReadMemStats(&m.before)
	m.cpu, m.at = cpuTime(), time.Now()
	return m
}

// stop returns the cost of work that moved messages.
func (m *meter) stop(messages, bytes int64) report {
	wall, cpu := time.Since(m.at), cpuTime()-m.cpu
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	return report{
		{"messages", float64(messages)}, {"bytes", float64(bytes)},
		{"seconds", wall.Seconds()}, {"cpu", cpu.Seconds()},
		{"allocations", float64(after.Mallocs - m.before.Mallocs)},
	}
}

// alsoCounts is a further process whose time counts, 0 if there is none.
var alsoCounts int

// cpuTime returns the time that all threads of the process have run, in user mode
// and in the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	d := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	if alsoCounts != 0 {
		const scheduled = 2 // CPUCLOCK_SCHED: the clock of a process, see clock_getcpuclockid(3)
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^alsoCounts<<3|scheduled), &t); err != nil {
			panic(err)
		}
		d += time.Duration(t.Nano())
	}
	return d
}

// quantiles adds those of some times, which it sorts.
func (r report) quantiles(times []time.Duration) report {
	slices.Sort(times)
	for _, q := range []struct {
		name string
		at   float64
	}{{"q10", 0.1}, {"q25", 0.25}, {"q50", 0.5}, {"q75", 0.75}, {"q90", 0.9}, {"q95", 0.95}, {"q99", 0.99}, {"q999", 0.999}} {
		at := times[int(q.at*float64(len(times)))]
		r = append(r, figure{q.name, float64(at.Nanoseconds()) / 1e3})
	}
	return r
}

// A footprint is what the process keeps.
type footprint struct {
	memory     float64 // of heap and stacks, in bytes
	goroutines int
}

// keeps waits until what is no longer in use is gone, and returns what is left.
func keeps() footprint {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return footprint{float64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()}
}

// since returns, of a number of ends, what each keeps more than before.
func (f footprint) since(before footprint, ends int) report {
	n := float64(ends)
	return report{
		{"ends", n}, {"memory", (f.memory - before.memory) / n},
		{"goroutines", float64(f.goroutines-before.goroutines) / n},
	}
}
