//go:build race

package sctp

// raceDetector says that allocations do not count: the race detector makes some.
const raceDetector = true
