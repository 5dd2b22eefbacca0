package bench

import (
	"context"
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/selfsign"

	"github.com/sluice-rtc/sluice/bench/internal/pionpair"
	"github.com/sluice-rtc/sluice/bench/internal/tally"
	"github.com/sluice-rtc/sluice/internal/dtlsrecord"
	"github.com/sluice-rtc/sluice/internal/udpmux"
)

// joined is a session of DTLS over a session of the mux.
type joined struct {
	*dtlsrecord.Session
	path *udpmux.Session
}

var loopback = netip.MustParseAddr("127.0.0.1")

func newMux(t testing.TB, cfg udpmux.Config) *udpmux.Mux {
	t.Helper()
	m := udpmux.New(cfg)
	if err := m.Listen([]netip.Addr{loopback}, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func dtlsConfig(t testing.TB) *dtls.Config {
	t.Helper()
	cert, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	return &dtls.Config{
		Certificates:       []tls.Certificate{cert},
		CipherSuites:       []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		InsecureSkipVerify: true, InsecureSkipVerifyHello: true,
		LoggerFactory: pionpair.QuietLog(),
	}
}

// join makes a session at one port that sends to another.
func join(m *udpmux.Mux, to netip.AddrPort, client bool, cfg *dtls.Config) (*joined, error) {
	j := &joined{path: m.NewSession(false)}
	j.Session = dtlsrecord.New(dtlsrecord.Config{Client: client, DTLS: cfg, Send: j.path.Write})
	if err := j.path.SetPath(m.Addrs()[0], to); err != nil {
		return nil, err
	}
	j.path.Receive(j.HandleDatagrams)
	return j, nil
}

// joinPair returns both ends, each at its own port, after the handshake.
func joinPair(t testing.TB) (a, b *joined) {
	t.Helper()
	ma, mb := newMux(t, udpmux.Config{}), newMux(t, udpmux.Config{})
	cfg := dtlsConfig(t)
	var err error
	if a, err = join(ma, mb.Addrs()[0], true, cfg); err != nil {
		t.Fatal(err)
	}
	if b, err = join(mb, ma.Addrs()[0], false, cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error)
	go func() { done <- b.Handshake(ctx) }()
	if err := a.Handshake(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return a, b
}

// newOursCarrier is our own record protection over our own sockets.
func newOursCarrier(t testing.TB) *carrier {
	a, b := joinPair(t)
	c := &carrier{arrived: tally.New(), send: func(frames [][]byte) {
		if _, err := a.WriteInPlace(frames); err != nil {
			t.Error(err)
		}
	}}
	b.Receive(func(payloads [][]byte, err error) {
		n := 0
		for _, p := range payloads {
			n += len(p)
		}
		c.arrived.Arrive(n)
	})
	return c
}
