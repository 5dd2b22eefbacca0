package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/sluice-rtc/sluice/sctp"
)

// stateWords is the size of an association in words of 8 bytes, and stateLines in lines of 64.
const (
	stateWords = int(unsafe.Sizeof(sctp.Association{}) / 8)
	stateLines = (stateWords + 7) / 8
)

// A state stands for an association: the first word of each line of 64 bytes is read.
type state [stateWords]uint64

// visit looks at so many lines, and changes each second one, as a packet does.
func (s *state) visit(lines int) (sum uint64) {
	for i := range lines {
		sum += s[8*i]
	}
	for i := 0; i < lines; i += 2 {
		s[8*i+1] = sum
	}
	return sum
}

// scaleFloor: what of a packet's cost is the memory of many associations and nothing else, for a
// program that does no more than look at as much of it. Both ends are in one process, so that there is
// twice as much as associations.
func scaleFloor(t *testing.T) {
	const visits, rounds = 50_000, 5
	counts := []int{10, 1000, 10_000}
	var columns []string
	for _, n := range counts {
		columns = append(columns, fmt.Sprint(n))
	}
	table(t, "CPU time of looking at memory alone, for comparison, in ns, by the number of associations", columns...)
	worlds := make([][]*state, len(counts))
	for i, n := range counts {
		worlds[i] = make([]*state, 2*n)
		order := rand.New(rand.NewPCG(1, uint64(n))).Perm(2 * n)
		for j := range worlds[i] {
			worlds[i][j] = new(state)
		}
		for j, k := range order { // each names the next, and all are one ring
			worlds[i][k][0] = uint64(order[(j+1)%len(order)])
		}
	}
	sum := uint64(0)
	measure := func(name string, work func(world []*state)) {
		var works []func() int64
		for _, world := range worlds {
			works = append(works, func() int64 { work(world); return visits })
		}
		var cells []string
		for _, c := range alternate(rounds, works...) {
			cells = append(cells, fmt.Sprintf("%.0f", median(c, cost.perGB)))
		}
		row(t, name, cells...)
	}
	measure("a line that the next one's place is read from", func(world []*state) {
		at := uint64(0)
		for range visits {
			at = world[at][0]
		}
		sum += at
	})
	for _, lines := range []int{24, stateLines} { // what the end that receives looks at; all there are, as the end that sends nearly does
		turn := 0
		measure(fmt.Sprintf("%d lines of an association at a time, half of them written", lines), func(world []*state) {
			for range visits {
				sum += world[turn%len(world)].visit(lines)
				turn += 7
			}
		})
	}
	runtime.KeepAlive(sum)
}
