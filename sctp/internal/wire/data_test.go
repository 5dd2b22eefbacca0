package wire

var dataCases = []testCase{
	{"9260-3.3.1-a whole message", `
		00           type DATA
		03           flags BE
		0015         length 21
		00000001     TSN 1
		0000         stream 0
		0000         SSN 0
		00000033     PPID 51
		68656c6c6f   payload
		000000       padding
	`, Data{FlagBegin | FlagEnd, 1, 0, 0, 51, []byte("hello")}, false},
	{"9260-3.3.1-b first fragment, I", `
		00           type DATA
		0a           flags I, B
		0014         length 20
		ffffffff     TSN, the last before 0
		fffe         stream 65534
		ffff         SSN 65535
		00000035     PPID 53
		01020304     payload
	`, Data{FlagBegin | FlagImmediate, 0xFFFFFFFF, 65534, 65535, 53, []byte{1, 2, 3, 4}}, false},
	{"9260-3.3.1-b middle fragment, unordered", `
		00           type DATA
		04           flags U
		0011         length 17
		80000000     TSN
		0001         stream 1
		0002         SSN, without a meaning
		00000035     PPID 53
		ff           payload
		000000       padding
	`, Data{FlagUnordered, 0x80000000, 1, 2, 53, []byte{0xFF}}, false},
	{"9260-3.3.1-b last fragment", `
		00           type DATA
		01           flags E
		0012         length 18
		00000002     TSN
		0001         stream 1
		0000         SSN 0
		00000035     PPID 53
		fefd         payload
		0000         padding
	`, Data{FlagEnd, 2, 1, 0, 53, []byte{0xFE, 0xFD}}, false},
	{"9260-6.2-f empty payload is the association's to answer", `
		00           type DATA
		03           flags BE
		0010         length 16
		00000007     TSN
		0001         stream 1
		0000         SSN 0
		00000033     PPID 51
	`, Data{FlagBegin | FlagEnd, 7, 1, 0, 51, []byte{}}, false},
	{"9260-3.2-b reserved flags and padding that is not 0", `
		00           type DATA
		f3           flags reserved, BE
		0011         length 17
		00000001     TSN
		0000         stream 0
		0000         SSN 0
		00000033     PPID 51
		61           payload
		ffffff       padding
	`, Data{FlagBegin | FlagEnd, 1, 0, 0, 51, []byte("a")}, true},
	{"padding missing at the end of the packet", `
		00           type DATA
		03           flags BE
		0011         length 17
		00000001     TSN
		0000         stream 0
		0000         SSN 0
		00000033     PPID 51
		61           payload
	`, Data{FlagBegin | FlagEnd, 1, 0, 0, 51, []byte("a")}, true},
	{"header cut short", `
		00           type DATA
		03           flags BE
		000f         length 15
		00000001     TSN
		0000         stream 0
		0000         SSN 0
		000033       PPID, three bytes of it
		00           padding
	`, ErrLength, true},
	{"9260-6.10-a partial chunk", `
		00           type DATA
		03           flags BE
		0015         length 21
		00000001     TSN
		0000         stream 0
		0000         SSN 0
		00000033     PPID 51
		68656c6c     payload, one byte missing
	`, ErrTruncated, true},
}
