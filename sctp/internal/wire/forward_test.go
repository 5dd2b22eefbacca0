package wire

import "testing"

var forwardTSNCases = []testCase{
	{"3758-3.2-a", `
		c0           type FORWARD-TSN
		00           flags
		0010         length 16
		ffffffff     new cumulative TSN
		0001         stream 1
		ffff         SSN 65535
		fffe         stream 65534
		0000         SSN 0
	`, forwardTSNValue{0xFFFFFFFF, []SkippedStream{{1, 0xFFFF}, {65534, 0}}}, false},
	{"3758-3.2-a unordered messages alone", `
		c0           type FORWARD-TSN
		00           flags
		0008         length 8
		00000005     new cumulative TSN
	`, forwardTSNValue{5, nil}, false},
	{"reserved flags", `
		c0           type FORWARD-TSN
		ff           flags
		0008         length 8
		00000005     new cumulative TSN
	`, forwardTSNValue{5, nil}, true},
	{"half an entry", `
		c0           type FORWARD-TSN
		00           flags
		000a         length 10
		00000005     new cumulative TSN
		0001         stream 1
		0000         padding
	`, ErrLength, true},
	{"no TSN", `
		c0           type FORWARD-TSN
		00           flags
		0004         length 4
	`, ErrLength, true},
}

func TestForwardTSNLen(t *testing.T) {
	streams := make([]SkippedStream, 7)
	if got, want := ForwardTSNLen(len(streams)), len(AppendForwardTSN(nil, 0, streams)); got != want {
		t.Errorf("ForwardTSNLen is %d, AppendForwardTSN appends %d bytes", got, want)
	}
}
