package sctp

import "time"

// InUse reports whether an incoming stream has been used, so that a restart ends it.
func (a *Association) InUse(stream uint16) bool { return a.in.streams.get(stream) != nil }

// Invariants returns what of the association, which was drained, does not fit together, "" if all does.
func (a *Association) Invariants(now time.Time) string { return a.invariants(now) }

// RaceDetector says that the race detector makes everything slower.
const RaceDetector = raceDetector
