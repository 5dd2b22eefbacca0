//go:build !race

package datachannel

const raceDetector = false
