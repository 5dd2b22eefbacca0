//go:build !race

package datachannel

const raceEnabled = false
