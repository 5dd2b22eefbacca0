package sctp_test

import (
	"fmt"
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// A witness is the Tracer of a simulated host. It holds that what it is told agrees
// with itself, with the events that the application takes, and with Stats.
type witness struct {
	h       *host
	state   sctp.State
	metrics sctp.PathStats
	told    []sctp.Event      // and not taken by the application yet
	lost    map[uint32]uint64 // TSNs that count as lost: how many recoveries had been taken back then, and one

	sent, received, dropped, again uint64
	abandoned                      sctp.AbandonedStats
	recovering                     bool
}

func (t *witness) Trace(e sctp.TraceEvent) {
	w := t.h.w
	if !e.Time.Equal(w.now) {
		w.fail("host %d: traced event %d at %v", t.h.side, e.Kind, e.Time.Sub(w.start))
	}
	switch e.Kind {
	case sctp.TracePacketSent:
		t.sent++
	case sctp.TracePacketReceived:
		t.received++
	case sctp.TracePacketDropped:
		t.dropped++
	case sctp.TraceState:
		if e.Before != t.state || e.State == t.state {
			w.fail("host %d: traced from state %v to %v, was in %v", t.h.side, e.Before, e.State, t.state)
		}
		t.state = e.State
	case sctp.TraceMetrics:
		t.metrics = e.Metrics
	case sctp.TraceRecovery:
		if e.On == t.recovering {
			w.fail("host %d: traced recovery %v twice", t.h.side, e.On)
		}
		t.recovering = e.On
	case sctp.TraceLost:
		when := t.h.Stats().SpuriousRecoveries + 1
		if t.lost[e.TSN] == when {
			w.fail("host %d: chunk %d traced as lost twice", t.h.side, e.TSN)
		}
		t.lost[e.TSN] = when
	case sctp.TraceRetransmit:
		t.again++
		if t.lost[e.TSN] == 0 && !e.On {
			w.fail("host %d: chunk %d is sent again and was not traced as lost", t.h.side, e.TSN)
		}
		delete(t.lost, e.TSN)
	case sctp.TraceAbandoned:
		t.count(e)
	case sctp.TraceNotify:
		if e.Event.Kind == sctp.EventRestarted {
			t.lost, t.recovering = make(map[uint32]uint64), false
		}
		t.told = append(t.told, e.Event)
	}
}

func (t *witness) count(e sctp.TraceEvent) {
	c := map[sctp.TraceReason]*sctp.Abandoned{
		sctp.ReasonRetransmits: &t.abandoned.ByRetransmits, sctp.ReasonLifetime: &t.abandoned.ByLifetime,
		sctp.ReasonPriority: &t.abandoned.ByPriority,
	}[e.Reason]
	switch {
	case e.Reason == 0 && t.h.inParts: // the application did
	case c == nil:
		t.h.w.fail("host %d: a message was given up because of %v", t.h.side, e.Reason)
	case e.On:
		c.Sent++
	default:
		c.Unsent++
	}
}

// took compares an event with the trace.
func (t *witness) took(e sctp.Event) {
	if len(t.told) == 0 || t.told[0] != e {
		t.h.w.fail("host %d: the application is told %+v, the trace %+v", t.h.side, e, t.told)
		return
	}
	t.told = t.told[1:]
}

// compare compares the trace with the statistics, when the engine has been drained.
func (t *witness) compare() {
	st := t.h.Stats()
	got := fmt.Sprint(t.sent, t.received, t.dropped, t.again, t.abandoned, t.state, t.metrics.CongestionWindow, t.metrics.SRTT, t.metrics.RTO)
	want := fmt.Sprint(st.PacketsSent, st.PacketsReceived, st.PacketsDropped, st.Retransmissions, st.Abandoned, st.State,
		st.CongestionWindow, st.SRTT, st.RTO)
	if t.sent > 0 && got != want {
		t.h.w.fail("host %d: traced %s, the statistics are %s", t.h.side, got, want)
	}
}

// TestSimulationTraceSilent: whether there is a Tracer changes nothing.
func TestSimulationTraceSilent(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		traced, err := runSeed(seed, nil, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		plain, err := runSeed(seed, nil, func(e engine) engine { return e })
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if traced.hosts[0].witness == nil && !traced.hosts[0].plan.endpoint || plain.hosts[0].witness != nil {
			t.Fatal("not one with and one without")
		}
		if traced.fingerprint() != plain.fingerprint() {
			t.Errorf("seed %d: it runs another way with a Tracer", seed)
		}
	}
}
