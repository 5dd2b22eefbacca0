package dtlsrecord

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/pion/dtls/v2"
)

// What is not encrypted does not say which handshake it is of, and there may be several between two
// addresses: one that was given up here is repeated by the other end for a while, and Sessions may share a port.
// This file keeps what is of another from the library, where there may be one: flights with a signature that does not fit
// the randoms and messages of this handshake, and those of another peer. The library verifies all of it again.

const (
	// maxAttempts bounds the ClientHellos that a server answers at a time. After attemptPatience one
	// whose client does not go on makes room for the next.
	maxAttempts     = 4
	attemptPatience = time.Second

	// maxChecks bounds the verifications of signatures, of which a flight that is found to be of others costs one for
	// each attempt. Half of them are for certificates that are wanted: anybody can make the others.
	maxChecks = 64

	// maxRSAKey is the longest RSA key of a peer, in bits, as in crypto/tls: who verifies a signature with
	// one that fills a handshake is busy for many seconds.
	maxRSAKey = 8192

	// refusalPatience is how long a flight that may be of this handshake and is no good, as it has the wrong
	// certificate, waits for a better one, before the library gets it and ends the handshake.
	refusalPatience = time.Second
)

// An attempt is one handshake of the library. A client makes one. A server makes one for each
// random of a ClientHello, since it cannot tell which is of a client that is there; which one
// goes on settles it (RFC 6347, section 4.2.8).
type attempt struct {
	shim    *shim
	hello   []byte    // that it answers, as a server; nil: the first to come. Of the receiving lock.
	begun   time.Time // with hello
	own     assembler // of what the library says; of the sending lock
	repeats repeats   // of the sending lock

	// Guarded by Session.mu:
	said       bool   // its hello
	asked      bool   // as a server, for a cookie
	random     []byte // as a client, that of its hello
	transcript []byte // as a server, the messages of both sides
	secrets    Secrets
}

// errLargeKey ends a handshake with a peer whose key is beyond maxRSAKey.
var errLargeKey = errors.New("dtlsrecord: the RSA key of the peer's certificate is too long")

// outcome is what became of an attempt.
type outcome struct {
	a    *attempt
	conn *dtls.Conn
	err  error
}

// attempts are those of a Session. They are guarded by its lock.
type attempts struct {
	all     []*attempt // at least one; the chosen one alone once there is one
	chosen  *attempt   // nil: none yet; others have no say any more
	settled bool       // there will be no other
	begin   func(a *attempt) outcome
	begun   int          // attempts that have a goroutine: all but the first
	results chan outcome // of these, from the goroutine of each
}

// newAttempt adds an attempt; nil if there are enough, or the handshake is over.
func (s *Session) newAttempt() *attempt {
	a := &attempt{begun: time.Now()}
	a.shim = newShim(func(datagram []byte) { s.writeLibrary(a, datagram) })
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.attempts
	if t.settled || s.ended.Load() != nil {
		return nil
	}
	if len(t.all) == maxAttempts {
		oldest := slices.MinFunc(t.all, func(a, b *attempt) int { return a.begun.Compare(b.begun) })
		if a.begun.Sub(oldest.begun) < attemptPatience {
			return nil
		}
		t.all = slices.DeleteFunc(t.all, func(other *attempt) bool { return other == oldest })
		oldest.shim.Close()
	}
	if t.all = append(t.all, a); t.begin != nil {
		t.launch(a)
	}
	return a
}

// launch runs an attempt. The lock is held.
func (t *attempts) launch(a *attempt) {
	t.begun++
	begin, results := t.begin, t.results
	go func() { results <- begin(a) }()
}

// attend runs the first attempt, and others that are added, until one has succeeded, or the
// last has failed.
func (s *Session) attend(ctx context.Context) (*dtls.Conn, error) {
	t := &s.attempts
	s.mu.Lock()
	t.results = make(chan outcome)
	t.begin = func(a *attempt) outcome {
		connect := dtls.ServerWithContext
		if s.cfg.Client {
			connect = dtls.ClientWithContext
		}
		conn, err := connect(ctx, a.shim, s.libraryConfig(a))
		return outcome{a, conn, err}
	}
	first, begin, results := t.all[0], t.begin, t.results
	for _, a := range t.all[1:] {
		t.launch(a)
	}
	s.mu.Unlock()
	o := begin(first)
	for ended := 0; s.await(ended); ended++ {
		if next := <-results; next.a == s.chosen() {
			o = next
		}
	}
	return o.conn, o.err
}

