package sluice

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
)

// This file holds the grammars of attribute values.

// parseNumber reads 1 to max decimal digits without leading zeros. Values above
// the range of int64 are clamped to it: they mean "very large".
func parseNumber(s string, max int) (int64, bool) {
	if s == "" || len(s) > max || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

// isICEString reports whether s is low to high ice-chars (RFC 8839, section 5.1).
func isICEString(s string, low, high int) bool {
	return len(s) >= low && len(s) <= high && isICEChars(s)
}

// isTLSID checks the value of a=tls-id (RFC 8842, section 4).
func isTLSID(s string) bool {
	if len(s) < 20 || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte("+/-_", s[i]) < 0 {
			return false
		}
	}
	return true
}

// isToken checks for a token (RFC 4566, section 9).
func isToken(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte("!#$%&'*+-.^_`{|}~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// fingerprintSizes holds the bytes each hash function yields. Functions that
// are not listed are kept and never matched.
var fingerprintSizes = map[string]int{
	"md2": 16, "md5": 16, "sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64,
}

// parseFingerprint reads the value of a=fingerprint. Hash names compare without
// case (RFC 8122, section 5).
func parseFingerprint(s string) (Fingerprint, bool) {
	hash, value, ok := strings.Cut(s, " ")
	hash, value = strings.ToLower(hash), strings.ToUpper(value)
	if !ok || !isToken(hash) {
		return Fingerprint{}, false
	}
	octets := strings.Split(value, ":")
	if size, known := fingerprintSizes[hash]; known && len(octets) != size {
		return Fingerprint{}, false
	}
	for _, o := range octets {
		if _, err := hex.DecodeString(o); len(o) != 2 || err != nil {
			return Fingerprint{}, false
		}
	}
	return Fingerprint{Algorithm: hash, Value: value}, true
}

// sdpCandidate is what this package itself reads of a candidate.
type sdpCandidate struct {
	component int
	transport string // "udp", in lower case
	priority  uint32
	address   string
	port      uint16
	typ       string // "host", "srflx", "prflx", "relay"
	ufrag     string // of the extension of that name, "" without it
}

var errCandidate = errors.New("foundation, component, transport, priority, address, port, typ and its value (RFC 8839, section 5.1)")

// parseCandidate reads a candidate: what follows "candidate:". Addresses are
// not looked at: names and unknown transports are legal, and ignored later.
func parseCandidate(s string) (sdpCandidate, error) {
	f := strings.Fields(s)
	if len(s) > maxCandidateLength || len(f) < 8 || len(f)%2 != 0 || !strings.EqualFold(f[6], "typ") {
		return sdpCandidate{}, errCandidate
	}
	component, ok1 := parseNumber(f[1], 5)
	priority, ok2 := parseNumber(f[3], 10)
	port, ok3 := parseNumber(f[5], 5)
	if !isICEString(f[0], 1, 32) || !isToken(f[2]) || !isToken(f[7]) || !ok1 || !ok2 || !ok3 ||
		component < 1 || component > 256 || priority > math.MaxUint32 || port > math.MaxUint16 {
		return sdpCandidate{}, errCandidate
	}
	c := sdpCandidate{
		component: int(component),
		transport: strings.ToLower(f[2]),
		priority:  uint32(priority),
		address:   f[4],
		port:      uint16(port),
		typ:       strings.ToLower(f[7]),
	}
	for i := 8; i < len(f); i += 2 {
		if f[i] == "ufrag" {
			c.ufrag = f[i+1]
		}
	}
	return c, nil
}
