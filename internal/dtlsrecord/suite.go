package dtlsrecord

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"reflect"
	"slices"
)

// A suite is what record protection needs to know of a cipher suite: AES-GCM as
// RFC 5288 and RFC 5289 use it, with an ephemeral key exchange.
type suite struct {
	name    string // IANA's
	keySize int    // bytes
	newHash func() hash.Hash
}

// suites are those whose records this package protects.
var suites = map[uint16]suite{
	0xC02B: {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 16, sha256.New},
	0xC02C: {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 32, sha512.New384},
	0xC02F: {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 16, sha256.New},
	0xC030: {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 32, sha512.New384},
}

// SuiteError says that a cipher suite is not one of AES-GCM with ECDHE.
type SuiteError struct{ Suite uint16 }

func (e *SuiteError) Error() string {
	return fmt.Sprintf("dtlsrecord: cipher suite 0x%04X is not known", e.Suite)
}

// Secrets are what a handshake leaves: all keys follow from them.
type Secrets struct {
	Suite                      uint16   // IANA's number
	Master                     [48]byte // RFC 5246, section 8.1; RFC 7627
	ClientRandom, ServerRandom [32]byte
}

// prf fills out as the pseudorandom function of RFC 5246, section 5, over label and
// seeds.
func prf(newHash func() hash.Hash, out, secret []byte, label string, seeds ...[]byte) {
	seed := slices.Concat(append([][]byte{[]byte(label)}, seeds...)...)
	mac := hmac.New(newHash, secret)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	a := sum(seed) // A(1)
	for len(out) > 0 {
		out = out[copy(out, sum(a, seed)):]
		a = sum(a)
	}
}

// Protection returns the two ends of record protection that the secrets give to the
// client or to the server. The error is a *SuiteError.
func (s *Secrets) Protection(client bool) (*Sealer, *Opener, error) {
	sealer, opener, own, err := s.protection(client)
	if err == nil {
		own.erase()
	}
	return sealer, opener, err
}

// protection is Protection, and returns besides what opens the records of this side itself.
func (s *Secrets) protection(client bool) (sealer *Sealer, opener, own *Opener, err error) {
	known, ok := suites[s.Suite]
	if !ok {
		return nil, nil, nil, &SuiteError{s.Suite}
	}
	// RFC 5246, section 6.3, without MAC keys: an AEAD has none.
	n := known.keySize
	block := make([]byte, 2*n+2*ivSize)
	defer clear(block)
	prf(known.newHash, block, s.Master[:], "key expansion", s.ServerRandom[:], s.ClientRandom[:])
	write, read := block[:n], block[n:2*n]
	writeIV, readIV := block[2*n:2*n+ivSize], block[2*n+ivSize:]
	if !client {
		write, read, writeIV, readIV = read, write, readIV, writeIV
	}
	sealer, opener, own = &Sealer{aead: newGCM(write)}, &Opener{aead: newGCM(read)}, &Opener{aead: newGCM(write)}
	copy(sealer.nonce[:], writeIV)
	copy(opener.nonce[:], readIV)
	copy(own.nonce[:], writeIV)
	return sealer, opener, own, nil
}

// reservedLabels are those that the protocol itself uses (RFC 5705, section 4).
var reservedLabels = []string{"client finished", "server finished", "master secret", "extended master secret", "key expansion"}

// Export derives n bytes for the label (RFC 5705). A nil context is none, which is
// not the same as an empty one.
func (s *Secrets) Export(label string, context []byte, n int) ([]byte, error) {
	known, ok := suites[s.Suite]
	switch {
	case !ok:
		return nil, &SuiteError{s.Suite}
	case slices.Contains(reservedLabels, label):
		return nil, fmt.Errorf("dtlsrecord: the label %q is reserved (RFC 5705, section 4)", label)
	case len(context) > 1<<16-1:
		return nil, fmt.Errorf("dtlsrecord: a context of %d bytes is too long (RFC 5705, section 4)", len(context))
	case n < 0:
		return nil, fmt.Errorf("dtlsrecord: %d bytes were asked for", n)
	}
	seeds := [][]byte{s.ClientRandom[:], s.ServerRandom[:]}
	if context != nil {
		seeds = append(seeds, []byte{byte(len(context) >> 8), byte(len(context))}, context)
	}
	out := make([]byte, n)
	prf(known.newHash, out, s.Master[:], label, seeds...)
	return out, nil
}

// newGCM returns AES-GCM under a key of 16 or 32 bytes.
func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("dtlsrecord: BUG: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("dtlsrecord: BUG: " + err.Error())
	}
	eraseCipher(block)
	return aead
}

// eraseCipher overwrites the key schedule of a cipher of the standard library,
// which has no method for that.
func eraseCipher(c any) {
	if v := reflect.ValueOf(c); v.Kind() == reflect.Pointer && !v.IsNil() {
		v.Elem().SetZero()
	}
}
