//go:build !js

package sluice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/sluice-rtc/sluice/internal/dtlsrecord"
	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// minFlightInterval is the least time before a flight of the handshake is sent
// again. RFC 6347, section 4.2.4.1, starts at 1 s and doubles; the path has just
// been measured by ICE, so twice its round-trip time is known to suffice.
const minFlightInterval = 50 * time.Millisecond

// maxDatagram is the largest datagram that a peer on the same libraries takes whole.
const maxDatagram = 8192

// maxRecordPayload is the largest payload of a record that arrives whole at a peer
// which cuts datagrams at 8192 bytes.
const maxRecordPayload = maxDatagram - dtlsrecord.Before - dtlsrecord.After

// handshakeConfig is what a handshake needs to know.
type handshakeConfig struct {
	cert         *Certificate
	fingerprints []Fingerprint // one of which the peer's certificate must have
	client       bool
	offerSRTP    bool // as a client; a server without SRTP then fails
	timeout      time.Duration
	rtt          time.Duration // of the path, 0 if unknown
	plain        bool          // Config.PlainTransport
	falseStart   bool          // Config.DTLSFalseStart
	log          logFactory

	// dontFragment says whether the network may fragment datagrams; nil if there is no
	// saying so.
	dontFragment func(on bool) error

	// dscp sets the codepoint of Differentiated Services; nil if it stays 0.
	dscp func(codepoint uint8)
}

// handshake establishes DTLS 1.2 over path, which ICE keeps: what there is to send goes to
// the pair that is selected at the time. It returns a *FingerprintError if the peer
// is not who signalling announced, a *HandshakeError if the handshake failed or took
// too long, or the error of ctx.
func handshake(ctx context.Context, path *udpmux.Session, hc handshakeConfig) (secureTransport, error) {
	if path.Crowded() {
		return nil, &HandshakeError{Err: ErrUDPMuxFull}
	}
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
	session := dtlsrecord.New(dtlsrecord.Config{Client: hc.client, DTLS: cfg, Send: path.Write, Library: hc.plain, FalseStart: hc.falseStart,
		Contested: path.Contested, Wanted: func(rawCerts [][]byte) bool {
			return len(rawCerts) > 0 && verifyFingerprint(rawCerts[0], hc.fingerprints) == nil
		}})
	if hc.client {
		path.Forget() // the server says nothing before it has heard of us: that is of others at its address
	}
	path.Receive(session.HandleDatagrams)
	err := session.Handshake(timed)
	if err == nil && verdict != nil {
		err = verdict
	}
	if err != nil {
		session.Close()
		var mismatch *FingerprintError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(verdict, &mismatch):
			return nil, verdict
		}
		return nil, &HandshakeError{Err: err}
	}
	t := &dtlsTransport{Session: session, path: path, dontFragment: hc.dontFragment, dscp: hc.dscp}
	t.info = secureInfo{Version: 0xFEFD, Cipher: session.CipherSuite(), Role: DTLSRoleServer}
	if hc.client {
		t.info.Role = DTLSRoleClient
	}
	return t, nil
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
		ReplayProtectionWindow:  1024, // where it protects the records itself
		FlightInterval:          max(minFlightInterval, 2*hc.rtt),
		LoggerFactory:           hc.log,
	}
	if !hc.client || hc.offerSRTP {
		// Browsers always offer use_srtp, and the library's server ends the
		// handshake if it has no profile in common; its client does if the server takes
		// none. None is ever used.
		cfg.SRTPProtectionProfiles = []dtls.SRTPProtectionProfile{
			dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
		}
	}
	return cfg
}

// dtlsTransport is the secureTransport of a finished handshake: a session, which
// receives, protects and counts, with what net.Conn asks for besides.
type dtlsTransport struct {
	*dtlsrecord.Session
	path         *udpmux.Session
	dontFragment func(on bool) error
	dscp         func(codepoint uint8)
	info         secureInfo
}

// Read is not possible: packets are brought, see sctpnet.PacketSource.
func (t *dtlsTransport) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Receive passes on packets, and notes that the peer is there.
func (t *dtlsTransport) Receive(f func(packets [][]byte, err error)) {
	if f == nil {
		t.Session.Receive(nil)
		return
	}
	t.Session.Receive(func(packets [][]byte, err error) {
		if len(packets) > 0 {
			t.path.NoteAuthentic()
		}
		f(packets, err)
	})
}

func (t *dtlsTransport) LocalAddr() net.Addr  { return knownAddr(t.path.LocalAddr()) }
func (t *dtlsTransport) RemoteAddr() net.Addr { return knownAddr(t.path.RemoteAddr()) }

// knownAddr stands in for the address of a connection without a selected pair.
func knownAddr(a net.Addr) net.Addr {
	if a == nil {
		return &net.UDPAddr{}
	}
	return a
}

// Deadlines have nothing to end: nothing here waits.
func (t *dtlsTransport) SetDeadline(time.Time) error      { return nil }
func (t *dtlsTransport) SetReadDeadline(time.Time) error  { return nil }
func (t *dtlsTransport) SetWriteDeadline(time.Time) error { return nil }

// SetDontFragment is described at secureTransport.
func (t *dtlsTransport) SetDontFragment(on bool) error {
	if t.dontFragment == nil {
		return errors.ErrUnsupported
	}
	return t.dontFragment(on)
}

// SetDSCP is described at secureTransport.
func (t *dtlsTransport) SetDSCP(codepoint uint8) error {
	if t.dscp == nil {
		return errors.ErrUnsupported
	}
	t.dscp(codepoint)
	return nil
}

func (t *dtlsTransport) ExportKeyingMaterial(label string, n int) ([]byte, error) {
	return t.Export(label, nil, n)
}

func (t *dtlsTransport) Dropped() DroppedRecords { return DroppedRecords(t.Stats().Dropped) }

func (t *dtlsTransport) Info() secureInfo { return t.info }
