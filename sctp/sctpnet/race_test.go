//go:build race

package sctpnet

const raceEnabled = true
