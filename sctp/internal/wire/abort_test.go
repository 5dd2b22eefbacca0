package wire

var abortCases = []testCase{
	{"9260-3.3.7-a ABORT without a cause, reflected", `
		06           type ABORT
		01           flags T
		0004         length 4
	`, abortValue{TypeAbort, FlagT, nil}, false},
	{"9260-9.1-a ABORT by the user", `
		06           type ABORT
		00           flags
		000b         length 11
		000c         code User-Initiated Abort
		0007         length 7
		627965       reason
		00           padding
	`, abortValue{TypeAbort, 0, []any{textCause{CauseUserAbort, "bye"}}}, false},
	{"9260-3.3.10-a ERROR with two causes, the padding of the first counted", `
		09           type ERROR
		00           flags
		001a         length 26
		000d         code Protocol Violation
		0009         length 9
		68656c6c6f   information
		000000       padding
		0002         code Missing Mandatory Parameter
		000a         length 10
		00000001     count of parameters
		0007         State Cookie
		0000         padding
	`, abortValue{TypeError, 0, []any{
		textCause{CauseProtocolViolation, "hello"},
		missingParamsCause{ParamStateCookie},
	}}, false},
	{"9260-3.2-a padding of the last cause counted", `
		09           type ERROR
		00           flags
		000c         length 12
		000d         code Protocol Violation
		0005         length 5
		61           information
		000000       padding, counted
	`, abortValue{TypeError, 0, []any{textCause{CauseProtocolViolation, "a"}}}, true},
	{"reserved flags", `
		06           type ABORT
		fe           flags reserved, no T
		0004         length 4
	`, abortValue{TypeAbort, 0, nil}, true},
	{"9260-3.3.7-a malformed: cause of length 0", `
		06           type ABORT
		00           flags
		0008         length 8
		000c         code User-Initiated Abort
		0000         length 0
	`, ErrLength, true},
	{"9260-3.3.7-a malformed: cause that runs past the chunk", `
		06           type ABORT
		00           flags
		0008         length 8
		000c         code User-Initiated Abort
		0008         length 8
		61626364     behind the chunk
	`, ErrTruncated, true},
	{"half a cause", `
		09           type ERROR
		00           flags
		0006         length 6
		000c         code User-Initiated Abort
		0000         padding
	`, ErrTruncated, true},
}
