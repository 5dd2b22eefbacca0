//go:build race

package sctpnet

const raceDetector = true
