//go:build !race

package sctpnet

const raceDetector = false
