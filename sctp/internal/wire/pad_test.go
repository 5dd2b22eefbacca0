package wire

var padCases = []testCase{
	{"4820-3-a PAD", `
		84           type PAD
		00           flags
		000c         length 12
		0000000000000000  ignored
	`, padValue(12), false},
	{"4820-3-a the shortest", `
		84           type PAD
		00           flags
		0004         length 4
	`, padValue(4), false},
	{"4820-3-a PAD of anything", `
		84           type PAD
		ff           flags
		0007         length 7
		010203       ignored
		00           padding
	`, padValue(7), true},
	{"9260-3.2-c unknown chunk", `
		ff           type, reserved
		5a           flags
		0006         length 6
		abcd         value
		0000         padding
	`, unknownChunk{0xFF, 0x5A, "\xab\xcd"}, false},
}