// await tells whether there are more outcomes to come; if there are none, there will be no others.
func (s *Session) await(ended int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.attempts
	if ended < t.begun {
		return true
	}
	t.settled, t.begin, t.results = true, nil, nil
	return false
}

// chosen returns the attempt that the peer has gone on with, or nil.
func (s *Session) chosen() *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts.chosen
}

// mayWrite tells whether a datagram of an attempt may leave: not if another one is chosen, and no
// alert as long as there are several.
func (s *Session) mayWrite(a *attempt, datagram []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := &s.attempts; t.chosen != nil {
		return t.chosen == a
	}
	return len(s.attempts.all) == 1 || len(datagram) == 0 || datagram[0] != typeAlert
}

// eachShim calls f with the shim of each attempt.
func (s *Session) eachShim(f func(*shim)) {
	s.mu.Lock()
	all := slices.Clone(s.attempts.all)
	s.mu.Unlock()
	for _, a := range all {
		f(a.shim)
	}
}

// spoken tells whether the library has said hello: before that there is nothing which the
// peer might answer.
func (s *Session) spoken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.attempts.all, func(a *attempt) bool { return a.said })
}

// wantsCookie tells whether the library has sent a HelloVerifyRequest, and has not had its answer.
func (s *Session) wantsCookie(a *attempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.asked && !a.said
}

// noteOwn looks at a record of epoch 0 that an attempt is about to send. The sending lock is held.
func (s *Session) noteOwn(a *attempt, record []byte) {
	s.mu.Lock()
	known := s.attempts.chosen != nil || s.cfg.Client && a.said
	s.mu.Unlock()
	if known || record[0] != typeHandshake {
		return
	}
	a.own.add(record[headerSize:], func(message []byte) {
		a.own.commit()
		s.mu.Lock()
		defer s.mu.Unlock()
		switch kind := message[0]; {
		case kind == messageClientHello && s.cfg.Client:
			if random := randomOf(message); random != nil {
				a.said, a.random = true, bytes.Clone(random)
			}
		case s.cfg.Client:
		case kind == messageHelloVerifyRequest:
			a.asked = true
		default:
			if random, suite, ok := helloOf(message); ok && !a.said {
				a.said, a.secrets.ServerRandom, a.secrets.Suite = true, random, suite
			}
			a.transcript = append(a.transcript, message...)
		}
	})
}

// randomOf returns the random of a hello of either side (RFC 5246, section 7.4.1.2).
func randomOf(message []byte) []byte {
	if len(message) < messageHeader+34 {
		return nil
	}
	return message[messageHeader+2:][:32]
}

// clientHello takes a ClientHello, which may be a repetition, or the same with a cookie. One that differs is of another
// handshake, even if it has the same random: somebody may have put it together from several.
func (s *Session) clientHello(message []byte) dropReason {
	random := randomOf(message)
	if random == nil {
		return dropMalformed
	}
	r := &s.receive
	s.mu.Lock()
	all := slices.Clone(s.attempts.all)
	s.mu.Unlock()
	var a *attempt
	if slices.ContainsFunc(all, func(a *attempt) bool { return bytes.Equal(a.hello, message) }) {
		return dropNothing // seen before
	}
	number := numberOf(message)
	i := slices.IndexFunc(all, func(a *attempt) bool {
		if a.hello == nil || number == 0 {
			return a.hello == nil && number == 0
		}
		return number == numberOf(a.hello)+1 && bytes.Equal(randomOf(a.hello), random) && s.wantsCookie(a)
	})
	switch {
	case i >= 0:
		a = all[i]
	case number > 0:
		return dropForeign // there was no HelloVerifyRequest that it answers
	default:
		if a = s.newAttempt(); a == nil {
			return dropNoRoom
		}
	}
	if a.hello == nil {
		a.begun = time.Now()
	}
	a.hello = message
	r.assembler.expect(numberOf(message) + 1)
	r.progress++
	s.mu.Lock()
	a.transcript = bytes.Clone(message) // with a cookie, the first is not part of it: RFC 6347, section 4.2.1
	s.mu.Unlock()
	a.shim.deliverMessage(message)
	if !a.shim.flush() {
		return dropNoRoom
	}
	return dropNothing
}

