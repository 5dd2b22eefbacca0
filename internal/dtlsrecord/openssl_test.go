package dtlsrecord

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
)

// A station is a party on a UDP socket; whoever writes to it first is its peer.
type station struct {
	*party
	conn *net.UDPConn

	mu   sync.Mutex
	peer netip.AddrPort
	lose func(datagram []byte) bool // what is sent; nil loses nothing
}

func newStation(t *testing.T, client bool, cfg *dtls.Config, peer netip.AddrPort) *station {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	st := &station{conn: conn, peer: peer}
	in, out := &way{}, &way{}
	st.party = newParty(Config{Client: client, DTLS: cfg}, in, out)
	st.cfg.Send = st.send
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				if strings.Contains(err.Error(), "closed") {
					return
				}
				continue // what ICMP says of a peer that is not up yet
			}
			st.mu.Lock()
			if !st.peer.IsValid() {
				st.peer = from
			}
			st.mu.Unlock()
			st.HandleDatagrams([][]byte{buf[:n]})
		}
	}()
	t.Cleanup(func() {
		st.Close()
		conn.Close()
		<-stopped
	})
	return st
}

func (st *station) send(datagrams [][]byte) (int, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, d := range datagrams {
		if st.lose == nil || !st.lose(d) {
			st.conn.WriteToUDPAddrPort(d, st.peer)
		}
	}
	return 0, nil
}

// An opensslPeer is a running s_client or s_server.
type opensslPeer struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	done  chan error
}

// startOpenSSL runs openssl with a certificate.
func startOpenSSL(t *testing.T, certificate tls.Certificate, args ...string) *opensslPeer {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is missing: no test against s_client and s_server")
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "identity.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append(args, "-dtls1_2", "-cert", file, "-key", file, "-keymatexport", "EXPORTER-sluice", "-keymatexportlen", "24")
	p := &opensslPeer{cmd: exec.Command(program, args...), lines: make(chan string, 1000), done: make(chan error, 1)}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		p.done <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		for range p.lines {
		}
		<-p.done
	})
	return p
}

// wantLine reads lines up to one that has prefix, and returns the rest of that.
func (p *opensslPeer) wantLine(t *testing.T, prefix string) string {
	t.Helper()
	var all []string
	timeout := time.After(10 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("openssl ended without %q:\n%s", prefix, strings.Join(all, "\n"))
			}
			if _, rest, found := strings.Cut(line, prefix); found {
				return rest
			}
			all = append(all, line)
		case <-timeout:
			t.Fatalf("openssl did not say %q:\n%s", prefix, strings.Join(all, "\n"))
		}
	}
}

// freePort returns a UDP port that was free a moment ago.
func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Against OpenSSL, an implementation that shares nothing with ours: every suite, both
// roles, data both ways, keying material, close_notify.
func TestOpenSSL(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	withRSA, withECDSA := newCertificate(t, key), newECDSA(t)
	for _, c := range []struct {
		suite  uint16
		cipher string
		server tls.Certificate
	}{
		{0xC02B, "ECDHE-ECDSA-AES128-GCM-SHA256", withECDSA},
		{0xC02C, "ECDHE-ECDSA-AES256-GCM-SHA384", withECDSA},
		{0xC02F, "ECDHE-RSA-AES128-GCM-SHA256", withRSA},
		{0xC030, "ECDHE-RSA-AES256-GCM-SHA384", withRSA},
	} {
		for _, client := range []bool{true, false} {
			for _, weClose := range []bool{true, false} {
				if client && !weClose {
					continue // s_server closes its socket before it can say so
				}
				t.Run(fmt.Sprintf("%s/client=%v/weClose=%v", c.cipher, client, weClose), func(t *testing.T) {
					t.Parallel()
					cfg := dtlsConfig(t)
					var st *station
					var peer *opensslPeer
					if client {
						at := freePort(t)
						peer = startOpenSSL(t, c.server, "s_server", "-accept", at.String(), "-naccept", "1", "-Verify", "1", "-cipher", c.cipher)
						st = newStation(t, true, cfg, at)
					} else {
						cfg.Certificates = []tls.Certificate{c.server}
						st = newStation(t, false, cfg, netip.AddrPort{})
						peer = startOpenSSL(t, newECDSA(t), "s_client", "-connect", st.conn.LocalAddr().String(), "-cipher", c.cipher)
					}
					ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
					defer cancel()
					if err := st.Handshake(ctx); err != nil {
						t.Fatal(err)
					}
					if got := st.CipherSuite(); got != suites[c.suite].name {
						t.Errorf("suite %s", got)
					}
					talkToOpenSSL(t, st, peer)
					got := st.Stats().Dropped
					got.Plaintext = 0 // a flight that was repeated because somebody was slow
					if got.Total() != 0 {
						t.Errorf("dropped: %+v", got)
					}
					if weClose {
						st.Close()
						for range peer.lines { // until it has ended, by itself
						}
						return
					}
					peer.in.Close()
					wantEnd(t, "OpenSSL closes", st.party, io.EOF)
				})
			}
		}
	}
}

// talkToOpenSSL exchanges data and compares exported keying material.
func talkToOpenSSL(t *testing.T, st *station, peer *opensslPeer) {
	t.Helper()
	exported, err := hex.DecodeString(strings.TrimSpace(peer.wantLine(t, "Keying material: ")))
	mine, err2 := st.Export("EXPORTER-sluice", nil, 24)
	if err != nil || err2 != nil || !bytes.Equal(mine, exported) {
		t.Errorf("exported %x, %v; OpenSSL %x, %v", mine, err2, exported, err)
	}
	for i := range 3 {
		mustWrite(t, st.party, fmt.Appendf(nil, "ping %d\n", i), fmt.Appendf(nil, "%01000d\n", i))
		peer.wantLine(t, fmt.Sprintf("ping %d", i))
		peer.wantLine(t, fmt.Sprintf("%01000d", i))
		line := fmt.Sprintf("from openssl %d %s\n", i, strings.Repeat("x", 900))
		io.WriteString(peer.in, line)
		want(t, "OpenSSL's data", st.party, []byte(line))
	}
}

// Either Finished is lost on the way to OpenSSL, and data is sent at once behind it.
func TestOpenSSLLostFinished(t *testing.T) {
	for _, client := range []bool{true, false} {
		t.Run(fmt.Sprintf("client=%v", client), func(t *testing.T) {
			t.Parallel()
			cfg := dtlsConfig(t)
			var st *station
			var peer *opensslPeer
			if client {
				at := freePort(t)
				peer = startOpenSSL(t, newECDSA(t), "s_server", "-accept", at.String(), "-naccept", "1", "-Verify", "1")
				st = newStation(t, true, cfg, at)
			} else {
				st = newStation(t, false, cfg, netip.AddrPort{})
				peer = startOpenSSL(t, newECDSA(t), "s_client", "-connect", st.conn.LocalAddr().String())
			}
			lost := 0
			st.lose = func(d []byte) bool {
				for _, record := range split(d) {
					if record[0] == typeHandshake && epochOf(record) == 1 && lost == 0 {
						lost++
						return true
					}
				}
				return false
			}
			ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
			defer cancel()
			if err := st.Handshake(ctx); err != nil {
				t.Fatal(err)
			}
			mustWrite(t, st.party, []byte("early\n"))
			talkToOpenSSL(t, st, peer)
			if got := st.Stats().FinishedResent; lost != 1 || !client && got == 0 {
				t.Errorf("lost %d, sent again %d", lost, got)
			}
		})
	}
}
