package sluice

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

func TestConfigErrors(t *testing.T) {
	server := func(url string) Config {
		return Config{ICEServers: []ICEServer{{URLs: []string{url}, Username: "u", Credential: "p"}}}
	}
	expired := *mustCertificate(t)
	expired.expires = time.Now().Add(-time.Second)
	closed, err := NewUDPMux(UDPMuxConfig{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	cases := []struct {
		field string
		cfg   Config
	}{
		{"ICETransportPolicy", Config{ICETransportPolicy: "some"}},
		{"NetworkTypes", Config{NetworkTypes: []string{"sctp4"}}},
		{"PortMin", Config{PortMin: 2000, PortMax: 1000}},
		{"ICELite", Config{ICELite: true, ICETransportPolicy: ICETransportPolicyRelay}},
		{"ICELite", Config{ICELite: true, ICEServers: []ICEServer{{URLs: []string{"stun:127.0.0.1"}}}}},
		{"ICEUfragPrefix", Config{ICEUfragPrefix: "node-7"}},
		{"ICEDisconnectedTimeout", Config{ICEDisconnectedTimeout: -1}},
		{"ICEFailedTimeout", Config{ICEFailedTimeout: -1}},
		{"ICEKeepaliveInterval", Config{ICEKeepaliveInterval: -1}},
		{"HandshakeTimeout", Config{HandshakeTimeout: -1}},
		{"ICEDisconnectedTimeout", Config{ICEDisconnectedTimeout: math.MaxInt64}}, // whose sum with the next would be negative
		{"ICEFailedTimeout", Config{ICEFailedTimeout: 25 * time.Hour}},
		{"ICEKeepaliveInterval", Config{ICEKeepaliveInterval: time.Nanosecond}}, // checks without a pause
		{"HandshakeTimeout", Config{HandshakeTimeout: math.MaxInt64}},
		{"UDPMux", Config{UDPMux: closed}},
		{"UDPMux", Config{UDPMux: new(UDPMux)}},
		{"DTLSRole", Config{DTLSRole: "actpass"}},
		{"MaxBufferedAmount", Config{MaxBufferedAmount: -1}},
		{"SCTP.MTU", Config{SCTP: sctp.Config{MTU: maxRecordPayload + 1}}},
		{"SCTP.ECN", Config{SCTP: sctp.Config{ECN: true}}},
		{"SCTP.MaxMTU", Config{SCTP: sctp.Config{MaxMTU: maxRecordPayload + 1}}},
		{"Certificate", Config{Certificate: &expired}},
		{"Certificate", Config{Certificate: new(Certificate)}},
		{"ICEServers", server("127.0.0.1:3478")},
		{"ICEServers", server("http://127.0.0.1")},
		{"ICEServers", server("stun:")},
		{"ICEServers", server("stuns:127.0.0.1")},
		{"ICEServers", server("turn:127.0.0.1?transport=sctp")},
		{"ICEServers", server("turns:127.0.0.1?transport=udp")},
		{"ICEServers", Config{ICEServers: []ICEServer{{URLs: []string{"turn:127.0.0.1"}}}}},
		{"ICEServers", Config{ICEServers: []ICEServer{{URLs: make([]string, 1), Username: "u"}}}},
		{"ICEServers", Config{ICEServers: []ICEServer{{URLs: strings.Split(strings.Repeat("stun:127.0.0.1 ", 33), " ")[:33]}}}},
	}
	for _, c := range cases {
		var broken *ConfigError
		if tr, err := NewTransport(c.cfg); tr != nil || !errors.As(err, &broken) || broken.Field != c.field {
			t.Errorf("%s: NewTransport = %v, %v; want a *ConfigError", c.field, tr, err)
		}
	}
	twice := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:127.0.0.1")}
	var broken *ConfigError
	if _, err := NewUDPMux(UDPMuxConfig{Addresses: twice}); !errors.As(err, &broken) || err.Error() != "sluice: UDPMuxConfig.Addresses: has 127.0.0.1 twice" {
		t.Errorf("NewUDPMux = %v", err)
	}
	var brokenSCTP *sctp.ConfigError
	if _, err := NewTransport(Config{SCTP: sctp.Config{MTU: 100}}); !errors.As(err, &brokenSCTP) || brokenSCTP.Field != "MTU" {
		t.Errorf("NewTransport = %v, want a *sctp.ConfigError for MTU", err)
	}
}

func TestConfigDefaults(t *testing.T) {
	cfg, err := Config{SCTP: sctp.Config{Seed: [32]byte{1}}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.MaxMessageSize != 262144 || cfg.SCTP.RTOInitial != 500*time.Millisecond || cfg.SCTP.RTOMin != 400*time.Millisecond ||
		cfg.SCTP.ZeroChecksum != sctp.DTLSDetection || cfg.SCTP.Seed != [32]byte{} {
		t.Errorf("defaults: %+v", cfg)
	}
	if d := cfg.ICEDisconnectedTimeout + cfg.ICEFailedTimeout; d < 39500*time.Millisecond { // 8863-a
		t.Errorf("checking fails after %v, not to be before 39.5s", d)
	}
}

// logCounter counts records by scope.
type logCounter struct {
	slog.Handler
	mu     *sync.Mutex
	scopes map[string]int
}

func (h logCounter) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "scope" {
			h.mu.Lock()
			h.scopes[a.Value.String()]++
			h.mu.Unlock()
		}
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// One option turns the log of all layers on; without it nothing is written,
// whatever the environment says to the libraries.
func TestLogging(t *testing.T) {
	t.Setenv("PION_LOG_TRACE", "all")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	written := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r)
		written <- b
	}()
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	connect(t, a, b)
	a.Abort()
	b.Abort()
	os.Stdout, os.Stderr = stdout, stderr
	w.Close()
	if out := <-written; len(out) > 0 {
		t.Errorf("written without a Logger: %q", out[:min(len(out), 300)])
	}

	var buf bytes.Buffer
	h := logCounter{slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: levelTrace}), new(sync.Mutex), map[string]int{}}
	a = newTestTransport(t, func(c *Config) { c.Logger = slog.New(h) })
	b = newTestTransport(t, nil)
	connect(t, a, b)
	a.Abort()
	for _, scope := range []string{"ice", "dtls"} {
		if h.scopes[scope] == 0 || !strings.Contains(buf.String(), "scope="+scope) {
			t.Errorf("nothing was logged by %s", scope)
		}
	}
}

// TestUfragPrefix: a load balancer finds the process by the beginning of the user
// fragment, after restarts, too.
func TestUfragPrefix(t *testing.T) {
	for _, restart := range []bool{false, true} {
		tr, err := NewTransport(Config{ICEUfragPrefix: "node7", IncludeLoopback: true})
		must(t, err)
		defer tr.Close()
		if restart {
			must(t, tr.core.restartICE(newICECredentials(tr.core.cfg.ICEUfragPrefix)))
		}
		p, err := tr.LocalParameters(t.Context())
		must(t, err)
		if !strings.HasPrefix(p.UsernameFragment, "node7") || len(p.UsernameFragment) < len("node7")+8 {
			t.Errorf("%q", p.UsernameFragment)
		}
	}
	pc, err := NewPeerConnection(Config{ICEUfragPrefix: "node7"})
	must(t, err)
	defer pc.Close()
	_, err = pc.CreateDataChannel("data", nil)
	must(t, err)
	for range 2 {
		offer, err := pc.CreateOffer()
		must(t, err)
		if !strings.Contains(offer.SDP, "a=ice-ufrag:node7") {
			t.Errorf("%s", offer.SDP)
		}
		must(t, pc.SetLocalDescription(offer))
		pc.RestartICE()
	}
}
