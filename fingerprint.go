package sluice

// A Fingerprint is the hash of a certificate in DER, as SDP and W3C's
// RTCDtlsFingerprint write it: {"algorithm":"sha-256","value":"AB:CD:..."}.
type Fingerprint struct {
	Algorithm string `json:"algorithm"` // hash name of RFC 8122: "sha-256"
	Value     string `json:"value"`     // hexadecimal in upper case, bytes separated by colons
}
