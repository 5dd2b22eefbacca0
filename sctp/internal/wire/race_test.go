//go:build race

package wire

// raceDetector says that allocations do not count: the race detector makes some.
const raceDetector = true
