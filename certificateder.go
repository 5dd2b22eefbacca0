//go:build !js

package sluice

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	encoding "encoding/asn1"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of RFC 5480, RFC 5758 and RFC 5280.
var (
	oidECPublicKey     = encoding.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256            = encoding.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidECDSAWithSHA256 = encoding.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidCommonName      = encoding.ObjectIdentifier{2, 5, 4, 3}
)

// certificateName is a constant: a random one would add nothing to the key.
const certificateName = "WebRTC"

// signCertificate returns the self-signed certificate of a P-256 key in DER (RFC 5280,
// section 4.1), with a random serial number. x509.CreateCertificate would make the same,
// and then verify what it has signed: half of what a certificate costs, and each
// connection has one of its own.
func signCertificate(key *ecdsa.PrivateKey, notBefore, notAfter time.Time) ([]byte, error) {
	var serial [16]byte
	rand.Read(serial[:])              // never fails
	serial[0] = serial[0]&0x3F | 0x40 // positive, and its length is always the same
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) }) // version 3
		b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(serial[:]) })
		addAlgorithm(b, oidECDSAWithSHA256)
		addName(b) // of the issuer
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, notBefore)
			addTime(b, notAfter)
		})
		addName(b) // of the subject
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addAlgorithm(b, oidECPublicKey, oidP256)
			b.AddASN1BitString(point)
		})
	})
	signed, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(signed)
	signature, err := ecdsa.SignASN1(rand.Reader, key, hash[:])
	if err != nil {
		return nil, err
	}
	b = cryptobyte.Builder{}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signed)
		addAlgorithm(b, oidECDSAWithSHA256)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// addAlgorithm adds an AlgorithmIdentifier.
func addAlgorithm(b *cryptobyte.Builder, oids ...encoding.ObjectIdentifier) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, oid := range oids {
			b.AddASN1ObjectIdentifier(oid)
		}
	})
}

// addTime adds a time, from 2050 on with four digits of the year (RFC 5280, section 4.1.2.5).
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t.Year() < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}

// addName adds the Name CN=WebRTC.
func addName(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidCommonName)
				b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(certificateName)) })
			})
		})
	})
}
