//go:build !js

package sluice

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // fingerprints
	_ "crypto/sha512" // fingerprints
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// certificateLife is how long a generated certificate is valid: the 30 days that
// WebRTC gives its own by default.
const certificateLife = 30 * 24 * time.Hour

// A Certificate is the identity that a connection proves in DTLS: a key and a
// self-signed certificate, known to the peer by its fingerprint. It is immutable.
//
// By default each connection makes a fresh one (RFC 8827, section 6.5). One
// certificate used for several connections lets peers recognise each other.
type Certificate struct {
	key       crypto.Signer // *ecdsa.PrivateKey or *rsa.PrivateKey
	der       []byte
	expires   time.Time
	signature x509.SignatureAlgorithm
}

// GenerateCertificate makes an ECDSA P-256 key and a certificate valid for 30 days.
func GenerateCertificate() (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sluice: certificate key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("sluice: certificate serial: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		// A constant name: a random one would add nothing to the key.
		Subject:   pkix.Name{CommonName: "WebRTC"},
		NotBefore: now.Add(-24 * time.Hour), // the peer's clock may be behind
		NotAfter:  now.Add(certificateLife),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sluice: certificate: %w", err)
	}
	return newCertificate(key, der)
}

// newCertificate checks that key and certificate belong together and can be used.
func newCertificate(key any, der []byte) (*Certificate, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("sluice: certificate: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	switch key.(type) {
	case *ecdsa.PrivateKey, *rsa.PrivateKey:
	default:
		ok = false
	}
	if !ok {
		return nil, fmt.Errorf("sluice: certificate: key of type %T, want ECDSA or RSA", key)
	}
	if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(leaf.PublicKey) {
		return nil, errors.New("sluice: certificate: the private key is of another certificate")
	}
	return &Certificate{key: signer, der: leaf.Raw, expires: leaf.NotAfter, signature: leaf.SignatureAlgorithm}, nil
}

const (
	pemCertificate = "CERTIFICATE"
	pemPrivateKey  = "PRIVATE KEY"
)

// ParseCertificatePEM reads what MarshalPEM wrote: a PKCS #8 private key (ECDSA
// or RSA) and its certificate, in either order.
func ParseCertificatePEM(text []byte) (*Certificate, error) {
	var der []byte
	var key any
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			break
		}
		switch {
		case block.Type == pemCertificate && der == nil:
			der = block.Bytes
		case block.Type == pemPrivateKey && key == nil:
			var err error
			if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
				return nil, fmt.Errorf("sluice: certificate key: %w", err)
			}
		}
	}
	if der == nil || key == nil {
		return nil, errors.New("sluice: certificate: need one CERTIFICATE and one PRIVATE KEY block")
	}
	return newCertificate(key, der)
}

// MarshalPEM returns the private key and the certificate as PEM. Keep it secret.
func (c *Certificate) MarshalPEM() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		return nil, fmt.Errorf("sluice: certificate key: %w", err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: key})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.der})...), nil
}

// Expires returns when the certificate ends.
func (c *Certificate) Expires() time.Time { return c.expires }

// DER returns the certificate itself, without the key.
func (c *Certificate) DER() []byte { return append([]byte(nil), c.der...) }

// Fingerprints returns the fingerprints to announce: always SHA-256, and the
// hash of the certificate's own signature if that is another (RFC 8122, section 5).
func (c *Certificate) Fingerprints() []Fingerprint {
	prints := []Fingerprint{newFingerprint("sha-256", c.der)}
	switch c.signature {
	case x509.ECDSAWithSHA384, x509.SHA384WithRSA, x509.SHA384WithRSAPSS:
		prints = append(prints, newFingerprint("sha-384", c.der))
	case x509.ECDSAWithSHA512, x509.SHA512WithRSA, x509.SHA512WithRSAPSS:
		prints = append(prints, newFingerprint("sha-512", c.der))
	}
	return prints
}

// tls returns the certificate as the DTLS library takes it.
func (c *Certificate) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.der}, PrivateKey: c.key}
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
	var s strings.Builder
	for i, v := range b {
		if i > 0 {
			s.WriteByte(':')
		}
		s.WriteString(strings.ToUpper(hex.EncodeToString([]byte{v})))
	}
	return s.String()
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
