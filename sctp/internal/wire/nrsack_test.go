package wire

var nrSackCases = []testCase{
	{"nrsack-a", `
		10           type NR-SACK
		00           flags
		0024         length 36
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0001         count of gap blocks
		0002         count of NR gap blocks
		0001         count of duplicates
		0000         reserved
		0002         start
		0003         end
		0005         start, NR
		0005         end, NR
		0007         start, NR
		ffff         end, NR
		0000000b     duplicate
	`, sackValue{TypeNRSack, 12, 4660, []GapBlock{{2, 3}}, []GapBlock{{5, 5}, {7, 0xFFFF}}, []TSN{11}}, false},
	{"nothing to report", `
		10           type NR-SACK
		00           flags
		0014         length 20
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0000         count of gap blocks
		0000         count of NR gap blocks
		0000         count of duplicates
		0000         reserved
	`, sackValue{TypeNRSack, 12, 4660, nil, nil, nil}, false},
	{"reserved bits", `
		10           type NR-SACK
		01           flags
		0014         length 20
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0000         count of gap blocks
		0000         count of NR gap blocks
		0000         count of duplicates
		ffff         reserved
	`, sackValue{TypeNRSack, 12, 4660, nil, nil, nil}, true},
	{"counts whose sum wraps 16 bits", `
		10           type NR-SACK
		00           flags
		0018         length 24
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		8000         count of gap blocks
		4000         count of NR gap blocks
		4001         count of duplicates
		0000         reserved
		00020003     one block
	`, ErrLength, true},
	{"one NR gap block more than there is room", `
		10           type NR-SACK
		00           flags
		0018         length 24
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0001         count of gap blocks
		0001         count of NR gap blocks
		0000         count of duplicates
		0000         reserved
		00020003     one block
	`, ErrLength, true},
	{"as long as a SACK", `
		10           type NR-SACK
		00           flags
		0010         length 16
		0000000c     cumulative TSN ack
		00001234     a_rwnd
		0000         count of gap blocks
		0000         count of NR gap blocks
	`, ErrLength, true},
}
