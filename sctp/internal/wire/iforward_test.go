package wire

var iForwardTSNCases = []testCase{
	{"8260-2.3.1-a", `
		c2           type I-FORWARD-TSN
		00           flags
		0018         length 24
		00000005     new cumulative TSN
		0001         stream 1
		0000         ordered
		ffffffff     MID
		0001         stream 1
		0001         unordered
		00000007     MID
	`, iForwardTSNValue{5, []SkippedMessage{{1, false, 0xFFFFFFFF}, {1, true, 7}}}, false},
	{"no messages", `
		c2           type I-FORWARD-TSN
		00           flags
		0008         length 8
		00000005     new cumulative TSN
	`, iForwardTSNValue{5, nil}, false},
	{"8260-2.3.1-a reserved bits", `
		c2           type I-FORWARD-TSN
		ff           flags
		0010         length 16
		00000005     new cumulative TSN
		0001         stream 1
		fffe         reserved, ordered
		00000007     MID
	`, iForwardTSNValue{5, []SkippedMessage{{1, false, 7}}}, true},
	{"half an entry, an entry of FORWARD-TSN", `
		c2           type I-FORWARD-TSN
		00           flags
		000c         length 12
		00000005     new cumulative TSN
		0001         stream 1
		0000         ordered
	`, ErrLength, true},
	{"no TSN", `
		c2           type I-FORWARD-TSN
		00           flags
		0004         length 4
	`, ErrLength, true},
}
