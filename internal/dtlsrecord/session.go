package dtlsrecord

import (
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v2"
)

// Config configures a Session.
type Config struct {
	// Client says who sends the ClientHello.
	Client bool

	// DTLS configures the handshake. KeyLogWriter is used by the Session itself.
	DTLS *dtls.Config

	// Send sends datagrams in order. One that cannot be sent does not keep back
	// those behind it: it returns how many were lost, and the error of the last of
	// these. It does not keep them, does not wait for the peer, and is called by one
	// goroutine at a time; it must not call the Session. Those of one WriteInPlace lie
	// one behind the other in memory.
	Send func(datagrams [][]byte) (lost int, err error)

	// Contested tells whether another handshake may take place between the same addresses, or has just done so; nil: that
	// is not known. Then what comes in during the handshake is verified before it gets to the library.
	Contested func() bool

	// Wanted, if set, tells whether certificates may be the peer's. Where the addresses are contested others
	// may be of another handshake: they get to DTLS.VerifyPeerCertificate, to refuse them, only if no better ones
	// come within a second. Both are called with locks held, and must not call the Session.
	Wanted func(certificates [][]byte) bool

	// Library leaves record protection to the library, for comparison. It is so too
	// if the peer chooses a cipher suite that is not AES-GCM with ECDHE.
	Library bool

	// FalseStart lets the client write as soon as its own Finished is on its way,
	// one round trip before that of the server comes (RFC 7918). What such data is
	// encrypted with comes from an ephemeral key that the server has signed, under a
	// cipher with forward secrecy, and the certificate was verified: only the server
	// can read it. What is not known yet is whether somebody has tampered with the
	// offers of the handshake; there is none but of suites and groups of one
	// strength, and tampering ends the connection. What the server sends is held
	// until its Finished was verified. Ignored by the server and with Library.
	FalseStart bool
}

// Session is one DTLS connection: the library runs the handshake, the Session
// protects the records, and in the end keeps nothing of the library. It has no
// goroutine once the handshake is over, unless the library protects the records.
//
// Datagrams come in by HandleDatagrams, from any goroutine that reads them. Of a
// handshake the library is given whole messages, each once and in order, whatever
// came in; so a flight may be lost, repeated or reordered, and nothing that is
// spoofed makes it keep more than maxMessageBytes. From the moment when there are
// keys, one Sealer gives out all sequence numbers: what the library seals itself
// (Finished, alerts) is opened and sealed again. Once the handshake is over what is
// not encrypted is dropped.
//
// All methods may be called from any goroutine. There are two locks, receiving and
// sending; the second may be taken under the first. Neither is held while the receiver
// runs, the second is while Config.Send does.
type Session struct {
	cfg      Config
	shim     *shim         // that of the chosen attempt, or of the first; of the receiving lock
	interval time.Duration // between repetitions of a flight, by the library
	counters counters
	receive  receiving
	send     sending

	writable chan struct{} // closed when application data may be written
	ended    atomic.Pointer[ending]

	mu           sync.Mutex
	attempts     attempts
	secrets      Secrets
	hello        bool // secrets has what the ServerHello says
	certificates [][]byte
	library      *dtls.Conn // if it protects the records
}

// An ending says why a Session has ended.
type ending struct {
	err   error
	local bool // by Close: nobody needs to be told

	notify bool // the peer is told, if there are keys
}

// Errors of a Session, beside those of the handshake.
var (
	// ErrNotReady: there are no keys yet.
	ErrNotReady = errors.New("dtlsrecord: the handshake is not over")

	errTwice  = errors.New("dtlsrecord: there has been a handshake, or no configuration for one")
	errNoKeys = errors.New("dtlsrecord: the handshake gave no keys")
)

// New makes a Session. It does nothing until Handshake and HandleDatagrams are called.
func New(cfg Config) *Session {
	s := &Session{cfg: cfg, writable: make(chan struct{}), interval: time.Second} // the library's default
	if cfg.DTLS != nil && cfg.DTLS.FlightInterval > 0 {
		s.interval = cfg.DTLS.FlightInterval
	}
	s.shim = s.newAttempt().shim
	if !cfg.Client {
		s.receive.assembler.expect(1) // ClientHello is 0
	}
	s.receive.library = cfg.Library
	s.send.library = cfg.Library
	return s
}

// libraryConfig returns the configuration for the library, in an attempt.
func (s *Session) libraryConfig(a *attempt) *dtls.Config {
	c := *s.cfg.DTLS
	c.KeyLogWriter = keyLog{s, a}
	verify := c.VerifyPeerCertificate
	c.VerifyPeerCertificate = func(certificates [][]byte, chains [][]*x509.Certificate) error {
		s.mu.Lock()
		s.certificates = nil
		for _, der := range certificates {
			s.certificates = append(s.certificates, append([]byte(nil), der...))
		}
		s.mu.Unlock()
		if verify == nil {
			return nil
		}
		return verify(certificates, chains)
	}
	return &c
}

// PeerCertificates returns the peer's certificates in DER, the leaf first; nil before
// the handshake has come to them.
func (s *Session) PeerCertificates() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out [][]byte
	for _, der := range s.certificates {
		out = append(out, append([]byte(nil), der...))
	}
	return out
}

// CipherSuite returns the IANA name of the cipher suite; "" before it was chosen.
func (s *Session) CipherSuite() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := suites[s.secrets.Suite]; ok {
		return known.name
	}
	if !s.hello {
		return ""
	}
	return dtls.CipherSuiteName(dtls.CipherSuiteID(s.secrets.Suite))
}

// Export derives n bytes for the label (RFC 5705). A nil context is none.
func (s *Session) Export(label string, context []byte, n int) ([]byte, error) {
	select {
	case <-s.writable:
	default:
		return nil, ErrNotReady
	}
	s.mu.Lock()
	secrets, library := s.secrets, s.library
	s.mu.Unlock()
	defer clear(secrets.Master[:])
	if s.ended.Load() != nil { // asked last: these may have been erased by then
		return nil, net.ErrClosed
	}
	out, err := secrets.Export(label, context, n)
	var unknown *SuiteError
	if errors.As(err, &unknown) && library != nil {
		state := library.ConnectionState()
		return state.ExportKeyingMaterial(label, context, n)
	}
	return out, err
}

// Close sends close_notify and ends the Session; keys are erased. It does not wait for a
// WriteInPlace that is under way, which does the rest then. What is received
// afterwards is dropped. It may be called from within the receiver.
func (s *Session) Close() error {
	s.close(&ending{err: net.ErrClosed, local: true})
	return nil
}

// close ends the Session with a close_notify, where one can be sent.
func (s *Session) close(why *ending) {
	if s.ended.Load() != nil {
		return
	}
	s.mu.Lock()
	library := s.library
	s.mu.Unlock()
	if library != nil {
		s.eachShim((*shim).willClose)
		library.Close()
	}
	s.end(why, true)
}

// end ends the Session once. The peer is told with a close_notify if there are keys.
func (s *Session) end(why *ending, notify bool) {
	why.notify = notify
	if !s.ended.CompareAndSwap(nil, why) {
		return
	}
	s.eachShim(func(h *shim) { h.Close() })
	s.send.end(s)
	s.finish()
}