// handshakeMessage takes the next message of the peer, but for a ClientHello.
func (s *Session) handshakeMessage(message []byte) {
	r := &s.receive
	r.progress++
	switch kind := message[0]; {
	case r.settled:
		r.assembler.commit()
		s.shim.deliverMessage(message)
	case s.cfg.Client && kind == messageHelloVerifyRequest:
		r.assembler.commit()
		s.shim.deliverMessage(message)
	case s.cfg.Client && kind == messageServerHelloDone, !s.cfg.Client && endsFlight(r.assembler.gathered):
		s.judge(r.assembler.gathered)
	}
}

// endsFlight tells whether that is all of a client's flight that is not encrypted: without a
// certificate there is no CertificateVerify.
func endsFlight(flight [][]byte) bool {
	switch flight[len(flight)-1][0] {
	case messageCertificateVerify:
		return true
	case messageClientKeyExchange:
		return certificates(flight) == nil
	}
	return false
}

// judge gives a flight to the library, unless it is of another handshake: then it is dropped, with
// whatever else has come of it, and the peer's is awaited from the beginning.
func (s *Session) judge(flight [][]byte) {
	r := &s.receive
	if a := s.undoubted(); a != nil {
		s.accept(a, flight)
		return
	}
	wanted, limit := true, maxChecks
	if s.cfg.Wanted != nil && !s.cfg.Wanted(certificates(flight)) {
		wanted, limit = false, maxChecks/2
	}
	digest := sha256.Sum256(slices.Concat(flight...))
	if r.checks < limit && !slices.Contains(r.foreign, digest) {
		a, verified := s.attemptOf(flight)
		if verified && wanted {
			s.accept(a, flight)
			return
		}
		if a != nil && r.refused == nil {
			r.refused = time.AfterFunc(refusalPatience, func() { s.acceptRefused(a, flight) })
		}
		r.foreign = append(r.foreign, digest)
	}
	s.counters.drop(dropForeign)
	r.doubted = true
	r.assembler.restart()
}

// undoubted returns the attempt that a flight is of if nothing points to another handshake, else nil. To verify
// signatures and certificates twice takes an eighth of what the whole handshake does.
func (s *Session) undoubted() *attempt {
	if r := &s.receive; r.doubted || r.assembler.contradicted || s.cfg.Contested == nil || s.cfg.Contested() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := &s.attempts; len(t.all) == 1 && t.all[0].said {
		return t.all[0]
	}
	return nil
}

// accept gives a flight to the library, and with that the attempt all that follows.
func (s *Session) accept(a *attempt, flight [][]byte) {
	r := &s.receive
	r.settled, r.foreign = true, nil
	r.assembler.commit()
	if r.refused != nil {
		r.refused.Stop()
	}
	if hasLargeKey(certificates(flight)) {
		s.end(&ending{err: errLargeKey}, false)
		return
	}
	s.mu.Lock()
	t := &s.attempts
	losers := slices.DeleteFunc(t.all, func(other *attempt) bool { return other == a })
	if s.cfg.Client {
		a.secrets.ServerRandom, a.secrets.Suite, _ = helloOf(flight[0])
	}
	s.secrets, s.hello, a.hello = a.secrets, true, nil
	t.all, t.chosen, t.settled, a.transcript = []*attempt{a}, a, true, nil
	s.mu.Unlock()
	for _, other := range losers {
		other.shim.Close()
	}
	s.shim = a.shim
	for _, message := range flight {
		s.shim.deliverMessage(message)
	}
	r.signed = flight[len(flight)-1][0] == messageCertificateVerify
}

// acceptRefused is accept for a flight that the library will refuse, and say so, if nothing better has come.
func (s *Session) acceptRefused(a *attempt, flight [][]byte) {
	r := &s.receive
	r.mu.Lock()
	defer s.release(nil)
	s.mu.Lock()
	there := slices.Contains(s.attempts.all, a)
	s.mu.Unlock()
	if r.refused = nil; there && !r.settled && !r.established && s.ended.Load() == nil {
		s.accept(a, flight)
	}
}

