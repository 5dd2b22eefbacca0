package sluice

import (
	"crypto"
	_ "crypto/sha256" // fingerprints
	_ "crypto/sha512" // fingerprints
	"encoding/hex"
	"fmt"
	"strings"
)

// A Fingerprint is the hash of a certificate in DER, as SDP and W3C's
// RTCDtlsFingerprint write it: {"algorithm":"sha-256","value":"AB:CD:..."}.
type Fingerprint struct {
	Algorithm string `json:"algorithm"` // hash name of RFC 8122: "sha-256"
	Value     string `json:"value"`     // hexadecimal in upper case, bytes separated by colons
}

// fingerprintHashes are the hashes accepted for fingerprints, the preferred one
// first. MD2 and MD5 must not be used (RFC 8122, section 5); SHA-1 and SHA-224
// are left out because every implementation must offer SHA-256 (RFC 8827).
var fingerprintHashes = []struct {
	name string
	hash crypto.Hash
}{
	{"sha-256", crypto.SHA256},
	{"sha-384", crypto.SHA384},
	{"sha-512", crypto.SHA512},
}

// newFingerprint hashes der with the named hash of fingerprintHashes; the zero
// Fingerprint if it is not one of them.
func newFingerprint(algorithm string, der []byte) Fingerprint {
	for _, f := range fingerprintHashes {
		if strings.EqualFold(f.name, algorithm) {
			h := f.hash.New()
			h.Write(der)
			return Fingerprint{Algorithm: f.name, Value: colonHex(h.Sum(nil))}
		}
	}
	return Fingerprint{}
}

// colonHex writes AB:CD:EF.
func colonHex(b []byte) string {
	const digits = "0123456789ABCDEF"
	s := make([]byte, 0, 3*len(b))
	for i, v := range b {
		if i > 0 {
			s = append(s, ':')
		}
		s = append(s, digits[v>>4], digits[v&15])
	}
	return string(s)
}

// verifyFingerprint applies the rule of RFC 8122, section 5.1, to the peer's end
// entity certificate: of the announced fingerprints those with the preferred
// hash count, and the certificate must match one of them. Hash names and
// hexadecimal digits are compared without regard to case.
func verifyFingerprint(der []byte, announced []Fingerprint) error {
	for _, f := range fingerprintHashes {
		var want []string
		for _, a := range announced {
			if strings.EqualFold(a.Algorithm, f.name) {
				want = append(want, a.Value)
			}
		}
		if want == nil {
			continue
		}
		got := newFingerprint(f.name, der).Value
		for _, w := range want {
			if strings.EqualFold(w, got) {
				return nil
			}
		}
		return &FingerprintError{Algorithm: f.name, Got: got, Want: want}
	}
	return &FingerprintError{}
}

// checkFingerprints reports whether at least one of the announced fingerprints
// is usable and those with a known hash are well formed.
func checkFingerprints(announced []Fingerprint) error {
	usable := false
	for _, a := range announced {
		for _, f := range fingerprintHashes {
			if !strings.EqualFold(a.Algorithm, f.name) {
				continue
			}
			b, err := hex.DecodeString(strings.ReplaceAll(a.Value, ":", ""))
			if err != nil || len(b) != f.hash.Size() || !strings.EqualFold(colonHex(b), a.Value) {
				return &ParameterError{Name: "fingerprints",
					Rule: fmt.Sprintf("%q is not %d hexadecimal bytes separated by colons (RFC 8122, section 5)", a.Value, f.hash.Size())}
			}
			usable = true
		}
	}
	if !usable {
		return &ParameterError{Name: "fingerprints", Rule: "need one with sha-256, sha-384 or sha-512 (RFC 8122, section 5)"}
	}
	return nil
}
