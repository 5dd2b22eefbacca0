package bench

import (
	"strings"
	"testing"
)

// TestPingPongFloor: what the preface says of a message there and back is of the run at hand, and it says nothing where
// that was not measured, or the goal is within reach.
func TestPingPongFloor(t *testing.T) {
	measure := func(undriven float64) *measured {
		m := &measured{samples: make(map[string][]sample)}
		for title, figures := range map[string]map[string]float64{
			"udp pingpong 64 B":               {ours.name: 8, plainUDP.name: 4, bareUDP.name: 4.25, engineUDP.name: undriven},
			"memory pingpong 64 B":            {ourEngine.name: 1.25},
			"apart pingpong 64 B on one core": {ours.name: 9, plainUDP.name: 8},
		} {
			for name, x := range figures {
				m.samples[key(title, name)] = []sample{{"q50": x}}
			}
		}
		return m
	}
	m := measure(6)
	got := pingPongFloor(m)
	for _, want := range []string{"1.3 times", "5.20 us", "take 4.25", "1.25:", "leaves -0.30", "takes 6.00 (1.50 times)", "8.00 us (2.00 times)", "1.12 times"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if got := pingPongFloor(measure(5)); got != "" {
		t.Errorf("the goal is within reach: %q", got)
	}
	delete(m.samples, key("memory pingpong 64 B", ourEngine.name))
	if got := pingPongFloor(m); got != "" {
		t.Errorf("not measured: %q", got)
	}
}
