package wire

var initCases = []testCase{
	{"9260-3.3.2-a INIT without parameters", `
		01           type INIT
		00           flags
		0014         length 20
		12345678     Initiate Tag
		000005dc     a_rwnd 1500
		0001         OS 1
		ffff         MIS 65535
		ffffffff     initial TSN
	`, initValue{TypeInit, 0x12345678, 1500, 1, 65535, 0xFFFFFFFF, nil}, false},
	{"snap-e", `
		01           type INIT
		00           flags
		001e         length 30, the last padding not counted
		896cdd1d     Initiate Tag
		00500000     a_rwnd
		ffff         OS 65535
		ffff         MIS 65535
		e079651d     initial TSN
		c000         type Forward-TSN-Supported
		0004         length 4
		8008         type Supported Extensions
		0006         length 6
		82c0         RE-CONFIG, FORWARD-TSN
		0000         padding
	`, initValue{TypeInit, 0x896CDD1D, 0x500000, 65535, 65535, 0xE079651D, []any{
		emptyParam(ParamForwardTSN),
		chunkTypesParam{ParamExtensions, []ChunkType{TypeReconfig, TypeForwardTSN}},
	}}, false},
	{"9260-3.2-a padding of a parameter that is not the last counts", `
		01           type INIT
		00           flags
		0028         length 40
		00000001     Initiate Tag
		00001000     a_rwnd
		0001         OS 1
		0001         MIS 1
		00000000     initial TSN
		8008         type Supported Extensions
		0005         length 5
		82           RE-CONFIG
		000000       padding, counted
		8001         type Zero Checksum Acceptable
		0008         length 8
		00000001     method: DTLS
		c000         type Forward-TSN-Supported
		0004         length 4
	`, initValue{TypeInit, 1, 4096, 1, 1, 0, []any{
		chunkTypesParam{ParamExtensions, []ChunkType{TypeReconfig}},
		uint32Param{ParamZeroChecksum, 1},
		emptyParam(ParamForwardTSN),
	}}, false},
	{"9260-3.2-a padding of the last parameter counted all the same", `
		01           type INIT
		00           flags
		001c         length 28
		00000001     Initiate Tag
		00001000     a_rwnd
		0001         OS 1
		0001         MIS 1
		00000000     initial TSN
		8008         type Supported Extensions
		0005         length 5
		82           RE-CONFIG
		000000       padding, counted
	`, initValue{TypeInit, 1, 4096, 1, 1, 0, []any{
		chunkTypesParam{ParamExtensions, []ChunkType{TypeReconfig}},
	}}, true},
	{"9260-3.3.3-a INIT ACK with everything", `
		02           type INIT ACK
		00           flags
		0059         length 89
		00000002     Initiate Tag
		00020000     a_rwnd
		000a         OS 10
		000b         MIS 11
		80000000     initial TSN
		0007         type State Cookie
		0009         length 9
		636f6f6b69   cookie
		000000       padding
		0008         type Unrecognized Parameter
		000c         length 12
		c123         type of it
		0008         length of it
		01020304     value of it
		0005         type IPv4
		0008         length 8
		c0000201     192.0.2.1
		0006         type IPv6
		0014         length 20
		20010db8000000000000000000000001  2001:db8::1
		8000         type ECN Capable
		0004         length 4
		c006         type Adaptation Layer
		0008         length 8
		00000007     code point
		fffe         type, unknown
		0005         length 5
		61           value
		000000       padding
	`, initValue{TypeInitAck, 2, 0x20000, 10, 11, 0x80000000, []any{
		stateCookieParam("cooki"),
		unrecognizedParam("\xc1\x23\x00\x08\x01\x02\x03\x04"),
		addr("192.0.2.1"), addr("2001:db8::1"),
		emptyParam(ParamECN),
		uint32Param{ParamAdaptation, 7},
		otherParam{0xFFFE, "a"},
	}}, false},
	{"values that no association accepts are its to refuse", `
		01           type INIT
		00           flags
		0014         length 20
		00000000     Initiate Tag 0
		00000000     a_rwnd 0
		0000         OS 0
		0000         MIS 0
		00000000     initial TSN
	`, initValue{TypeInit, 0, 0, 0, 0, 0, nil}, false},
	{"reserved flags", `
		02           type INIT ACK
		ff           flags
		0014         length 20
		00000001     Initiate Tag
		00001000     a_rwnd
		0001         OS 1
		0001         MIS 1
		00000000     initial TSN
	`, initValue{TypeInitAck, 1, 4096, 1, 1, 0, nil}, true},
	{"fixed part cut short", `
		01           type INIT
		00           flags
		0012         length 18
		00000001     Initiate Tag
		00001000     a_rwnd
		0001         OS 1
		0001         MIS 1
		0000         initial TSN, two bytes of it
		0000         padding
	`, ErrLength, true},
	{"bytes behind the last parameter that are no padding", `
		01           type INIT
		00           flags
		001a         length 26
		00000001     Initiate Tag
		00001000     a_rwnd
		0001         OS 1
		0001         MIS 1
		00000000     initial TSN
		c000         type Forward-TSN-Supported
		0004         length 4, needs no padding
		0000         stray bytes
		0000         padding
	`, ErrTruncated, true},
	{"parameter that runs past the chunk", `
		01           type INIT
		00           flags
		0018         length 24
		00000001     Initiate Tag
		00001000     a_rwnd
		0001         OS 1
		0001         MIS 1
		00000000     initial TSN
		8008         type Supported Extensions
		0006         length 6
		8200         behind the chunk
		0000         padding
	`, ErrTruncated, true},
	{"parameter of length 0", `
		01           type INIT
		00           flags
		0018         length 24
		00000001     Initiate Tag
		00001000     a_rwnd
		0001         OS 1
		0001         MIS 1
		00000000     initial TSN
		8008         type Supported Extensions
		0000         length 0
	`, ErrLength, true},
}
