package wire

var shutdownCases = []testCase{
	{"9260-3.3.8-a SHUTDOWN", `
		07           type SHUTDOWN
		00           flags
		0008         length 8
		fffffffe     cumulative TSN ack
	`, tsnValue{TypeShutdown, 0xFFFFFFFE}, false},
	{"9260-3.3.8-a SHUTDOWN ACK", `
		08           type SHUTDOWN ACK
		00           flags
		0004         length 4
	`, emptyValue{TypeShutdownAck, 0}, false},
	{"9260-3.3.8-a SHUTDOWN COMPLETE", `
		0e           type SHUTDOWN COMPLETE
		00           flags
		0004         length 4
	`, emptyValue{TypeShutdownComplete, 0}, false},
	{"9260-3.3.8-a SHUTDOWN COMPLETE, reflected", `
		0e           type SHUTDOWN COMPLETE
		01           flags T
		0004         length 4
	`, emptyValue{TypeShutdownComplete, FlagT}, false},
	{"SHUTDOWN without a TSN", `
		07           type SHUTDOWN
		00           flags
		0004         length 4
	`, ErrLength, true},
	{"SHUTDOWN too long", `
		07           type SHUTDOWN
		00           flags
		000c         length 12
		00000001     cumulative TSN ack
		00000002     no gaps here
	`, ErrLength, true},
	{"SHUTDOWN ACK with a value", `
		08           type SHUTDOWN ACK
		00           flags
		0008         length 8
		00000001     value
	`, ErrLength, true},
}
