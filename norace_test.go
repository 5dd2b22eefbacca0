//go:build !race

package sluice

const raceDetector = false
