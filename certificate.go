//go:build !js

package sluice

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
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
