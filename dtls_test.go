package sluice

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/sluice-rtc/sluice/internal/dtlsrecord"
	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// recordHeader is the size of the header of a DTLS record (RFC 6347, section 4.1).
const recordHeader = 13

// wire is one direction of a network in memory: what is written to it can be read
// from it, unless tamper says otherwise.
type wire struct {
	net.Conn
	ch chan []byte

	mu     sync.Mutex
	tamper func(b []byte) [][]byte // nil passes everything
	closed bool
}

func newWire(t testing.TB) *wire {
	w := &wire{ch: make(chan []byte, 1024)}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.closed = true
		close(w.ch)
	})
	return w
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	out := [][]byte{b}
	if w.tamper != nil {
		out = w.tamper(bytes.Clone(b))
	}
	w.mu.Unlock()
	for _, d := range out {
		w.inject(d)
	}
	return len(b), nil
}

// inject puts a datagram on the wire that nobody wrote.
func (w *wire) inject(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.ch <- bytes.Clone(b)
	}
}

func (w *wire) Read(p []byte) (int, error) {
	b, ok := <-w.ch
	switch {
	case !ok:
		return 0, io.EOF
	case len(b) > len(p):
		return 0, io.ErrShortBuffer
	}
	return copy(p, b), nil
}

func (w *wire) LocalAddr() net.Addr  { return nil }
func (w *wire) RemoteAddr() net.Addr { return nil }

// newWires returns two ends of a network in memory.
func newWires(t testing.TB) (a, b *udpmux.Session, ab, ba *wire) {
	ab, ba = newWire(t), newWire(t)
	end := func(out, in *wire) *udpmux.Session {
		s := udpmux.New(udpmux.Config{}).NewSession(false)
		s.SetConn(out, nil)
		t.Cleanup(func() { s.Close() })
		go func() {
			b := make([]byte, maxDatagram)
			for {
				switch n, err := in.Read(b); {
				case err == nil:
					s.Deliver([][]byte{b[:n]}, nil)
				case errors.Is(err, io.EOF):
					return
				}
			}
		}()
		return s
	}
	return end(ab, ba), end(ba, ab), ab, ba
}

func mustCertificate(t testing.TB) *Certificate {
	t.Helper()
	c, err := GenerateCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// party is one end of a handshake in a test.
type party struct {
	conn *udpmux.Session
	hc   handshakeConfig
	s    secureTransport
	err  error
	done chan struct{}

	got chan []byte // what came in
	end chan error  // why no more will
}

func (p *party) run(ctx context.Context) {
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		if p.s, p.err = handshake(ctx, p.conn, p.hc); p.err == nil {
			p.s.Receive(p.take)
		}
	}()
}

// take is what the transport hands packets to.
func (p *party) take(packets [][]byte, err error) {
	for _, b := range packets {
		p.got <- bytes.Clone(b)
	}
	if err != nil {
		p.end <- err
	}
}

// peer runs the handshake as the library does it with another configuration.
func (p *party) peer(ctx context.Context, cfg *dtls.Config) (*dtlsrecord.Session, error) {
	s := dtlsrecord.New(dtlsrecord.Config{Client: p.hc.client, DTLS: cfg, Send: p.conn.Write, Library: true})
	p.conn.Receive(s.HandleDatagrams)
	return s, s.Handshake(ctx)
}

// newParties returns a client and a server that know each other's certificate.
func newParties(t testing.TB) (client, server *party, toServer, toClient *wire) {
	t.Helper()
	cc, sc := mustCertificate(t), mustCertificate(t)
	a, b, ab, ba := newWires(t)
	log := newLogFactory(nil)
	newParty := func(conn *udpmux.Session, hc handshakeConfig) *party {
		return &party{conn: conn, hc: hc, got: make(chan []byte, 1024), end: make(chan error, 8)}
	}
	client = newParty(a, handshakeConfig{cert: cc, fingerprints: sc.Fingerprints(), client: true, timeout: 30 * time.Second, log: log})
	server = newParty(b, handshakeConfig{cert: sc, fingerprints: cc.Fingerprints(), timeout: 30 * time.Second, log: log})
	return client, server, ab, ba
}

// connectParties runs the handshake and fails the test unless both succeed.
func connectParties(t testing.TB, client, server *party) {
	t.Helper()
	client.run(t.Context())
	server.run(t.Context())
	<-client.done
	<-server.done
	if client.err != nil || server.err != nil {
		t.Fatalf("handshake: client: %v, server: %v", client.err, server.err)
	}
	t.Cleanup(func() {
		client.s.Close()
		server.s.Close()
	})
}

