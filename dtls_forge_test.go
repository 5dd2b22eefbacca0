package sluice

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"
)

// forge returns an ECDSA signature by pub over a hash of no bytes, made from the
// public key alone: with e = 0, r = x(tQ) and s = r/t are valid for every t.
func forge(t testing.TB, pub *ecdsa.PublicKey) []byte {
	t.Helper()
	q, err := pub.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	key, err := q.Curve().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x, err := key.ECDH(q)
	if err != nil {
		t.Fatal(err)
	}
	n := pub.Curve.Params().N
	k := new(big.Int).SetBytes(key.Bytes())
	r := new(big.Int).SetBytes(x)
	r.Mod(r, n)
	s := new(big.Int).Mul(r, new(big.Int).ModInverse(k, n))
	s.Mod(s, n)
	sig := slices.Concat(asn1Integer(r), asn1Integer(s))
	sig = append([]byte{0x30, byte(len(sig))}, sig...)
	if !ecdsa.VerifyASN1(pub, nil, sig) {
		t.Fatal("the forged signature is not valid over nothing")
	}
	return sig
}

func asn1Integer(v *big.Int) []byte {
	b := v.Bytes()
	if b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return append([]byte{2, byte(len(b))}, b...)
}

// rewriteHandshake replaces the body of the unfragmented, unencrypted handshake
// messages of one type in a datagram, and reports whether it did.
func rewriteHandshake(b []byte, messageType byte, body func(old []byte) []byte) (out []byte, done bool) {
	for len(b) >= recordHeader {
		size := recordHeader + int(b[11])<<8 + int(b[12])
		record := bytes.Clone(b[:size])
		b = b[size:]
		if record[0] == 22 && record[4] == 0 && record[recordHeader] == messageType {
			message := record[recordHeader:]
			changed := body(message[12:])
			message = slices.Clone(message[:12])
			message[1], message[2], message[3] = 0, byte(len(changed)>>8), byte(len(changed))
			copy(message[9:12], message[1:4])
			message = append(message, changed...)
			record = append(record[:11], byte(len(message)>>8), byte(len(message)))
			record = append(record, message...)
			done = true
		}
		out = append(out, record...)
	}
	return out, done
}

const (
	serverKeyExchange = 12
	certificateVerify = 15
	clientKeyExchange = 16
)

// TRANSPORT [T]: with the library's default signature schemes, who has only seen
// a certificate passes for its owner. The attacker here has the certificate that
// the victim expects, but not its key; it signs over an empty hash, and says that
// this is Ed25519 (0x0807), the scheme without a digest.
func TestForgedSignatureRefused(t *testing.T) {
	alice := mustCertificate(t)
	throwaway, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	attacker := &dtls.Config{
		Certificates:       []tls.Certificate{{Certificate: [][]byte{alice.DER()}, PrivateKey: throwaway}},
		InsecureSkipVerify: true, ClientAuth: dtls.RequireAnyClientCert,
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret, LoggerFactory: newLogFactory(nil),
	}
	forged := forge(t, alice.key.Public().(*ecdsa.PublicKey))
	signature := append([]byte{8, 7, byte(len(forged) >> 8), byte(len(forged))}, forged...)

	t.Run("victim is server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			other, victim, up, _ := newParties(t)
			victim.hc.fingerprints, victim.hc.timeout = alice.Fingerprints(), 5*time.Second
			forgeries := 0
			up.tamper = func(b []byte) [][]byte {
				out, done := rewriteHandshake(b, certificateVerify, func([]byte) []byte { return signature })
				if done {
					forgeries++
				}
				return [][]byte{out}
			}
			victim.run(t.Context())
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			conn, _ := other.peer(ctx, attacker)
			<-victim.done
			var failed *HandshakeError
			if forgeries == 0 || !errors.As(victim.err, &failed) {
				t.Fatalf("a forged CertificateVerify (%d of them) was met with %v, want a *HandshakeError", forgeries, victim.err)
			}
			conn.Close()
		})
	})
	t.Run("victim is client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			victim, other, up, down := newParties(t)
			victim.hc.fingerprints, victim.hc.timeout = alice.Fingerprints(), 5*time.Second
			forgeries, believed := 0, 0
			down.tamper = func(b []byte) [][]byte {
				out, done := rewriteHandshake(b, serverKeyExchange, func(old []byte) []byte {
					public := 4 + int(old[3]) // curve type, curve, length of the point
					return slices.Concat(old[:public], signature)
				})
				if done {
					forgeries++
				}
				return [][]byte{out}
			}
			up.tamper = func(b []byte) [][]byte {
				// A client goes on to its key exchange once it believes the server.
				rewriteHandshake(b, clientKeyExchange, func(old []byte) []byte { believed++; return old })
				return [][]byte{b}
			}
			victim.run(t.Context())
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			conn, _ := other.peer(ctx, attacker)
			<-victim.done
			var failed *HandshakeError
			if forgeries == 0 || believed != 0 || !errors.As(victim.err, &failed) {
				t.Fatalf("a forged ServerKeyExchange (%d of them) was believed %d times and met with %v, want a *HandshakeError",
					forgeries, believed, victim.err)
			}
			conn.Close()
		})
	})
}

// What came in before the client's first word is of another handshake: with somebody else at the same
// port as its server, for instance, from the same address. The client does not take it for an answer.
func TestHandshakeAfterAnother(t *testing.T) {
	first, theirs, _, toFirst := newParties(t)
	var mu sync.Mutex
	var said [][]byte
	toFirst.tamper = func(b []byte) [][]byte {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, b)
		return [][]byte{b}
	}
	connectParties(t, first, theirs)
	client, server, _, toClient := newParties(t)
	server.hc.cert = theirs.hc.cert // a program may use one for all its connections
	client.hc.fingerprints = server.hc.cert.Fingerprints()
	mu.Lock()
	for _, b := range said {
		toClient.inject(b)
	}
	want := uint64(len(said))
	mu.Unlock()
	if !eventually(func() bool { return client.conn.Stats().Received == want }) {
		t.Fatal("nothing came in")
	}
	connectParties(t, client, server)
}
