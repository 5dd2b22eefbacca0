package wire

var initParamCases = []testCase{
	{"9260-3.3.3-a State Cookie", `
		0007         type State Cookie
		0007         length 7
		010203       cookie
	`, stateCookieParam("\x01\x02\x03"), false},
	{"9260-3.2.2-a Unrecognized Parameter", `
		0008         type Unrecognized Parameter
		0009         length 9
		c123         type of it
		0005         length of it
		61           value of it
	`, unrecognizedParam("\xc1\x23\x00\x05a"), false},
	{"9260-3.2-a Unrecognized Parameter, the padding inside counted", `
		0008         type Unrecognized Parameter
		000c         length 12
		c123         type of it
		0005         length of it
		61           value of it
		000000       padding of it
	`, unrecognizedParam("\xc1\x23\x00\x05a"), true},
	{"Unrecognized Parameter without one", `
		0008         type Unrecognized Parameter
		0004         length 4
	`, ErrTruncated, true},
	{"Unrecognized Parameter with two", `
		0008         type Unrecognized Parameter
		000c         length 12
		c123         type of the first
		0004         length of it
		c124         type of the second
		0004         length of it
	`, ErrLength, true},
	{"9260-3.3.2.1-b Cookie Preservative", `
		0009         type Cookie Preservative
		0008         length 8
		000003e8     increment 1000 ms
	`, uint32Param{ParamCookiePreservative, 1000}, false},
	{"Cookie Preservative too long", `
		0009         type Cookie Preservative
		0009         length 9
		000003e800   increment and a byte
	`, ErrLength, true},
	{"9260-3.3.2.1-b Supported Address Types", `
		000c         type Supported Address Types
		000a         length 10
		0005         IPv4
		0006         IPv6
		000b         Host Name, to be ignored
	`, uint16sParam{ParamSupportedAddrTypes, []uint16{5, 6, 11}}, false},
	{"Supported Address Types, none", `
		000c         type Supported Address Types
		0004         length 4
	`, uint16sParam{ParamSupportedAddrTypes, nil}, false},
	{"Supported Address Types, half of one", `
		000c         type Supported Address Types
		0007         length 7
		0005         IPv4
		00           half
	`, ErrLength, true},
	{"ecn-a ECN Capable", `
		8000         type ECN Capable
		0004         length 4
	`, emptyParam(ParamECN), false},
	{"ECN Capable with a value", `
		8000         type ECN Capable
		0005         length 5
		00           value
	`, ErrLength, true},
	{"9653-4-a Zero Checksum Acceptable", `
		8001         type Zero Checksum Acceptable
		0008         length 8
		00000001     method: DTLS
	`, uint32Param{ParamZeroChecksum, 1}, false},
	{"Zero Checksum Acceptable too short", `
		8001         type Zero Checksum Acceptable
		0006         length 6
		0001         half a method
	`, ErrLength, true},
	{"4820-4-a PAD", `
		8005         type PAD
		0008         length 8
		00000000     ignored
	`, padParam(8), false},
	{"4820-4-a PAD of anything", `
		8005         type PAD
		0007         length 7
		ffeedd       ignored
	`, padParam(7), true},
	{"5061-4.2.7-a Supported Extensions", `
		8008         type Supported Extensions
		0008         length 8
		82           RE-CONFIG
		c0           FORWARD-TSN
		40           I-DATA
		c2           I-FORWARD-TSN
	`, chunkTypesParam{ParamExtensions, []ChunkType{TypeReconfig, TypeForwardTSN, TypeIData, TypeIForwardTSN}}, false},
	{"3758-3.1-a Forward-TSN-Supported", `
		c000         type Forward-TSN-Supported
		0004         length 4
	`, emptyParam(ParamForwardTSN), false},
	{"Adaptation Layer Indication", `
		c006         type Adaptation Layer
		0008         length 8
		deadbeef     code point
	`, uint32Param{ParamAdaptation, 0xDEADBEEF}, false},
	{"9260-3.2.1-a unknown", `
		4fff         type, unknown
		0006         length 6
		0102         value
	`, otherParam{0x4FFF, "\x01\x02"}, false},
	{"9260-3.3.5-a Heartbeat Info", `
		0001         type Heartbeat Info
		0006         length 6
		0102         info
	`, otherParam{ParamHeartbeatInfo, "\x01\x02"}, false},
	{"length 0", `
		c000         type
		0000         length 0
	`, ErrLength, true},
	{"length 1", `
		c000         type
		0001         length 1
	`, ErrLength, true},
	{"length 2", `
		c000         type
		0002         length 2
	`, ErrLength, true},
	{"length 3", `
		c000         type
		0003         length 3
	`, ErrLength, true},
	{"half a header", `
		c000         type
	`, ErrTruncated, true},
	{"longer than the list", `
		8008         type Supported Extensions
		ffff         length 65535
		82c0         types
	`, ErrTruncated, true},
}
