package sctptrace

import "github.com/sluice-rtc/sluice/sctp"

// Tee returns a Tracer that tells each of several.
func Tee(tracers ...sctp.Tracer) sctp.Tracer { return tee(tracers) }

type tee []sctp.Tracer

func (t tee) Trace(e sctp.TraceEvent) {
	for _, tracer := range t {
		tracer.Trace(e)
	}
}
