package wire

var ecnCases = []testCase{
	{"ecn-c ECNE with a count", `
		0c           type ECNE
		00           flags
		000c         length 12
		00000011     lowest TSN
		00000003     packets
	`, ECNE{0x11, 3}, false},
	{"ecn-a ECNE without a count", `
		0c           type ECNE
		00           flags
		0008         length 8
		00000011     lowest TSN
	`, ECNE{0x11, 1}, true},
	{"ecn-a CWR", `
		0d           type CWR
		00           flags
		0008         length 8
		00000011     TSN
	`, tsnValue{TypeCWR, 0x11}, false},
	{"ecn-c CWR with the override flag", `
		0d           type CWR
		01           flags
		0008         length 8
		00000011     TSN
	`, tsnValue{TypeCWR, 0x11}, true},
	{"ECNE without a TSN", `
		0c           type ECNE
		00           flags
		0004         length 4
	`, ErrLength, true},
	{"ECNE between its forms", `
		0c           type ECNE
		00           flags
		000a         length 10
		00000011     lowest TSN
		0000         half a count
		0000         padding
	`, ErrLength, true},
	{"CWR too short", `
		0d           type CWR
		00           flags
		0006         length 6
		0000         half a TSN
		0000         padding
	`, ErrLength, true},
}
