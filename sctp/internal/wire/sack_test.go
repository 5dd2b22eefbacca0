package wire

import "testing"

var sackCases = []testCase{
	{"9260-3.3.4-b", `
		03           type SACK
		00           flags
		0018         length 24
		0000000c     cumulative TSN ack 12
		00001234     a_rwnd 4660
		0002         count of gap blocks
		0000         count of duplicates
		0002         start
		0003         end
		0005         start
		0005         end
	`, sackValue{TypeSack, 12, 4660, []GapBlock{{2, 3}, {5, 5}}, nil, nil}, false},
	{"9260-3.3.4-b a TSN received three times is listed twice", `
		03           type SACK
		00           flags
		001c         length 28
		ffffffff     cumulative TSN ack, the last before 0
		00000000     a_rwnd 0
		0001         count of gap blocks
		0002         count of duplicates
		ffff         start
		ffff         end
		00000013     duplicate 19
		00000013     duplicate 19
	`, sackValue{TypeSack, 0xFFFFFFFF, 0, []GapBlock{{0xFFFF, 0xFFFF}}, nil, []TSN{19, 19}}, false},
	{"no gaps, no duplicates", `
		03           type SACK
		00           flags
		0010         length 16
		00000001     cumulative TSN ack
		ffffffff     a_rwnd
		0000         count of gap blocks
		0000         count of duplicates
	`, sackValue{TypeSack, 1, 0xFFFFFFFF, nil, nil, nil}, false},
	{"reserved flags", `
		03           type SACK
		ff           flags
		0010         length 16
		00000001     cumulative TSN ack
		ffffffff     a_rwnd
		0000         count of gap blocks
		0000         count of duplicates
	`, sackValue{TypeSack, 1, 0xFFFFFFFF, nil, nil, nil}, true},
	{"blocks that make no sense are the association's to judge", `
		03           type SACK
		00           flags
		0018         length 24
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0002         count of gap blocks
		0000         count of duplicates
		0005         start, behind its end
		0002         end
		0000         start 0
		0000         end
	`, sackValue{TypeSack, 12, 0x1234, []GapBlock{{5, 2}, {0, 0}}, nil, nil}, false},
	{"one gap block more than there is room", `
		03           type SACK
		00           flags
		0014         length 20
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0002         count of gap blocks
		0000         count of duplicates
		0002         start
		0003         end
	`, ErrLength, true},
	{"one duplicate more than there is room", `
		03           type SACK
		00           flags
		0014         length 20
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0001         count of gap blocks
		0001         count of duplicates
		0002         start
		0003         end
	`, ErrLength, true},
	{"counts whose sum wraps 16 bits", `
		03           type SACK
		00           flags
		0014         length 20
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		8000         count of gap blocks
		8001         count of duplicates
		0002         start
		0003         end
	`, ErrLength, true},
	{"room for more than the counts", `
		03           type SACK
		00           flags
		0014         length 20
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0000         count of gap blocks
		0000         count of duplicates
		0002         not counted
		0003         not counted
	`, ErrLength, true},
	{"fixed part cut short", `
		03           type SACK
		00           flags
		000e         length 14
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0000         count of gap blocks
		0000         padding
	`, ErrLength, true},
}

func TestSackLen(t *testing.T) {
	gaps, dups := make([]GapBlock, 3), make([]TSN, 5)
	if got, want := SackLen(len(gaps), len(dups)), len(AppendSack(nil, 0, 0, gaps, dups)); got != want {
		t.Errorf("SackLen is %d, AppendSack appends %d bytes", got, want)
	}
}
