package wire

var heartbeatCases = []testCase{
	{"9260-3.3.5-a HEARTBEAT", `
		04           type HEARTBEAT
		00           flags
		000d         length 13
		0001         type Heartbeat Info
		0009         length 9
		0102030405   info
		000000       padding
	`, heartbeatValue{TypeHeartbeat, "\x01\x02\x03\x04\x05"}, false},
	{"9260-3.3.5-a HEARTBEAT ACK", `
		05           type HEARTBEAT ACK
		00           flags
		000c         length 12
		0001         type Heartbeat Info
		0008         length 8
		01020304     info
	`, heartbeatValue{TypeHeartbeatAck, "\x01\x02\x03\x04"}, false},
	{"empty info", `
		04           type HEARTBEAT
		00           flags
		0008         length 8
		0001         type Heartbeat Info
		0004         length 4
	`, heartbeatValue{TypeHeartbeat, ""}, false},
	{"9260-3.2-a padding of the info counted", `
		04           type HEARTBEAT
		00           flags
		0010         length 16
		0001         type Heartbeat Info
		0009         length 9
		0102030405   info
		000000       padding, counted
	`, heartbeatValue{TypeHeartbeat, "\x01\x02\x03\x04\x05"}, true},
	{"something behind the info", `
		04           type HEARTBEAT
		00           flags
		000e         length 14
		0001         type Heartbeat Info
		0005         length 5
		61           info
		000000       padding
		ffff         ignored
		0000         padding
	`, heartbeatValue{TypeHeartbeat, "a"}, true},
	{"no info", `
		04           type HEARTBEAT
		00           flags
		0004         length 4
	`, ErrLength, true},
	{"another parameter", `
		04           type HEARTBEAT
		00           flags
		0008         length 8
		0002         type, not Heartbeat Info
		0004         length 4
	`, ErrType, true},
	{"info that runs past the chunk", `
		05           type HEARTBEAT ACK
		00           flags
		000c         length 12
		0001         type Heartbeat Info
		0009         length 9
		01020304     info, one byte missing
	`, ErrTruncated, true},
	{"info of length 3", `
		05           type HEARTBEAT ACK
		00           flags
		0008         length 8
		0001         type Heartbeat Info
		0003         length 3
	`, ErrLength, true},
}
