package wire

var cookieCases = []testCase{
	{"9260-3.3.11-a COOKIE ECHO", `
		0a           type COOKIE ECHO
		00           flags
		0009         length 9
		0102030405   cookie
		000000       padding
	`, cookieEchoValue("\x01\x02\x03\x04\x05"), false},
	{"9260-3.2-a COOKIE ECHO, padding counted: part of the cookie", `
		0a           type COOKIE ECHO
		00           flags
		000c         length 12
		0102030405   cookie
		000000       padding, counted
	`, cookieEchoValue("\x01\x02\x03\x04\x05\x00\x00\x00"), false},
	{"COOKIE ECHO, empty", `
		0a           type COOKIE ECHO
		00           flags
		0004         length 4
	`, cookieEchoValue(""), false},
	{"COOKIE ACK", `
		0b           type COOKIE ACK
		00           flags
		0004         length 4
	`, emptyValue{TypeCookieAck, 0}, false},
	{"COOKIE ACK with reserved flags", `
		0b           type COOKIE ACK
		fe           flags
		0004         length 4
	`, emptyValue{TypeCookieAck, 0}, true},
	{"COOKIE ACK with a value", `
		0b           type COOKIE ACK
		00           flags
		0005         length 5
		00           value
		000000       padding
	`, ErrLength, true},
	{"chunk of length 0", `
		0b           type COOKIE ACK
		00           flags
		0000         length 0
	`, ErrLength, true},
	{"chunk of length 3", `
		0b           type COOKIE ACK
		00           flags
		0003         length 3
	`, ErrLength, true},
	{"half a header", `
		0b           type COOKIE ACK
		00           flags
	`, ErrTruncated, true},
}
