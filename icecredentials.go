package sluice

import (
	"crypto/rand"
	"encoding/base64"
)

// iceCredentials are a user fragment and a password (RFC 8839, section 5.4).
type iceCredentials struct {
	ufrag, pwd string
}

// newICECredentials returns fresh ones: 48 and 144 random bits, where RFC 8445,
// section 5.3, asks for 24 and 128. The user fragment has a prefix.
func newICECredentials(prefix string) iceCredentials {
	var random [24]byte
	rand.Read(random[:]) // never fails
	return iceCredentials{
		ufrag: prefix + base64.StdEncoding.EncodeToString(random[:6]),
		pwd:   base64.StdEncoding.EncodeToString(random[6:]),
	}
}

// validate checks the sizes of RFC 8839, section 5.4.
func (c *iceCredentials) validate() error {
	if len(c.ufrag) < 4 || len(c.ufrag) > 256 || !isICEChars(c.ufrag) {
		return &ParameterError{Name: "usernameFragment", Rule: "must be 4 to 256 letters, digits, + or / (RFC 8839, section 5.4)"}
	}
	if len(c.pwd) < 22 || len(c.pwd) > 256 || !isICEChars(c.pwd) {
		return &ParameterError{Name: "password", Rule: "must be 22 to 256 letters, digits, + or / (RFC 8839, section 5.4)"}
	}
	return nil
}

// isICEChars reports whether s has only ice-char: ALPHA, DIGIT, "+", "/".
func isICEChars(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/') {
			return false
		}
	}
	return s != ""
}
