package wire

var causeCases = []testCase{
	{"9260-3.3.10-a Invalid Stream Identifier", `
		0001         code
		0008         length 8
		fffe         stream 65534
		0000         reserved
	`, invalidStreamCause(65534), false},
	{"Invalid Stream Identifier, reserved bits", `
		0001         code
		0008         length 8
		fffe         stream 65534
		ffff         reserved
	`, invalidStreamCause(65534), true},
	{"Invalid Stream Identifier too short", `
		0001         code
		0006         length 6
		fffe         stream 65534
	`, ErrLength, true},
	{"9260-5.1-c Missing Mandatory Parameter", `
		0002         code
		000a         length 10
		00000001     count of parameters
		0007         State Cookie
	`, missingParamsCause{ParamStateCookie}, false},
	{"9260-3.3.10-a Missing Mandatory Parameter, several", `
		0002         code
		000c         length 12
		00000002     count of parameters
		0007         State Cookie
		8002         RANDOM
	`, missingParamsCause{ParamStateCookie, ParamRandom}, false},
	{"Missing Mandatory Parameter, padding counted", `
		0002         code
		000c         length 12
		00000001     count of parameters
		0007         State Cookie
		0000         padding
	`, missingParamsCause{ParamStateCookie}, true},
	{"Missing Mandatory Parameter, none", `
		0002         code
		0008         length 8
		00000000     count of parameters
	`, missingParamsCause{}, false},
	{"Missing Mandatory Parameter without a count", `
		0002         code
		0004         length 4
	`, ErrLength, true},
	{"Missing Mandatory Parameter, one more than there is room", `
		0002         code
		000a         length 10
		00000002     count of parameters
		0007         State Cookie
	`, ErrLength, true},
	{"Missing Mandatory Parameter, count that wraps 32 bits to 1", `
		0002         code
		000a         length 10
		80000001     count of parameters
		0007         State Cookie
	`, ErrLength, true},
	{"Missing Mandatory Parameter, highest count", `
		0002         code
		0006         length 6
		ffffffff     count of parameters
	`, ErrLength, true},
	{"9260-3.3.10-a Stale Cookie", `
		0003         code
		0008         length 8
		000f4240     1 s in µs
	`, staleCookieCause(1000000), false},
	{"Stale Cookie too long", `
		0003         code
		000c         length 12
		000f4240     1 s in µs
		00000000     more
	`, ErrLength, true},
	{"9260-3.3.10-a Out of Resource", `
		0004         code
		0004         length 4
	`, otherCause{CauseOutOfResource, ""}, false},
	{"9260-3.3.10-a Unresolvable Address", `
		0005         code
		000c         length 12
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, paramCause{CauseUnresolvableAddress, addr("192.0.2.1")}, false},
	{"9260-3.3.2.1-a Unresolvable Address, a Host Name", `
		0005         code
		000a         length 10
		000b         type Host Name
		0006         length 6
		6100         name
	`, paramCause{CauseUnresolvableAddress, hostNameParam("a\x00")}, false},
	{"Unresolvable Address without one", `
		0005         code
		0004         length 4
	`, ErrTruncated, true},
	{"9260-3.3.10-a Unrecognized Chunk Type", `
		0006         code
		000a         length 10
		7e           type of the chunk
		01           flags of it
		0006         length of it
		abcd         value of it
	`, chunkCause("\x7e\x01\x00\x06\xab\xcd"), false},
	{"Unrecognized Chunk Type, padding of the chunk included", `
		0006         code
		000c         length 12
		7e           type of the chunk
		01           flags of it
		0006         length of it
		abcd         value of it
		0000         padding of it
	`, chunkCause("\x7e\x01\x00\x06\xab\xcd"), true},
	{"Unrecognized Chunk Type, cut to fit", `
		0006         code
		000a         length 10
		7e           type of the chunk
		01           flags of it
		0fff         length of it
		abcd         the beginning of its value
	`, chunkCause("\x7e\x01\x0f\xff\xab\xcd"), false},
	{"Unrecognized Chunk Type, more than one", `
		0006         code
		000c         length 12
		7e           type of the chunk
		01           flags of it
		0004         length of it
		7e010004     another chunk
	`, ErrLength, true},
	{"Unrecognized Chunk Type, half a header", `
		0006         code
		0006         length 6
		7e01         type and flags of the chunk
	`, ErrTruncated, true},
	{"9260-3.3.10-a Invalid Mandatory Parameter", `
		0007         code
		0004         length 4
	`, otherCause{CauseInvalidParam, ""}, false},
	{"9260-3.3.10-a Unrecognized Parameters", `
		0008         code
		0010         length 16
		c123         type of the first
		0005         length of it
		61           value of it
		000000       padding of it
		4123         type of the second
		0004         length of it
	`, paramsCause{CauseUnrecognizedParams, []any{otherParam{0xC123, "a"}, otherParam{0x4123, ""}}}, false},
	{"Unrecognized Parameters, one of them cut", `
		0008         code
		0008         length 8
		c123         type
		0005         length of it
	`, ErrTruncated, true},
	{"9260-6.2-f No User Data", `
		0009         code
		0008         length 8
		ffffffff     TSN
	`, noUserDataCause(0xFFFFFFFF), false},
	{"No User Data without a TSN", `
		0009         code
		0004         length 4
	`, ErrLength, true},
	{"9260-3.3.10-a Cookie Received While Shutting Down", `
		000a         code
		0004         length 4
	`, otherCause{CauseCookieShuttingDown, ""}, false},
	{"9260-3.3.10-a Restart of an Association with New Addresses", `
		000b         code
		0020         length 32
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
		0006         type IPv6
		0014         length 20
		20010db8000000000000000000000001  2001:db8::1
	`, paramsCause{CauseRestartNewAddresses, []any{addr("192.0.2.1"), addr("2001:db8::1")}}, false},
	{"9260-3.3.10-a User-Initiated Abort", `
		000c         code
		0007         length 7
		627965       reason
	`, textCause{CauseUserAbort, "bye"}, false},
	{"9260-3.3.10-a User-Initiated Abort, no reason", `
		000c         code
		0004         length 4
	`, textCause{CauseUserAbort, ""}, false},
	{"9260-3.3.10-a Protocol Violation", `
		000d         code
		0006         length 6
		6869         information
	`, textCause{CauseProtocolViolation, "hi"}, false},
	{"5061-4.3-a Request to Delete Last Remaining IP Address", `
		00a0         code
		0014         length 20
		c002         type Delete IP
		0010         length 16
		01023476     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, paramCause{CauseDeleteLastIP, asconfAddrParam{ParamDeleteIP, 0x01023476, addr("192.0.2.1")}}, false},
	{"5061-4.3-a Operation Refused Due to Resource Shortage", `
		00a1         code
		0014         length 20
		c001         type Add IP
		0010         length 16
		01023474     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, paramCause{CauseResourceShortage, asconfAddrParam{ParamAddIP, 0x01023474, addr("192.0.2.1")}}, false},
	{"5061-4.3-a Request to Delete Source IP Address", `
		00a2         code
		0014         length 20
		c002         type Delete IP
		0010         length 16
		01023476     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, paramCause{CauseDeleteSourceIP, asconfAddrParam{ParamDeleteIP, 0x01023476, addr("192.0.2.1")}}, false},
	{"5061-4.3-a Association Aborted Due to Illegal ASCONF-ACK", `
		00a3         code
		0004         length 4
	`, otherCause{CauseIllegalAsconfAck, ""}, false},
	{"5061-4.3-a Request Refused - No Authorization", `
		00a4         code
		0014         length 20
		c004         type Set Primary
		0010         length 16
		01023479     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, paramCause{CauseNoAuthorization, asconfAddrParam{ParamSetPrimary, 0x01023479, addr("192.0.2.1")}}, false},
	{"4895-4.1-a Unsupported HMAC Identifier", `
		0105         code
		0006         length 6
		0002         identifier
	`, unsupportedHMACCause(2), false},
	{"Unsupported HMAC Identifier, padding counted", `
		0105         code
		0008         length 8
		0002         identifier
		0000         padding
	`, unsupportedHMACCause(2), true},
	{"Unsupported HMAC Identifier without one", `
		0105         code
		0004         length 4
	`, ErrLength, true},
	{"unknown", `
		0fff         code
		0005         length 5
		61           information
	`, otherCause{0x0FFF, "a"}, false},
	{"length 0", `
		0004         code
		0000         length 0
	`, ErrLength, true},
	{"length 3", `
		0004         code
		0003         length 3
	`, ErrLength, true},
}
