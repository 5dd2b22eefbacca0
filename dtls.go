package sluice

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pion/dtls/v2"
)

// minFlightInterval is the least time before a flight of the handshake is sent
// again. RFC 6347, section 4.2.4.1, starts at 1 s and doubles; the path has just
// been measured by ICE, so twice its round-trip time is known to suffice.
const minFlightInterval = 50 * time.Millisecond

// maxRecordPayload is the largest message that arrives whole at a peer built on
// the same library, which cuts datagrams at 8192 bytes: less the record header,
// explicit nonce and tag.
const maxRecordPayload = maxDatagram - recordHeader - 8 - 16

// handshakeConfig is what a handshake needs to know.
type handshakeConfig struct {
	cert         *Certificate
	fingerprints []Fingerprint // one of which the peer's certificate must have
	client       bool
	timeout      time.Duration
	rtt          time.Duration // of the path, 0 if unknown
	log          logFactory
}

// handshake establishes DTLS 1.2 over conn. It returns a *FingerprintError if
// the peer is not who signalling announced, a *HandshakeError if the handshake
// failed or took too long, or the error of ctx. It leaves closing conn to the
// caller if it fails.
func handshake(ctx context.Context, conn *datagramConn, hc handshakeConfig) (secureTransport, error) {
	timed, cancel := context.WithTimeout(ctx, hc.timeout)
	defer cancel()
	var verdict error = errors.New("the peer's certificate was never verified")
	cfg := hc.dtls(func(rawCerts [][]byte) error {
		if len(rawCerts) == 0 {
			verdict = errors.New("the peer presented no certificate")
		} else {
			verdict = verifyFingerprint(rawCerts[0], hc.fingerprints)
		}
		return verdict
	})
	var session *dtls.Conn
	var err error
	if hc.client {
		session, err = dtls.ClientWithContext(timed, conn, cfg)
	} else {
		session, err = dtls.ServerWithContext(timed, conn, cfg)
	}
	var mismatch *FingerprintError
	switch {
	case ctx.Err() != nil:
		closeSession(session)
		return nil, ctx.Err()
	case errors.As(verdict, &mismatch):
		closeSession(session)
		return nil, verdict
	case err != nil:
		return nil, &HandshakeError{Err: err}
	case verdict != nil:
		closeSession(session)
		return nil, &HandshakeError{Err: verdict}
	}
	state := session.ConnectionState()
	s := &dtlsTransport{conn: session, path: conn, state: state, log: hc.log.scoped("dtls")}
	s.info = secureInfo{Version: 0xFEFD, Cipher: cipherName(&state), Role: DTLSRoleServer}
	if hc.client {
		s.info.Role = DTLSRoleClient
	}
	conn.established()
	return s, nil
}

// cipherName returns the name of the negotiated suite, which the library tells
// only in its serialized state.
func cipherName(state *dtls.State) string {
	var serialized struct{ CipherSuiteID uint16 }
	b, err := state.MarshalBinary()
	if err == nil {
		err = gob.NewDecoder(bytes.NewReader(b)).Decode(&serialized)
	}
	if err != nil {
		return ""
	}
	return dtls.CipherSuiteName(dtls.CipherSuiteID(serialized.CipherSuiteID))
}

func closeSession(c *dtls.Conn) {
	if c != nil {
		c.Close()
	}
}

