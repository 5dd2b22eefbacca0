package wire

var reconfigCases = []testCase{
	{"6525-4.1-a reset of one stream", `
		82           type RE-CONFIG
		00           flags
		0016         length 22
		000d         type Outgoing SSN Reset
		0012         length 18
		00000001     request number
		00000002     response number
		00000003     last TSN
		0005         stream 5
		0000         padding
	`, reconfigValue{outResetParam{1, 2, 3, []uint16{5}}}, false},
	{"6525-3.1-a response and request, the padding of neither counted", `
		82           type RE-CONFIG
		00           flags
		0022         length 34
		0010         type Response
		000c         length 12
		00000001     response number
		00000001     result: performed
		000d         type Outgoing SSN Reset
		0012         length 18
		00000001     request number
		00000002     response number
		00000003     last TSN
		0005         stream 5
		0000         padding
	`, reconfigValue{
		ReconfigResponse{RespSeq: 1, Result: ResultPerformed},
		outResetParam{1, 2, 3, []uint16{5}},
	}, false},
	{"6525-3.1-a two requests, the padding of the first counted", `
		82           type RE-CONFIG
		00           flags
		0022         length 34
		000d         type Outgoing SSN Reset
		0012         length 18
		00000001     request number
		00000002     response number
		00000003     last TSN
		0005         stream 5
		0000         padding
		000e         type Incoming SSN Reset
		000a         length 10
		00000002     request number
		0006         stream 6
		0000         padding
	`, reconfigValue{
		outResetParam{1, 2, 3, []uint16{5}},
		inResetParam{2, []uint16{6}},
	}, false},
	{"9260-3.2-a padding of the last parameter counted", `
		82           type RE-CONFIG
		00           flags
		0018         length 24
		000d         type Outgoing SSN Reset
		0012         length 18
		00000001     request number
		00000002     response number
		00000003     last TSN
		0005         stream 5
		0000         padding, counted
	`, reconfigValue{outResetParam{1, 2, 3, []uint16{5}}}, true},
	{"no parameter", `
		82           type RE-CONFIG
		00           flags
		0004         length 4
	`, ErrLength, true},
	{"parameter that runs past the chunk", `
		82           type RE-CONFIG
		00           flags
		0008         length 8
		000f         type SSN/TSN Reset
		0008         length 8
		00000001     behind the chunk
	`, ErrTruncated, true},
}

var reconfigParamCases = []testCase{
	{"6525-4.1-a Outgoing SSN Reset, all streams", `
		000d         type Outgoing SSN Reset
		0010         length 16
		ffffffff     request number
		80000000     response number
		7fffffff     last TSN
	`, outResetParam{0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, nil}, false},
	{"6525-4.1-a Outgoing SSN Reset, three streams", `
		000d         type Outgoing SSN Reset
		0016         length 22
		00000001     request number
		00000002     response number
		00000003     last TSN
		0000         stream 0
		0001         stream 1
		ffff         stream 65535
	`, outResetParam{1, 2, 3, []uint16{0, 1, 0xFFFF}}, false},
	{"Outgoing SSN Reset, half a stream", `
		000d         type Outgoing SSN Reset
		0011         length 17
		00000001     request number
		00000002     response number
		00000003     last TSN
		00           half
	`, ErrLength, true},
	{"Outgoing SSN Reset too short", `
		000d         type Outgoing SSN Reset
		000e         length 14
		00000001     request number
		00000002     response number
		0000         half a TSN
	`, ErrLength, true},
	{"6525-4.2-a Incoming SSN Reset, all streams", `
		000e         type Incoming SSN Reset
		0008         length 8
		00000001     request number
	`, inResetParam{1, nil}, false},
	{"6525-4.2-a Incoming SSN Reset", `
		000e         type Incoming SSN Reset
		000a         length 10
		00000001     request number
		0007         stream 7
	`, inResetParam{1, []uint16{7}}, false},
	{"Incoming SSN Reset, half a stream", `
		000e         type Incoming SSN Reset
		0009         length 9
		00000001     request number
		00           half
	`, ErrLength, true},
	{"Incoming SSN Reset too short", `
		000e         type Incoming SSN Reset
		0004         length 4
	`, ErrLength, true},
	{"6525-4.2-a SSN/TSN Reset", `
		000f         type SSN/TSN Reset
		0008         length 8
		00000001     request number
	`, tsnResetParam(1), false},
	{"SSN/TSN Reset with more", `
		000f         type SSN/TSN Reset
		000a         length 10
		00000001     request number
		0001         stream
	`, ErrLength, true},
	{"6525-4.4-a Response", `
		0010         type Response
		000c         length 12
		00000001     response number
		00000006     result: in progress
	`, ReconfigResponse{RespSeq: 1, Result: ResultInProgress}, false},
	{"6525-4.4-a Response with both TSNs", `
		0010         type Response
		0014         length 20
		00000001     response number
		00000001     result: performed
		00000005     sender's next TSN
		80000004     receiver's next TSN
	`, ReconfigResponse{1, ResultPerformed, true, 5, 0x80000004}, false},
	{"6525-4.4-a Response with one TSN", `
		0010         type Response
		0010         length 16
		00000001     response number
		00000001     result: performed
		00000005     sender's next TSN
	`, ErrLength, true},
	{"Response of an unknown result", `
		0010         type Response
		000c         length 12
		00000001     response number
		ffffffff     result
	`, ReconfigResponse{RespSeq: 1, Result: 0xFFFFFFFF}, false},
	{"6525-4.2-a Add Outgoing Streams", `
		0011         type Add Outgoing Streams
		000c         length 12
		00000001     request number
		0010         16 streams
		0000         reserved
	`, addStreamsParam{ParamAddOutStreams, AddStreams{1, 16}}, false},
	{"6525-4.2-a Add Incoming Streams", `
		0012         type Add Incoming Streams
		000c         length 12
		00000001     request number
		ffff         65535 streams
		0000         reserved
	`, addStreamsParam{ParamAddInStreams, AddStreams{1, 0xFFFF}}, false},
	{"Add Incoming Streams, reserved bits", `
		0012         type Add Incoming Streams
		000c         length 12
		00000001     request number
		ffff         65535 streams
		ffff         reserved
	`, addStreamsParam{ParamAddInStreams, AddStreams{1, 0xFFFF}}, true},
	{"Add Outgoing Streams without the reserved field", `
		0011         type Add Outgoing Streams
		000a         length 10
		00000001     request number
		0010         16 streams
	`, ErrLength, true},
}