func wantMessage(t testing.TB, why string, from *party, want []byte) {
	t.Helper()
	select {
	case got := <-from.got:
		if !bytes.Equal(got, want) {
			t.Fatalf("%s: %d bytes came, want %d", why, len(got), len(want))
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing came", why)
	}
}

func send(t testing.TB, to secureTransport, b []byte) {
	t.Helper()
	if n, err := to.Write(b); n != len(b) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

func TestHandshake(t *testing.T) {
	for _, plain := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		t.Run(fmt.Sprintf("plain=%v", plain), func(t *testing.T) { testHandshake(t, plain[0], plain[1]) })
	}
}

// testHandshake takes what Config.PlainTransport is on either side.
func testHandshake(t *testing.T, plainClient, plainServer bool) {
	synctest.Test(t, func(t *testing.T) {
		client, server, _, _ := newParties(t)
		client.hc.plain, server.hc.plain = plainClient, plainServer
		connectParties(t, client, server)
		for _, size := range []int{1, 13, 1188, maxRecordPayload} {
			b := bytes.Repeat([]byte{byte(size)}, size)
			send(t, client.s, b)
			wantMessage(t, "client to server", server, b)
			send(t, server.s, b)
			wantMessage(t, "server to client", client, b)
		}
		if got := client.s.PeerCertificates(); len(got) != 1 || !bytes.Equal(got[0], server.hc.cert.DER()) {
			t.Errorf("client sees another certificate than the server's")
		}
		if got := server.s.PeerCertificates(); len(got) != 1 || !bytes.Equal(got[0], client.hc.cert.DER()) {
			t.Errorf("server sees another certificate than the client's")
		}
		x, err := client.s.ExportKeyingMaterial("EXPORTER-test", 32)
		y, err2 := server.s.ExportKeyingMaterial("EXPORTER-test", 32)
		if err != nil || err2 != nil || len(x) != 32 || !bytes.Equal(x, y) {
			t.Errorf("exported keys differ: %x %v, %x %v", x, err, y, err2)
		}
		want := secureInfo{Version: 0xFEFD, Cipher: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Role: DTLSRoleClient}
		if got := client.s.Info(); got != want {
			t.Errorf("client: %+v, want %+v", got, want) // 8827-6.5-a
		}
		want.Role = DTLSRoleServer
		if got := server.s.Info(); got != want {
			t.Errorf("server: %+v, want %+v", got, want)
		}
	})
}

// TestOfferSRTP: our client offers SRTP where that is asked for and only there, as the library's server without
// it refuses that.
func TestOfferSRTP(t *testing.T) {
	for _, offered := range []bool{false, true} {
		for _, known := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				client, server, _, _ := newParties(t)
				client.hc.offerSRTP = offered
				client.hc.timeout = time.Second
				client.run(t.Context())
				cfg := server.hc.dtls(func([][]byte) error { return nil })
				if !known {
					cfg.SRTPProtectionProfiles = nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				conn, err := server.peer(ctx, cfg)
				<-client.done
				if got, want := client.err == nil, known || !offered; got != want {
					t.Errorf("SRTP offered %v, known to the server %v: client: %v, server: %v", offered, known, client.err, err)
				}
				if client.s != nil {
					client.s.Close()
				}
				conn.Close()
			})
		}
	}
}

func TestHandshakeRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := certificateFor(t, key, &key.PublicKey)
	synctest.Test(t, func(t *testing.T) {
		for _, rsaServer := range []bool{true, false} {
			client, server, _, _ := newParties(t)
			if rsaServer {
				server.hc.cert, client.hc.fingerprints = cert, cert.Fingerprints()
			} else {
				client.hc.cert, server.hc.fingerprints = cert, cert.Fingerprints()
			}
			connectParties(t, client, server)
			send(t, client.s, []byte("x"))
			wantMessage(t, "with an RSA certificate", server, []byte("x"))
		}
	})
}

