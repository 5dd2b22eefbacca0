package wire

import "testing"

type serial[T any] interface {
	~uint32 | ~uint16
	Before(T) bool
	AtOrBefore(T) bool
}

// checkOrder checks the methods that compare a and b: whether a is before b, and b
// before a.
func checkOrder[T serial[T]](t *testing.T, desc string, a, b T, before, after bool) {
	t.Helper()
	if a.Before(b) != before || b.Before(a) != after {
		t.Errorf("%s: %T %#x before %#x: %v, and the other way round: %v; want %v and %v",
			desc, a, a, b, a.Before(b), b.Before(a), before, after)
	}
	if a.AtOrBefore(b) != (before || a == b) || b.AtOrBefore(a) != (after || a == b) {
		t.Errorf("%s: %T %#x at or before %#x: %v, and the other way round: %v",
			desc, a, a, b, a.AtOrBefore(b), b.AtOrBefore(a))
	}
}

// RFC 1982: a is before b if b is 1 to 2^31-1 (2^15-1) steps on. At exactly half of
// the space the RFC leaves it open; serial.go says what holds here.
func TestSerial32(t *testing.T) {
	for _, tc := range []struct {
		desc             string
		a, b             uint32
		before, after    bool // a before b, b before a
		aMinusB, bMinusA int
	}{
		{"equal", 0, 0, false, false, 0, 0},
		{"equal at the end", 0xFFFFFFFF, 0xFFFFFFFF, false, false, 0, 0},
		{"next", 0, 1, true, false, -1, 1},
		{"next, across the end", 0xFFFFFFFF, 0, true, false, -1, 1},
		{"next, across the middle", 0x7FFFFFFF, 0x80000000, true, false, -1, 1},
		{"some, across the end", 0xFFFFFF00, 0x100, true, false, -0x200, 0x200},
		{"as far as can be", 0, 0x7FFFFFFF, true, false, -0x7FFFFFFF, 0x7FFFFFFF},
		{"as far as can be, across the end", 0x80000002, 1, true, false, -0x7FFFFFFF, 0x7FFFFFFF},
		{"half of the space", 0, 0x80000000, true, true, -0x80000000, -0x80000000},
		{"half of the space, across the end", 0xC0000000, 0x40000000, true, true, -0x80000000, -0x80000000},
		{"past half of the space", 0, 0x80000001, false, true, 0x7FFFFFFF, -0x7FFFFFFF},
	} {
		checkOrder(t, tc.desc, TSN(tc.a), TSN(tc.b), tc.before, tc.after)
		checkOrder(t, tc.desc, MID(tc.a), MID(tc.b), tc.before, tc.after)
		checkOrder(t, tc.desc, FSN(tc.a), FSN(tc.b), tc.before, tc.after)
		checkOrder(t, tc.desc, ReqSeq(tc.a), ReqSeq(tc.b), tc.before, tc.after)
		if a, b := TSN(tc.a), TSN(tc.b); a.Since(b) != tc.aMinusB || b.Since(a) != tc.bMinusA {
			t.Errorf("%s: TSN %#x is %d past %#x, which is %d past it; want %d and %d",
				tc.desc, a, a.Since(b), b, b.Since(a), tc.aMinusB, tc.bMinusA)
		}
	}
}

func TestSerial16(t *testing.T) {
	for _, tc := range []struct {
		desc          string
		a, b          SSN
		before, after bool
	}{
		{"equal", 7, 7, false, false},
		{"next", 0, 1, true, false},
		{"9260-6.5-a next, across the end", 0xFFFF, 0, true, false},
		{"next, across the middle", 0x7FFF, 0x8000, true, false},
		{"as far as can be", 0, 0x7FFF, true, false},
		{"as far as can be, across the end", 0x8002, 1, true, false},
		{"half of the space", 0, 0x8000, true, true},
		{"past half of the space", 0, 0x8001, false, true},
	} {
		checkOrder(t, tc.desc, tc.a, tc.b, tc.before, tc.after)
	}
}

func TestSerialSteps(t *testing.T) {
	for _, tc := range []struct {
		desc      string
		got, want uint32
	}{
		{"TSN + 1 across the end", uint32(TSN(0xFFFFFFFF).Add(1)), 0},
		{"TSN - 1 across the end", uint32(TSN(0).Add(-1)), 0xFFFFFFFF},
		{"TSN + 2^31 - 1", uint32(TSN(1).Add(0x7FFFFFFF)), 0x80000000},
		{"9260-6.5-a SSN, next across the end", uint32(SSN(0xFFFF).Next()), 0},
		{"8260-2.1-b MID, next across the end", uint32(MID(0xFFFFFFFF).Next()), 0},
		{"8260-2.1-b FSN, next across the end", uint32(FSN(0xFFFFFFFF).Next()), 0},
		{"ReqSeq, next across the end", uint32(ReqSeq(0xFFFFFFFF).Next()), 0},
		{"ReqSeq, previous across the end", uint32(ReqSeq(0).Prev()), 0xFFFFFFFF},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %#x, want %#x", tc.desc, tc.got, tc.want)
		}
	}
}
