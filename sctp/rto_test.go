package sctp

import (
	"testing"
	"time"
)

// TestRTO follows the formulas. // 9260-6.3.1-a
func TestRTO(t *testing.T) {
	const ms = time.Millisecond
	cfg := Config{RTOInitial: 1000 * ms, RTOMin: 200 * ms, RTOMax: 5000 * ms}
	tests := []struct {
		desc    string
		samples []time.Duration
		backoff int
		srtt    time.Duration
		rto     time.Duration
	}{
		{"initially", nil, 0, 0, 1000 * ms},
		{"the first sample", []time.Duration{100 * ms}, 0, 100 * ms, 300 * ms},
		{"the second", []time.Duration{100 * ms, 180 * ms}, 0, 110 * ms, 110*ms + 4*(50*ms+(80*ms-50*ms)/4)},
		{"a steady path ends at the minimum", []time.Duration{80 * ms, 80 * ms, 80 * ms, 80 * ms, 80 * ms, 80 * ms, 80 * ms, 80 * ms, 80 * ms, 80 * ms}, 0, 80 * ms, 200 * ms},
		{"the maximum", []time.Duration{4000 * ms}, 0, 4000 * ms, 5000 * ms},
		{"backoff doubles", nil, 2, 0, 4000 * ms},
		{"up to the maximum, however often", nil, 1000, 0, 5000 * ms}, // CVE-2025-40281
		{"no time at all", []time.Duration{0}, 0, 0, 200 * ms},
		{"a clock that went back", []time.Duration{-time.Hour}, 0, 0, 200 * ms},
	}
	for _, tt := range tests {
		var e rtoEstimator
		e.init(&cfg)
		for _, r := range tt.samples {
			e.sample(r)
		}
		for range tt.backoff {
			e.backoff()
		}
		if e.srtt != tt.srtt || e.rto != tt.rto {
			t.Errorf("%s: SRTT %v RTO %v, want %v %v", tt.desc, e.srtt, e.rto, tt.srtt, tt.rto)
		}
	}
	var e rtoEstimator
	e.init(&cfg)
	e.backoff()
	e.backoff()
	if e.sample(100 * ms); e.rto != 300*ms {
		t.Errorf("a sample ends the backoff: %v", e.rto) // 9260-6.3.3-a
	}
}

// TestKarn: one sample per round trip, and none of what was sent twice. // 9260-6.3.1-b
func TestKarn(t *testing.T) {
	tc := sending(t, 3)
	tc.now = tc.now.Add(300 * time.Millisecond)
	tc.write(sack{cum: 0})
	srtt := tc.a.Stats().SRTT
	if srtt != 300*time.Millisecond/8 { // after the sample of the handshake, which took no time
		t.Fatalf("SRTT %v", srtt)
	}
	tc.now = tc.now.Add(100 * time.Millisecond)
	tc.write(sack{cum: 2})
	if got := tc.a.Stats().SRTT; got != srtt {
		t.Fatalf("a second sample of the same round trip: %v", got)
	}
	tc.sent = nil
	tc.send(Message{Payload: payload(10)})
	tc.want("timed", "DATA tsn=3")
	tc.advanceToTimer()
	tc.want("sent again", "DATA tsn=3")
	tc.now = tc.now.Add(100 * time.Millisecond)
	tc.write(sack{cum: 3})
	if got := tc.a.Stats().SRTT; got != srtt {
		t.Fatalf("a sample of a retransmission: %v", got)
	}
}
