package sctp

// InUse reports whether an incoming stream has been used, so that a restart ends it.
func (a *Association) InUse(stream uint16) bool { return a.in.streams.get(stream) != nil }

// RaceDetector says that the race detector makes everything slower.
const RaceDetector = raceDetector
