package sluice

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestGenerateCertificate(t *testing.T) {
	a, b := mustCertificate(t), mustCertificate(t)
	if bytes.Equal(a.DER(), b.DER()) {
		t.Error("two certificates are equal")
	}
	if d := time.Until(a.Expires()); d < 29*24*time.Hour || d > 31*24*time.Hour {
		t.Errorf("expires in %v, want 30 days", d)
	}
	if key, ok := a.key.Public().(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key %T, want ECDSA P-256", a.key.Public()) // 8827-6.5-a
	}
	prints := a.Fingerprints()
	if len(prints) != 1 || prints[0].Algorithm != "sha-256" ||
		!regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`).MatchString(prints[0].Value) { // 8122-5-a
		t.Errorf("fingerprints %v", prints)
	}
}

// TestGeneratedCertificate: what a generated certificate says is what is known of it, and it is
// signed with its own key.
func TestGeneratedCertificate(t *testing.T) {
	c := mustCertificate(t)
	leaf, err := x509.ParseCertificate(c.DER())
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		t.Error(err)
	}
	if parsed, err := newCertificate(c.key, c.der); err != nil || parsed.signature != c.signature || !parsed.expires.Equal(c.expires) {
		t.Errorf("parsed %+v, %v; want %+v", parsed, err, c)
	}
	if name := "CN=WebRTC"; leaf.Version != 3 || leaf.Subject.String() != name || leaf.Issuer.String() != name {
		t.Errorf("version %d, subject %v, issuer %v", leaf.Version, leaf.Subject, leaf.Issuer)
	}
	if leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() > 8*20 { // RFC 5280, section 4.1.2.2
		t.Errorf("serial number %v", leaf.SerialNumber)
	}
	if !leaf.NotBefore.Before(time.Now().Add(-time.Hour)) {
		t.Errorf("valid from %v", leaf.NotBefore)
	}
}

type publicKey interface{ Equal(crypto.PublicKey) bool }

func TestCertificatePEM(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for desc, c := range map[string]*Certificate{
		"P-256": mustCertificate(t),
		"P-384": certificateFor(t, p384, &p384.PublicKey),
		"RSA":   certificateFor(t, rsaKey, &rsaKey.PublicKey),
	} {
		text, err := c.MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseCertificatePEM(text)
		if err != nil || !bytes.Equal(got.DER(), c.DER()) || !c.key.Public().(publicKey).Equal(got.key.Public()) {
			t.Errorf("%s: %v, %v after a round trip", desc, got, err)
		}
		key, rest := pem.Decode(text)
		swapped := append(bytes.Clone(rest), pem.EncodeToMemory(key)...)
		if got, err := ParseCertificatePEM(swapped); err != nil || !bytes.Equal(got.DER(), c.DER()) {
			t.Errorf("%s: certificate before key: %v", desc, err)
		}
	}
	// A certificate signed with another hash announces that one, too.
	prints := certificateFor(t, p384, &p384.PublicKey).Fingerprints()
	if len(prints) != 2 || prints[0].Algorithm != "sha-256" || prints[1].Algorithm != "sha-384" {
		t.Errorf("P-384: fingerprints %v", prints)
	}
}

func TestParseCertificatePEMErrors(t *testing.T) {
	a, err := mustCertificate(t).MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	b, err := mustCertificate(t).MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	keyA, certA := split(a)
	_, certB := split(b)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edKey, err := x509.MarshalPKCS8PrivateKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	for desc, text := range map[string]string{
		"nothing":                  "",
		"text":                     "hello",
		"key only":                 keyA,
		"certificate only":         certA,
		"key of another":           keyA + certB,
		"Ed25519":                  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: edKey})) + certA,
		"broken key":               string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})) + certA,
		"broken certificate":       keyA + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}})),
		"an encrypted private key": strings.ReplaceAll(keyA, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY") + certA,
	} {
		if c, err := ParseCertificatePEM([]byte(text)); c != nil || err == nil {
			t.Errorf("%s: ParseCertificatePEM = %v, %v", desc, c, err)
		}
	}
}

// split separates the key and the certificate of MarshalPEM.
func split(text []byte) (key, cert string) {
	i := bytes.Index(text, []byte("-----BEGIN CERTIFICATE"))
	return string(text[:i]), string(text[i:])
}

func FuzzParseCertificatePEM(f *testing.F) {
	text, err := mustCertificate(f).MarshalPEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := ParseCertificatePEM(text); err == nil {
			c.Fingerprints()
			c.Expires()
		}
	})
}

// 8122-5.1-a
func TestVerifyFingerprint(t *testing.T) {
	der, other := mustCertificate(t).DER(), mustCertificate(t).DER()
	print := func(algorithm string, der []byte) Fingerprint { return newFingerprint(algorithm, der) }
	upper := func(f Fingerprint) Fingerprint { f.Algorithm = strings.ToUpper(f.Algorithm); return f }
	lower := func(f Fingerprint) Fingerprint { f.Value = strings.ToLower(f.Value); return f }
	cases := []struct {
		desc      string
		announced []Fingerprint
		ok        bool
		algorithm string // that the error names
	}{
		{"the one", []Fingerprint{print("sha-256", der)}, true, ""},
		{"case does not matter", []Fingerprint{lower(upper(print("sha-256", der)))}, true, ""},
		{"sha-384", []Fingerprint{print("sha-384", der)}, true, ""},
		{"sha-512", []Fingerprint{print("sha-512", der)}, true, ""},
		{"one of a set", []Fingerprint{print("sha-256", other), print("sha-256", der)}, true, ""},
		{"several hashes", []Fingerprint{print("sha-512", der), print("sha-256", der)}, true, ""},
		{"unknown hashes are passed over", []Fingerprint{{"md5", "00"}, {"sha-1", "00"}, print("sha-256", der)}, true, ""},
		{"another", []Fingerprint{print("sha-256", other)}, false, "sha-256"},
		{"the preferred hash decides", []Fingerprint{print("sha-256", other), print("sha-512", der)}, false, "sha-256"},
		{"none", nil, false, ""},
		{"unknown hashes only", []Fingerprint{{"sha-1", "00"}}, false, ""},
		{"empty value", []Fingerprint{{"sha-256", ""}}, false, "sha-256"},
		{"a part of it", []Fingerprint{{"sha-256", print("sha-256", der).Value[:32]}}, false, "sha-256"},
	}
	for _, c := range cases {
		err := verifyFingerprint(der, c.announced)
		var mismatch *FingerprintError
		if c.ok != (err == nil) || !c.ok && (!errors.As(err, &mismatch) || mismatch.Algorithm != c.algorithm || mismatch.Error() == "") {
			t.Errorf("%s: %v", c.desc, err)
		}
	}
}