// certificateFor signs a certificate for a key that GenerateCertificate does not make.
func certificateFor(t testing.TB, key, public any) *Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCertificate(key, der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// 8122-5.1-a, 8827: a peer with another certificate is refused before anything
// it says is heard.
func TestWrongFingerprint(t *testing.T) {
	for _, role := range []string{"client", "server"} {
		t.Run(role+" checks", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, _, _ := newParties(t)
				victim, other := client, server
				if role == "server" {
					victim, other = server, client
				}
				victim.hc.fingerprints = mustCertificate(t).Fingerprints()
				client.run(t.Context())
				server.run(t.Context())
				<-victim.done
				var mismatch *FingerprintError
				if victim.s != nil || !errors.As(victim.err, &mismatch) {
					t.Fatalf("handshake = %v, %v; want a *FingerprintError", victim.s, victim.err)
				}
				if mismatch.Algorithm != "sha-256" || mismatch.Got != other.hc.cert.Fingerprints()[0].Value {
					t.Errorf("error %+v names another certificate", mismatch)
				}
				victim.conn.Close()
				<-other.done
				var failed *HandshakeError
				if role == "client" && !errors.As(other.err, &failed) {
					t.Errorf("the refused side: %v, want a *HandshakeError", other.err)
				}
				if other.s != nil { // the client may be done before the server judges
					other.s.Close()
				}
			})
		})
	}
}

func TestHandshakeTimeout(t *testing.T) {
	for _, client := range []bool{true, false} {
		t.Run(fmt.Sprintf("client=%v", client), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, _, _ := newParties(t)
				p.hc.client, p.hc.timeout = client, 7*time.Second
				begin := time.Now()
				p.run(t.Context())
				<-p.done
				var failed *HandshakeError
				if !errors.As(p.err, &failed) || !errors.Is(p.err, context.DeadlineExceeded) {
					t.Errorf("handshake with nobody: %v, want a *HandshakeError for the deadline", p.err)
				}
				if d := time.Since(begin); d != 7*time.Second {
					t.Errorf("gave up after %v, want 7s", d)
				}
			})
		})
	}
}

func TestHandshakeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _, _ := newParties(t)
		ctx, cancel := context.WithCancel(t.Context())
		p.run(ctx)
		synctest.Wait()
		begin := time.Now()
		cancel()
		<-p.done
		if p.err != context.Canceled {
			t.Errorf("handshake = %v", p.err)
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("took %v to stop", d)
		}
	})
}

// Any one datagram of the handshake may be lost; the flight is sent again after
// 50 ms, not after the second of the library's default.
func TestHandshakeSurvivesLoss(t *testing.T) {
	const datagrams = 8 // more than a handshake has
	for lost := range datagrams {
		t.Run(fmt.Sprintf("datagram %d", lost), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, up, down := newParties(t)
				var n atomic.Int32 // datagrams so far, both ways
				drop := func(b []byte) [][]byte {
					if n.Add(1)-1 == int32(lost) {
						return nil
					}
					return [][]byte{b}
				}
				up.tamper, down.tamper = drop, drop
				begin := time.Now()
				connectParties(t, client, server)
				if d := time.Since(begin); d > 300*time.Millisecond {
					t.Errorf("took %v", d)
				}
				n.Store(datagrams) // no more loss
				send(t, client.s, []byte("up"))
				wantMessage(t, "after loss", server, []byte("up"))
				send(t, server.s, []byte("down"))
				wantMessage(t, "after loss", client, []byte("down"))
			})
		})
	}
}

// The server is done first and may send at once. If its Finished is lost, the
// library blocks for good on the second early record; the gate holds them back.
func TestEarlyDataWithLostFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, _, down := newParties(t)
		lose := true
		down.tamper = func(b []byte) [][]byte {
			if lose && hasRecord(b, 20) { // ChangeCipherSpec: the last flight
				lose = false
				return nil
			}
			return [][]byte{b}
		}
		server.run(t.Context())
		client.run(t.Context())
		<-server.done
		if server.err != nil || lose {
			t.Fatalf("server: %v, Finished lost: %v", server.err, !lose)
		}
		for i := range 5 {
			send(t, server.s, []byte{byte(i)})
		}
		<-client.done
		if client.err != nil {
			t.Fatalf("client: %v", client.err)
		}
		for i := range 5 {
			wantMessage(t, "early data", client, []byte{byte(i)})
		}
		client.s.Close()
		server.s.Close()
	})
}

// hasRecord reports whether a datagram has a record of the type.
func hasRecord(b []byte, contentType byte) bool {
	for len(b) >= recordHeader {
		if b[0] == contentType {
			return true
		}
		b = b[min(len(b), recordHeader+int(b[11])<<8+int(b[12])):]
	}
	return false
}

// plainRecord builds an unencrypted record such as anybody can send who knows
// the addresses.
func plainRecord(contentType byte, seq byte, payload ...byte) []byte {
	return append([]byte{contentType, 254, 253, 0, 0, 0, 0, 0, 1, 0, seq, 0, byte(len(payload))}, payload...)
}

