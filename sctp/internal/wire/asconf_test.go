package wire

var asconfCases = []testCase{
	{"5061-4.1-a ASCONF", `
		c1           type ASCONF
		00           flags
		0030         length 48
		ffffffff     serial number
		0005         type IPv4
		0008         length 8
		00000000     wildcard
		c001         type Add IP
		0010         length 16
		00000001     correlation id
		0005         type IPv4
		0008         length 8
		00000000     wildcard
		c004         type Set Primary
		0010         length 16
		00000002     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, asconfValue{TypeAsconf, 0xFFFFFFFF, []any{
		addr("0.0.0.0"),
		asconfAddrParam{ParamAddIP, 1, addr("0.0.0.0")},
		asconfAddrParam{ParamSetPrimary, 2, addr("192.0.2.1")},
	}}, false},
	{"5061-5.1-b ASCONF-ACK: all is well", `
		80           type ASCONF-ACK
		00           flags
		0008         length 8
		00000007     serial number
	`, asconfValue{TypeAsconfAck, 7, nil}, false},
	{"5061-4.1-a ASCONF-ACK with a failure and a success", `
		80           type ASCONF-ACK
		00           flags
		0020         length 32
		00000007     serial number
		c003         type Error Cause Indication
		000d         length 13
		00000001     correlation id
		000d         code Protocol Violation
		0005         length 5
		61           information
		000000       padding
		c005         type Success Indication
		0008         length 8
		00000002     correlation id
	`, asconfValue{TypeAsconfAck, 7, []any{
		asconfErrorParam{1, []any{textCause{CauseProtocolViolation, "a"}}},
		asconfSuccessParam(2),
	}}, false},
	{"without a serial number", `
		c1           type ASCONF
		00           flags
		0004         length 4
	`, ErrLength, true},
	{"parameter of length 2", `
		c1           type ASCONF
		00           flags
		000c         length 12
		00000007     serial number
		0005         type IPv4
		0002         length 2
	`, ErrLength, true},
}

var asconfParamCases = []testCase{
	{"5061-4.2-a Add IP", `
		c001         type Add IP
		001c         length 28
		00000001     correlation id
		0006         type IPv6
		0014         length 20
		20010db8000000000000000000000001  2001:db8::1
	`, asconfAddrParam{ParamAddIP, 1, addr("2001:db8::1")}, false},
	{"5061-4.2-a Delete IP", `
		c002         type Delete IP
		0010         length 16
		00000002     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, asconfAddrParam{ParamDeleteIP, 2, addr("192.0.2.1")}, false},
	{"5061-4.2-a Set Primary, the example of RFC 5061, section 4.2.4", `
		c004         type Set Primary
		0010         length 16
		01023479     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, asconfAddrParam{ParamSetPrimary, 0x01023479, addr("192.0.2.1")}, false},
	{"5061-4.2-a Error Cause Indication, the example of RFC 5061, section 4.3.1", `
		c003         type Error Cause Indication
		001c         length 28
		01023476     correlation id
		00a0         code Delete Last IP
		0014         length 20
		c002         type Delete IP
		0010         length 16
		01023476     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
	`, asconfErrorParam{0x01023476, []any{
		paramCause{CauseDeleteLastIP, asconfAddrParam{ParamDeleteIP, 0x01023476, addr("192.0.2.1")}},
	}}, false},
	{"5061-4.2-a Success Indication", `
		c005         type Success Indication
		0008         length 8
		ffffffff     correlation id
	`, asconfSuccessParam(0xFFFFFFFF), false},
	{"Success Indication with a body", `
		c005         type Success Indication
		000c         length 12
		00000001     correlation id
		00000000     body
	`, ErrLength, true},
	{"request without a correlation id", `
		c001         type Add IP
		0006         length 6
		0000         half
	`, ErrLength, true},
	{"request without an address", `
		c001         type Add IP
		0008         length 8
		00000001     correlation id
	`, ErrTruncated, true},
	{"request with something else than an address", `
		c002         type Delete IP
		000c         length 12
		00000001     correlation id
		c000         type Forward-TSN-Supported
		0004         length 4
	`, ErrType, true},
	{"request with two addresses", `
		c001         type Add IP
		0018         length 24
		00000001     correlation id
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
		0005         type IPv4
		0008         length 8
		c0000202     192.0.2.2
	`, ErrLength, true},
}
