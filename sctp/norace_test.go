//go:build !race

package sctp

const raceDetector = false