// TRANSPORT: the library obeys unencrypted records after the handshake.
func TestSpoofedPlaintextRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, up, down := newParties(t)
		connectParties(t, client, server)
		for i, victim := range []*party{client, server} {
			peer, way := []*party{server, client}[i], []*wire{down, up}[i]
			for _, spoof := range [][]byte{
				plainRecord(21, 1, 2, 40),                                     // fatal alert
				plainRecord(21, 2, 1, 0),                                      // close_notify
				plainRecord(23, 3, 'h', 'i'),                                  // application data
				plainRecord(24, 4, 1, 2, 3),                                   // no known type
				plainRecord(22, 5, 1, 0, 0, 4, 0, 99, 0, 0, 0, 0, 0, 2, 1, 2), // fragment of a ClientHello
				append(plainRecord(20, 6, 1), plainRecord(21, 7, 2, 10)...),   // two in a datagram
				{21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 2, 0},            // epoch 1, but not encrypted
				{21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 255, 255},              // longer than the datagram
				{0, 1}, {}, bytes.Repeat([]byte{22}, 200), bytes.Repeat([]byte{255}, 9000),
			} {
				way.inject(spoof)
			}
			send(t, peer.s, []byte("still here"))
			wantMessage(t, "after spoofed records", victim, []byte("still here"))
			if got := victim.s.Dropped(); got != (DroppedRecords{Plaintext: 7, Malformed: 4}) {
				t.Errorf("dropped: %+v", got)
			}
		}
	})
}

// A ClientHello or alert that is spoofed during the handshake cannot be told
// from a real one; application data can.
func TestPlaintextApplicationDataDuringHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, up, down := newParties(t)
		down.inject(plainRecord(23, 1, 'x'))
		up.inject(plainRecord(23, 1, 'x'))
		connectParties(t, client, server)
	})
}

func TestSecureClose(t *testing.T) {
	for _, closer := range []string{"client", "server"} {
		t.Run(closer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, _, _ := newParties(t)
				connectParties(t, client, server)
				closing, other := client, server
				if closer == "server" {
					closing, other = server, client
				}
				for range 3 {
					if err := closing.s.Close(); err != nil {
						t.Errorf("Close = %v", err)
					}
				}
				if err := <-other.end; err != io.EOF { // close_notify
					t.Errorf("the other side ends with %v, want io.EOF", err)
				}
				if _, err := closing.s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write after Close = %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// Whoever offers less than what TRANSPORT.md, section 1, demands is refused.
func TestHandshakeRefuses(t *testing.T) {
	good := func(t *testing.T) *dtls.Config {
		c := mustCertificate(t)
		return &dtls.Config{Certificates: []tls.Certificate{c.tls()}, InsecureSkipVerify: true,
			ClientAuth: dtls.RequireAnyClientCert, FlightInterval: 50 * time.Millisecond, LoggerFactory: newLogFactory(nil)}
	}
	cases := []struct {
		desc   string
		change func(c *dtls.Config)
		ok     bool
	}{
		{"nothing wrong", func(*dtls.Config) {}, true},
		{"use_srtp, as browsers do", func(c *dtls.Config) {
			c.SRTPProtectionProfiles = []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80}
		}, true},
		{"without extended master secret", func(c *dtls.Config) { c.ExtendedMasterSecret = dtls.DisableExtendedMasterSecret }, false},
		{"without a certificate", func(c *dtls.Config) { c.Certificates = nil }, false},
		{"with a CBC suite only", func(c *dtls.Config) {
			c.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
		}, false},
		{"with a PSK", func(c *dtls.Config) {
			c.Certificates, c.PSKIdentityHint = nil, []byte("id")
			c.PSK = func([]byte) ([]byte, error) { return []byte{1, 2, 3}, nil }
			c.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_GCM_SHA256}
		}, false},
	}
	for _, c := range cases {
		t.Run(c.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other, victim, _, _ := newParties(t)
				cfg := good(t)
				victim.hc.fingerprints = nil
				if len(cfg.Certificates) > 0 {
					victim.hc.fingerprints = []Fingerprint{newFingerprint("sha-256", cfg.Certificates[0].Certificate[0])}
				}
				c.change(cfg)
				victim.hc.timeout = time.Second
				victim.run(t.Context())
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				conn, err := other.peer(ctx, cfg)
				<-victim.done
				if (victim.err == nil) != c.ok {
					t.Errorf("server: %v; client: %v", victim.err, err)
				}
				if victim.s != nil {
					victim.s.Close()
				}
				conn.Close()
			})
		})
	}
}
