//go:build race

package datachannel

const raceEnabled = true