// attemptOf returns the attempt that a flight is of, nil if it is of another handshake. Where nothing tells, as there is no
// signature that can be verified, it is the last one.
func (s *Session) attemptOf(flight [][]byte) (a *attempt, verified bool) {
	s.mu.Lock()
	said := slices.DeleteFunc(slices.Clone(s.attempts.all), func(a *attempt) bool { return !a.said })
	var before [][]byte // that what is signed begins with, for each
	for _, a := range said {
		before = append(before, slices.Concat(a.random, a.transcript))
	}
	s.mu.Unlock()
	if s.receive.checks += max(1, len(said)); len(said) == 0 {
		return nil, false
	}
	var rest, signed []byte
	if s.cfg.Client {
		rest, signed = keyExchangeOf(flight)
	} else if last := flight[len(flight)-1]; last[0] == messageCertificateVerify {
		rest, signed = slices.Concat(flight[:len(flight)-1]...), last[messageHeader:]
	}
	algorithm, signature := signatureOf(signed)
	chain := certificates(flight)
	if algorithm == 0 || len(chain) == 0 || hasLargeKey(chain) {
		return said[len(said)-1], false
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return said[len(said)-1], false
	}
	for i, a := range said {
		if leaf.CheckSignature(algorithm, slices.Concat(before[i], rest), signature) == nil {
			return a, true
		}
	}
	return nil, false
}

// hasLargeKey tells whether the key of the leaf is beyond maxRSAKey. A certificate that is no longer than such a key has none.
func hasLargeKey(chain [][]byte) bool {
	if len(chain) == 0 || len(chain[0]) <= maxRSAKey/8 {
		return false
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return false
	}
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() > maxRSAKey
}

// keyExchangeOf returns what the signature of a ServerKeyExchange is over besides the client's random, and the
// signature (RFC 8422, section 5.4); nil where there is none.
func keyExchangeOf(flight [][]byte) (signed, signature []byte) {
	hello := slices.IndexFunc(flight, func(m []byte) bool { return m[0] == messageServerHello })
	exchange := slices.IndexFunc(flight, func(m []byte) bool { return m[0] == messageServerKeyExchange })
	if hello < 0 || exchange < 0 {
		return nil, nil
	}
	random, body := randomOf(flight[hello]), flight[exchange][messageHeader:]
	const namedCurve = 3
	if random == nil || len(body) < 4 || body[0] != namedCurve || len(body) < 4+int(body[3]) {
		return nil, nil
	}
	params := 4 + int(body[3]) // curve, length of the point, point
	return slices.Concat(random, body[:params]), body[params:]
}

// signatureOf returns the algorithm and the value of a digitally-signed element (RFC 5246,
// section 4.7); 0 if it is malformed, or of an algorithm that we do not use.
func signatureOf(b []byte) (x509.SignatureAlgorithm, []byte) {
	if len(b) < 4 || len(b) != 4+int(binary.BigEndian.Uint16(b[2:])) {
		return 0, nil
	}
	return signatureAlgorithms[binary.BigEndian.Uint16(b)], b[4:]
}

// signatureAlgorithms by hash and signature (RFC 5246, section 7.4.1.4.1).
var signatureAlgorithms = map[uint16]x509.SignatureAlgorithm{
	0x0401: x509.SHA256WithRSA, 0x0501: x509.SHA384WithRSA, 0x0601: x509.SHA512WithRSA,
	0x0403: x509.ECDSAWithSHA256, 0x0503: x509.ECDSAWithSHA384, 0x0603: x509.ECDSAWithSHA512,
}

// certificates returns those of a flight in DER, the leaf first; nil if it has none (RFC 5246, section 7.4.2).
func certificates(flight [][]byte) (chain [][]byte) {
	i := slices.IndexFunc(flight, func(m []byte) bool { return m[0] == messageCertificate })
	if i < 0 || len(flight[i]) < messageHeader+3 {
		return nil
	}
	for rest := flight[i][messageHeader+3:]; len(rest) >= 3; {
		size := uint24(rest)
		if rest = rest[3:]; size > len(rest) {
			return nil
		}
		chain, rest = append(chain, rest[:size]), rest[size:]
	}
	return chain
}
