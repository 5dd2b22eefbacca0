package wire

// The serial numbers of SCTP compare modulo their width (RFC 1982): a number
// is before another if going up from it reaches the other in less than half of
// the number space. Their types have methods for it; comparing them with < is
// an error that archtest finds.
//
// Of two numbers exactly half of the space apart RFC 1982 leaves undefined which
// comes first. Here each is before the other: a receiver then takes such a number
// for an old one, which is the side to err on.

// TSN is a Transmission Sequence Number (RFC 9260, section 1.5).
type TSN uint32

// Before reports whether t precedes u.
func (t TSN) Before(u TSN) bool { return int32(t-u) < 0 }

// AtOrBefore reports whether t precedes or equals u.
func (t TSN) AtOrBefore(u TSN) bool { return int32(t-u) <= 0 }

// Since returns how many numbers t is past u; negative if t is before it.
func (t TSN) Since(u TSN) int { return int(int32(t - u)) }

// Add returns the number n steps after t (before it, if n is negative).
func (t TSN) Add(n int) TSN { return t + TSN(n) }

// Opposite returns the number half of the space away, as far as can be (RFC 6525,
// section 5.2.4, rule G1).
func (t TSN) Opposite() TSN { return t + 1<<31 }

// SSN is a Stream Sequence Number (RFC 9260, section 1.5).
type SSN uint16

// Before reports whether s precedes u.
func (s SSN) Before(u SSN) bool { return int16(s-u) < 0 }

// AtOrBefore reports whether s precedes or equals u.
func (s SSN) AtOrBefore(u SSN) bool { return int16(s-u) <= 0 }

// Next returns the number after s.
func (s SSN) Next() SSN { return s + 1 }

// MID is a Message Identifier (RFC 8260, section 2.1).
type MID uint32

// Before reports whether m precedes u.
func (m MID) Before(u MID) bool { return int32(m-u) < 0 }

// AtOrBefore reports whether m precedes or equals u.
func (m MID) AtOrBefore(u MID) bool { return int32(m-u) <= 0 }

// Next returns the number after m.
func (m MID) Next() MID { return m + 1 }

// Since returns how many numbers m is past u; negative if m is before it.
func (m MID) Since(u MID) int { return int(int32(m - u)) }

// Add returns the number n steps after m (before it, if n is negative).
func (m MID) Add(n int) MID { return m + MID(n) }

// SSN returns the low half of m, which numbers the same message in DATA chunks
// (RFC 8260, section 4.1).
func (m MID) SSN() SSN { return SSN(m) }

// Nearest returns the number nearest to m whose low half is s.
func (m MID) Nearest(s SSN) MID { return m + MID(int16(s-m.SSN())) }

// FSN is a Fragment Sequence Number (RFC 8260, section 2.1).
type FSN uint32

// Before reports whether f precedes u.
func (f FSN) Before(u FSN) bool { return int32(f-u) < 0 }

// AtOrBefore reports whether f precedes or equals u.
func (f FSN) AtOrBefore(u FSN) bool { return int32(f-u) <= 0 }

// Next returns the number after f.
func (f FSN) Next() FSN { return f + 1 }

// Since returns how many numbers f is past u; negative if f is before it.
func (f FSN) Since(u FSN) int { return int(int32(f - u)) }

// ReqSeq is a Re-configuration Request Sequence Number (RFC 6525, section
// 4.1), also used for the serial numbers of ASCONF (RFC 5061, section 4.1).
type ReqSeq uint32

// Before reports whether r precedes u.
func (r ReqSeq) Before(u ReqSeq) bool { return int32(r-u) < 0 }

// AtOrBefore reports whether r precedes or equals u.
func (r ReqSeq) AtOrBefore(u ReqSeq) bool { return int32(r-u) <= 0 }

// Next returns the number after r.
func (r ReqSeq) Next() ReqSeq { return r + 1 }

// Prev returns the number before r.
func (r ReqSeq) Prev() ReqSeq { return r - 1 }
