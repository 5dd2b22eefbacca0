package dtls3

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
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
	"testing"
	"time"

	"github.com/pion/dtls/v2"
	dtls3 "github.com/pion/dtls/v3"

	"github.com/sluice-rtc/sluice/internal/dtlsrecord"
)

// certificate returns a self-signed one for a key.
func certificate(t *testing.T, key crypto.Signer) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func ecdsaCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certificate(t, key)
}

func rsaCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return certificate(t, key)
}

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// ours is our end: a session on a UDP socket.
type ours struct {
	*dtlsrecord.Session
	conn *net.UDPConn
	to   net.Addr
	got  chan []byte
	end  chan error

	mu   sync.Mutex
	lose func(datagram []byte) bool // what is sent; nil loses nothing
}

func newOurs(t *testing.T, client bool, suite uint16, own tls.Certificate, to net.Addr) *ours {
	o := &ours{conn: listen(t), to: to, got: make(chan []byte, 1024), end: make(chan error, 4)}
	o.Session = dtlsrecord.New(dtlsrecord.Config{Client: client, Send: o.send, DTLS: &dtls.Config{
		Certificates: []tls.Certificate{own}, CipherSuites: []dtls.CipherSuiteID{dtls.CipherSuiteID(suite)},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PKCS1WithSHA256},
		ClientAuth:       dtls.RequireAnyClientCert, InsecureSkipVerify: true, InsecureSkipVerifyHello: true,
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret, FlightInterval: 50 * time.Millisecond,
	}})
	o.Receive(func(payloads [][]byte, err error) {
		for _, p := range payloads {
			o.got <- bytes.Clone(p)
		}
		if err != nil {
			o.end <- err
		}
	})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		buf := make([]byte, 8192)
		for {
			n, err := o.conn.Read(buf)
			if err != nil {
				return
			}
			o.HandleDatagrams([][]byte{buf[:n]})
		}
	}()
	t.Cleanup(func() {
		o.Close()
		o.conn.Close()
		<-stopped
	})
	return o
}

func (o *ours) send(datagrams [][]byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range datagrams {
		if o.lose == nil || !o.lose(d) {
			o.conn.WriteTo(d, o.to)
		}
	}
	return 0, nil
}

// connect runs a handshake between our end and one of version 3.
func connect(t *testing.T, client bool, suite uint16, server tls.Certificate, change func(*ours)) (*ours, *dtls3.Conn) {
	t.Helper()
	theirs := listen(t)
	mine, their := ecdsaCertificate(t), server
	if !client {
		mine, their = server, ecdsaCertificate(t)
	}
	o := newOurs(t, client, suite, mine, theirs.LocalAddr())
	if change != nil {
		change(o)
	}
	cfg := &dtls3.Config{Certificates: []tls.Certificate{their}, CipherSuites: []dtls3.CipherSuiteID{dtls3.CipherSuiteID(suite)},
		InsecureSkipVerify: true, ClientAuth: dtls3.RequireAnyClientCert, ExtendedMasterSecret: dtls3.RequireExtendedMasterSecret,
		FlightInterval: 50 * time.Millisecond}
	connect := dtls3.Client
	if client {
		connect = dtls3.Server
	}
	peer, err := connect(theirs, o.conn.LocalAddr(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		peer.Close()
		theirs.Close()
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- peer.HandshakeContext(ctx) }()
	if err := errors.Join(o.Handshake(ctx), <-result); err != nil {
		t.Fatal(err)
	}
	return o, peer
}

// talk exchanges data both ways.
func talk(t *testing.T, o *ours, peer *dtls3.Conn) {
	t.Helper()
	peer.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 8192)
	for i := range 100 {
		b := bytes.Repeat([]byte{byte(i)}, 1+i*13)
		if _, err := o.Write(b); err != nil {
			t.Fatal(err)
		}
		if n, err := peer.Read(buf); err != nil || !bytes.Equal(buf[:n], b) {
			t.Fatalf("the peer read %d bytes, %v; want %d", n, err, len(b))
		}
		if _, err := peer.Write(b); err != nil {
			t.Fatal(err)
		}
		want(t, o, b)
	}
}

func want(t *testing.T, o *ours, b []byte) {
	t.Helper()
	select {
	case got := <-o.got:
		if !bytes.Equal(got, b) {
			t.Fatalf("%d bytes came, want %d", len(got), len(b))
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
	}
}

func TestEverySuite(t *testing.T) {
	for _, suite := range []uint16{0xC02B, 0xC02C, 0xC02F, 0xC030} {
		for _, client := range []bool{true, false} {
			for _, weClose := range []bool{true, false} {
				t.Run(fmt.Sprintf("%04X/client=%v/weClose=%v", suite, client, weClose), func(t *testing.T) {
					server := ecdsaCertificate(t)
					if suite == 0xC02F || suite == 0xC030 {
						server = rsaCertificate(t)
					}
					o, peer := connect(t, client, suite, server, nil)
					talk(t, o, peer)
					got := o.Stats()
					got.Dropped.Plaintext = 0 // a flight that was repeated because somebody was slow
					if got.Received != 100 || got.Dropped.Total() != 0 {
						t.Errorf("%+v", got)
					}
					state, _ := peer.ConnectionState()
					x, err := state.ExportKeyingMaterial("EXPORTER-test", nil, 20)
					y, err2 := o.Export("EXPORTER-test", nil, 20)
					if err != nil || err2 != nil || !bytes.Equal(x, y) {
						t.Errorf("exported %x, %v and %x, %v", x, err, y, err2)
					}
					if weClose {
						o.Close()
						if _, err := peer.Read(make([]byte, 100)); err != io.EOF {
							t.Errorf("the peer ends with %v", err)
						}
						return
					}
					peer.Close()
					if err := <-o.end; err != io.EOF {
						t.Errorf("we end with %v", err)
					}
				})
			}
		}
	}
}

// The last flight of our side is lost once, be it the last of all or not.
func TestLostFinished(t *testing.T) {
	for _, client := range []bool{true, false} {
		t.Run(fmt.Sprintf("client=%v", client), func(t *testing.T) {
			lost := 0
			o, peer := connect(t, client, 0xC02B, ecdsaCertificate(t), func(o *ours) {
				o.lose = func(d []byte) bool {
					for len(d) >= 13 {
						if d[0] == 20 && lost == 0 { // ChangeCipherSpec stands before Finished
							lost++
							return true
						}
						d = d[min(len(d), 13+int(d[11])<<8+int(d[12])):]
					}
					return false
				}
			})
			if lost != 1 {
				t.Errorf("lost %d flights", lost)
			}
			talk(t, o, peer)
		})
	}
}
