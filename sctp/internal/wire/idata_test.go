package wire

var iDataCases = []testCase{
	{"8260-2.1-a whole message", `
		40           type I-DATA
		03           flags BE
		0017         length 23
		00000001     TSN
		0005         stream 5
		0000         reserved
		00000009     MID 9
		00000033     PPID 51
		616263       payload
		00           padding
	`, IData{FlagBegin | FlagEnd, 1, 5, 9, 51, 0, []byte("abc")}, false},
	{"8260-2.1-a first fragment has the PPID, and FSN 0", `
		40           type I-DATA
		02           flags B
		0015         length 21
		00000002     TSN
		ffff         stream 65535
		0000         reserved
		ffffffff     MID, the last before 0
		00000035     PPID 53
		01           payload
		000000       padding
	`, IData{FlagBegin, 2, 65535, 0xFFFFFFFF, 53, 0, []byte{1}}, false},
	{"8260-2.1-a last fragment has an FSN and no PPID, unordered, 7053-5-a I", `
		40           type I-DATA
		0d           flags I, U, E
		0018         length 24
		00000003     TSN
		0001         stream 1
		0000         reserved
		00000000     MID 0
		ffffffff     FSN, the last before 0
		01020304     payload
	`, IData{FlagEnd | FlagUnordered | FlagImmediate, 3, 1, 0, 0, 0xFFFFFFFF, []byte{1, 2, 3, 4}}, false},
	{"empty payload", `
		40           type I-DATA
		00           flags: middle fragment
		0014         length 20
		00000004     TSN
		0001         stream 1
		0000         reserved
		00000001     MID 1
		00000001     FSN 1
	`, IData{0, 4, 1, 1, 0, 1, []byte{}}, false},
	{"reserved bits", `
		40           type I-DATA
		f1           flags reserved, E
		0015         length 21
		00000004     TSN
		0001         stream 1
		ffff         reserved
		00000001     MID 1
		00000001     FSN 1
		61           payload
		abcdef       padding
	`, IData{FlagEnd, 4, 1, 1, 0, 1, []byte("a")}, true},
	{"header cut short", `
		40           type I-DATA
		03           flags BE
		0013         length 19
		00000004     TSN
		0001         stream 1
		0000         reserved
		00000001     MID 1
		000000       PPID, three bytes of it
		00           padding
	`, ErrLength, true},
}
