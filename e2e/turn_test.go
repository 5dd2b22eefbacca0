package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

// coturn is Debian's TURN server on loopback.
type coturn struct {
	port, tlsPort int
	roots         *x509.CertPool
}

// startCoturn starts the server, which ends with the test. Without it the test is
// skipped, or fails if CI=true.
func startCoturn(t *testing.T, ctx context.Context) *coturn {
	t.Helper()
	path, err := exec.LookPath("turnserver")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("no turnserver (Debian's coturn)")
	} else if err != nil {
		t.Fatal(err)
	}
	s := &coturn{port: freePort(t), tlsPort: freePort(t)}
	dir := t.TempDir()
	certFile, keyFile := s.certificate(t, dir)
	cmd := exec.CommandContext(ctx, path, "-n", "--no-cli", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
		fmt.Sprint("--listening-port=", s.port), fmt.Sprint("--tls-listening-port=", s.tlsPort), "--no-dtls",
		"--lt-cred-mech", "--user=u:p", "--realm=sluice.test", "--allow-loopback-peers",
		"--cert="+certFile, "--pkey="+keyFile, "--pidfile="+filepath.Join(dir, "pid"), "--userdb="+filepath.Join(dir, "db"),
		"--log-file=stdout", "--simple-log")
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	browser.Tie(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("coturn: %s", log.String())
		}
	})
	for _, port := range []int{s.port, s.tlsPort} {
		s.await(t, ctx, port)
	}
	return s
}

// await waits until the server listens.
func (s *coturn) await(t *testing.T, ctx context.Context, port int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("coturn does not listen: %v", err)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// certificate writes one for the address, and trusts it.
func (s *coturn) certificate(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(file, kind string, der []byte) []byte {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(file, text, 0o644); err != nil { // coturn may run as another user
			t.Fatal(err)
		}
		return text
	}
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(write(certFile, "CERTIFICATE", der))
	write(keyFile, "PRIVATE KEY", private)
	return certFile, keyFile
}

// url returns that of the server over the transport: udp, tcp or tls.
func (s *coturn) url(transport string) string {
	if transport == "tls" {
		return fmt.Sprintf("turns:127.0.0.1:%d?transport=tcp", s.tlsPort)
	}
	return fmt.Sprintf("turn:127.0.0.1:%d?transport=%s", s.port, transport)
}

// config lets Go use only relayed candidates, by way of the transport.
func (s *coturn) config(transport string) sluice.Config {
	return sluice.Config{
		ICEServers:         []sluice.ICEServer{{URLs: []string{s.url(transport)}, Username: "u", Credential: "p"}},
		ICETransportPolicy: sluice.ICETransportPolicyRelay,
		ICEServerRoots:     s.roots,
	}
}

// configuration is the same for a page.
func (s *coturn) configuration(transport string) any {
	return map[string]any{
		"iceServers":         []any{map[string]any{"urls": s.url(transport), "username": "u", "credential": "p"}},
		"iceTransportPolicy": "relay",
	}
}

// wantRelayed checks that the selected pair goes through the server from our side.
func wantRelayed(t *testing.T, p *goPeer, transport string) {
	t.Helper()
	s := p.pc.Stats()
	for _, c := range s.LocalCandidates {
		if strings.HasPrefix(s.Transport.SelectedCandidatePairID, c.ID+"-") && c.CandidateType == "relay" && c.RelayProtocol == transport {
			return
		}
	}
	t.Errorf("over %s: selected pair %q of %+v", transport, s.Transport.SelectedCandidatePairID, s.LocalCandidates)
}

// TestTURN connects with relayed candidates only, on both sides, over UDP, TCP
// and TLS, exchanges messages and restarts ICE.
func TestTURN(t *testing.T) {
	ctx := testContext(t)
	s := startCoturn(t, ctx)
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Run("Go", func(t *testing.T) {
				a, b := newGoPeer(t, ctx, s.config(transport)), newGoPeer(t, ctx, s.config(transport))
				a.open("data", channelInit{})
				relay{}.connect(t, ctx, a, b)
				m := testMessage{Size: 1 << 18, Seed: 3}
				b.opened("data")
				a.send("data", m)
				b.send("data", m)
				if got, back := b.receive("data", 1)[0], a.receive("data", 1)[0]; got != m.want() || back != m.want() {
					t.Errorf("received %+v and %+v, want %+v", got, back, m.want())
				}
				wantRelayed(t, a, transport)
				wantRelayed(t, b, transport)
			})
			eachBrowser(t, func(t *testing.T, b *browser.Browser) {
				if transport == "tls" {
					if b.Kind == browser.Firefox {
						t.Skip("Firefox has no switch that makes it trust the server's certificate")
					}
					var err error
					b, err = browser.Start(ctx, b.Kind, browser.Options{Flags: []string{"--ignore-certificate-errors"}})
					check(t, err)
					t.Cleanup(func() { _ = b.Close() })
				}
				ctx := testContext(t)
				p := &pair{t: t, ctx: ctx, goOffer: true, golang: newGoPeer(t, ctx, s.config(transport)),
					page: openPage(t, ctx, b).newPeerWith("p", s.configuration(transport))}
				p.connectWith("data")
				f := p.startEcho("data")
				f.goesOn("before")
				wantRelayed(t, p.golang, transport)
				p.golang.pc.RestartICE()
				p.connect(relay{})
				f.goesOn("after a restart")
			})
		})
	}
}

// TestSTUN asks the server for a server-reflexive candidate.
func TestSTUN(t *testing.T) {
	ctx := testContext(t)
	s := startCoturn(t, ctx)
	p := newGoPeer(t, ctx, sluice.Config{ICEServers: []sluice.ICEServer{{URLs: []string{fmt.Sprintf("stun:127.0.0.1:%d", s.port)}}}})
	p.open("data", channelInit{})
	d, err := p.describe(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.SDP, "typ srflx") {
		t.Errorf("no server-reflexive candidate in\n%s", d.SDP)
	}
}