// dtls returns the configuration of the library; verify sees the certificates
// that the peer has proven to own.
func (hc *handshakeConfig) dtls(verify func(rawCerts [][]byte) error) *dtls.Config {
	cfg := &dtls.Config{
		Certificates: []tls.Certificate{hc.cert.tls()},
		// AEAD with forward secrecy only (RFC 8827, section 6.5), the mandatory
		// suite first.
		CipherSuites: []dtls.CipherSuiteID{
			dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
		// Never leave these to the library: its default list has an entry
		// without a digest, under which an ECDSA signature is verified over
		// nothing and can be made from the public key alone.
		SignatureSchemes: []tls.SignatureScheme{
			tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512,
			tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512,
		},
		ClientAuth:         dtls.RequireAnyClientCert,
		InsecureSkipVerify: true, // certificates are self-signed; the fingerprint is compared instead
		VerifyPeerCertificate: func(rawCerts [][]byte, _ [][]*x509.Certificate) error {
			return verify(rawCerts)
		},
		// Binds the session to the certificates that were shown (RFC 7627). The
		// library's server does not verify the client's Finished; with this and
		// client certificates the signature covers the handshake.
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
		// ICE has verified the peer's address already.
		InsecureSkipVerifyHello: true,
		ReplayProtectionWindow:  1024,
		FlightInterval:          max(minFlightInterval, 2*hc.rtt),
		LoggerFactory:           hc.log,
	}
	if !hc.client {
		// Browsers always offer use_srtp, and the library's server ends the
		// handshake if it has no profile in common. None is ever used.
		cfg.SRTPProtectionProfiles = []dtls.SRTPProtectionProfile{
			dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
		}
	}
	return cfg
}

// dtlsTransport is the secureTransport on the DTLS library.
type dtlsTransport struct {
	conn  *dtls.Conn
	path  *datagramConn
	state dtls.State
	info  secureInfo
	log   scopedLogger

	closeOnce sync.Once
	closeErr  error

	readMu  sync.Mutex
	kept    []byte // a message that was too large for the last Read
	scratch []byte // where messages go that may be too large
}

// Read is described at secureTransport. io.EOF: the peer closed.
func (t *dtlsTransport) Read(p []byte) (int, error) {
	t.readMu.Lock()
	defer t.readMu.Unlock()
	if t.kept != nil {
		return t.handOver(p, t.kept)
	}
	buf := p
	if len(p) < maxDatagram {
		// The library loses a message that does not fit.
		if t.scratch == nil {
			t.scratch = make([]byte, maxDatagram)
		}
		buf = t.scratch
	}
	n, err := t.read(buf)
	if err != nil {
		return 0, err
	}
	if len(p) < maxDatagram {
		return t.handOver(p, buf[:n])
	}
	return n, nil
}

// handOver copies message to p or, if it does not fit, keeps it.
func (t *dtlsTransport) handOver(p, message []byte) (int, error) {
	if len(message) > len(p) {
		t.kept = message
		return 0, io.ErrShortBuffer
	}
	t.kept = nil
	return copy(p, message), nil
}

// read reads one message, and passes over what does not end the connection:
// warning alerts and datagrams that are no records.
func (t *dtlsTransport) read(buf []byte) (int, error) {
	for {
		n, err := t.conn.Read(buf)
		var timeout net.Error
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, dtls.ErrConnClosed):
			return 0, io.EOF
		case errors.As(err, &timeout) && timeout.Timeout():
			return 0, os.ErrDeadlineExceeded
		}
		t.log.Debugf("read: %v", err)
	}
}

// Write sends p as one record.
func (t *dtlsTransport) Write(p []byte) (int, error) {
	if len(p) > maxRecordPayload {
		return 0, &MessageSizeError{Size: len(p), Max: maxRecordPayload}
	}
	n, err := t.conn.Write(p)
	var timeout net.Error
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, dtls.ErrConnClosed):
		return 0, net.ErrClosed
	case errors.As(err, &timeout) && timeout.Timeout():
		return 0, os.ErrDeadlineExceeded
	}
	return 0, fmt.Errorf("sluice: DTLS: %w", err)
}

// Close sends close_notify and ends reads and writes. The path below it closes,
// ICE stays.
func (t *dtlsTransport) Close() error {
	t.closeOnce.Do(func() {
		t.path.willClose()
		if err := t.conn.Close(); err != nil && !errors.Is(err, dtls.ErrConnClosed) {
			t.closeErr = err
		}
	})
	return t.closeErr
}

func (t *dtlsTransport) LocalAddr() net.Addr                { return t.path.LocalAddr() }
func (t *dtlsTransport) RemoteAddr() net.Addr               { return t.path.RemoteAddr() }
func (t *dtlsTransport) SetDeadline(d time.Time) error      { return t.conn.SetDeadline(d) }
func (t *dtlsTransport) SetReadDeadline(d time.Time) error  { return t.conn.SetReadDeadline(d) }
func (t *dtlsTransport) SetWriteDeadline(d time.Time) error { return t.conn.SetWriteDeadline(d) }

// SetDontFragment is described at secureTransport.
func (t *dtlsTransport) SetDontFragment(on bool) error {
	if t.path.dontFragment == nil {
		return errors.ErrUnsupported
	}
	return t.path.dontFragment(on)
}

func (t *dtlsTransport) PeerCertificates() [][]byte {
	var certs [][]byte
	for _, der := range t.state.PeerCertificates {
		certs = append(certs, append([]byte(nil), der...))
	}
	return certs
}

func (t *dtlsTransport) ExportKeyingMaterial(label string, n int) ([]byte, error) {
	return t.state.ExportKeyingMaterial(label, nil, n)
}

func (t *dtlsTransport) Info() secureInfo { return t.info }
