package sluice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctptrace"
)

func newTestTransport(t testing.TB, change func(*Config)) *Transport {
	t.Helper()
	cfg := loopbackConfig()
	if change != nil {
		change(&cfg)
	}
	tr, err := NewTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Abort)
	return tr
}

// overJSON is what the peer gets of p.
func overJSON(t testing.TB, p TransportParameters) TransportParameters {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var got TransportParameters
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func localParameters(t testing.TB, tr *Transport) TransportParameters {
	t.Helper()
	p, err := tr.LocalParameters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start runs Start on both and returns what each said.
func start(t testing.TB, a, b *Transport, toA, toB TransportParameters) (errA, errB error) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	done := make(chan error)
	go func() { done <- b.Start(ctx, overJSON(t, toB)) }()
	errA = a.Start(ctx, overJSON(t, toA))
	return errA, <-done
}

func connect(t testing.TB, a, b *Transport) {
	t.Helper()
	errA, errB := start(t, a, b, localParameters(t, b), localParameters(t, a))
	if errA != nil || errB != nil {
		t.Fatalf("Start: %v, %v", errA, errB)
	}
}

func accept(t testing.TB, tr *Transport) *datachannel.Channel {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	ch, err := tr.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func wantChannelMessage(t testing.TB, ch *datachannel.Channel, data []byte, isText bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	m, err := ch.ReadMessage(ctx)
	if err != nil || !bytes.Equal(m.Data, data) || m.IsText != isText {
		t.Fatalf("%s: message of %d bytes, text %v, %v; want %d bytes, text %v", ch.Label(), len(m.Data), m.IsText, err, len(data), isText)
	}
}

func TestTransport(t *testing.T) {
	ours, plain := func(*Config) {}, func(cfg *Config) { cfg.PlainTransport = true }
	t.Run("ours", func(t *testing.T) { testTransport(t, ours, ours) })
	t.Run("plain", func(t *testing.T) { testTransport(t, plain, plain) })
	t.Run("ours and plain", func(t *testing.T) { testTransport(t, ours, plain) })
	t.Run("plain and ours", func(t *testing.T) { testTransport(t, plain, ours) })
}

func testTransport(t *testing.T, configureA, configureB func(*Config)) {
	a, b := newTestTransport(t, configureA), newTestTransport(t, configureB)
	early, err := a.CreateChannel("early", nil)
	if err != nil {
		t.Fatal(err)
	}
	connect(t, a, b)
	late, err := b.CreateChannel("late", &datachannel.Init{Unordered: true, Protocol: "p"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range []struct {
		from *datachannel.Channel
		to   *datachannel.Channel
	}{{early, accept(t, b)}, {late, accept(t, a)}} {
		if pair.from.Label() != pair.to.Label() || pair.from.Protocol() != pair.to.Protocol() || pair.from.Ordered() != pair.to.Ordered() {
			t.Errorf("channel %q/%q arrived as %q/%q", pair.from.Label(), pair.from.Protocol(), pair.to.Label(), pair.to.Protocol())
		}
		for _, ends := range [][2]*datachannel.Channel{{pair.from, pair.to}, {pair.to, pair.from}} {
			for _, data := range [][]byte{[]byte("hello"), {}, bytes.Repeat([]byte{1, 2, 3}, 80000)} {
				for _, isText := range []bool{true, false} {
					if err := ends[0].WriteMessage(t.Context(), data, isText); err != nil {
						t.Fatal(err)
					}
					wantChannelMessage(t, ends[1], data, isText)
				}
			}
		}
	}
	x, err := a.ExportKeyingMaterial("EXPORTER-test", 20)
	y, err2 := b.ExportKeyingMaterial("EXPORTER-test", 20)
	if err != nil || err2 != nil || !bytes.Equal(x, y) {
		t.Errorf("exported keys: %x %v, %x %v", x, err, y, err2)
	}
	if got := a.RemoteCertificates(); len(got) != 1 || !bytes.Equal(got[0], b.core.cert.DER()) {
		t.Error("RemoteCertificates is not the peer's certificate")
	}
	if a.State() != TransportStateConnected || b.State() != TransportStateConnected {
		t.Errorf("states %s, %s", a.State(), b.State())
	}
}

// Candidates may come in any time; here each before the next is known.
func TestTransportTrickle(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]*Transport{{a, b}, {b, a}} {
		pair[0].OnCandidate(func(line string) {
			if err := pair[1].AddRemoteCandidate(line); err != nil {
				t.Errorf("AddRemoteCandidate(%q) = %v", line, err)
			}
			if line == "" {
				ended <- struct{}{}
			}
		})
	}
	pa, pb := a.Parameters(), b.Parameters()
	if len(pa.Candidates)+len(pb.Candidates) != 0 {
		t.Errorf("candidates before Gather: %q, %q", pa.Candidates, pb.Candidates)
	}
	if errA, errB := start(t, a, b, pb, pa); errA != nil || errB != nil {
		t.Fatalf("Start: %v, %v", errA, errB)
	}
	<-ended
	<-ended
}

func TestTransportOnChannel(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	messages := make(chan datachannel.Message, 1)
	b.OnChannel(func(ch *datachannel.Channel) {
		if ch.ReadyState() != datachannel.Open { // w3c-open-b
			t.Errorf("channel is %v in OnChannel", ch.ReadyState())
		}
		ch.OnMessage(func(m datachannel.Message) { messages <- m })
	})
	ch, err := a.CreateChannel("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	connect(t, a, b)
	if err := ch.WriteMessage(t.Context(), []byte("hi"), true); err != nil {
		t.Fatal(err)
	}
	if m := <-messages; string(m.Data) != "hi" || !m.IsText {
		t.Errorf("message %+v", m)
	}
}

func TestTransportRoles(t *testing.T) {
	base := TransportParameters{UsernameFragment: "bbbb", Password: strings.Repeat("p", 22),
		Fingerprints: mustCertificate(t).Fingerprints(), SCTPPort: 5000, DTLSRole: DTLSRoleAuto}
	with := func(ufrag string, role DTLSRole, lite bool) TransportParameters {
		p := base
		p.UsernameFragment, p.DTLSRole, p.ICELite = ufrag, role, lite
		return p
	}
	cases := []struct {
		desc               string
		a, b               TransportParameters
		aControls, aClient bool
		parameter          string // of the error, if any
	}{
		{desc: "by order", a: with("aaaa", "auto", false), b: with("bbbb", "", false), aControls: true, aClient: false},
		{desc: "a insists on client", a: with("aaaa", "client", false), b: with("bbbb", "auto", false), aControls: true, aClient: true},
		{desc: "a insists on server", a: with("bbbb", "server", false), b: with("aaaa", "auto", false), aControls: false, aClient: false},
		{desc: "both insist", a: with("aaaa", "client", false), b: with("bbbb", "server", false), aControls: true, aClient: true},
		{desc: "a is lite", a: with("aaaa", "auto", true), b: with("bbbb", "auto", false), aControls: false, aClient: true},
		{desc: "both are lite", a: with("aaaa", "auto", true), b: with("bbbb", "auto", true), aControls: true, aClient: false},
		{desc: "two clients", a: with("aaaa", "client", false), b: with("bbbb", "client", false), parameter: "dtlsRole"},
		{desc: "two servers", a: with("aaaa", "server", false), b: with("bbbb", "server", false), parameter: "dtlsRole"},
		{desc: "no role", a: with("aaaa", "auto", false), b: with("bbbb", "boss", false), parameter: "dtlsRole"},
		{desc: "ourselves", a: with("aaaa", "auto", false), b: with("aaaa", "auto", false), parameter: "usernameFragment"},
	}
	for _, c := range cases {
		// What a decides of b, b must decide of a the other way round.
		a, errA := c.b.start(c.a)
		if c.parameter != "" {
			var broken *ParameterError
			if !errors.As(errA, &broken) || broken.Name != c.parameter {
				t.Errorf("%s: %v, want a *ParameterError for %s", c.desc, errA, c.parameter)
			}
			continue
		}
		if c.b.DTLSRole == "" {
			c.b.DTLSRole = DTLSRoleAuto // a side knows its own
		}
		b, errB := c.a.start(c.b)
		if errA != nil || errB != nil {
			t.Errorf("%s: %v, %v", c.desc, errA, errB)
			continue
		}
		if a.controlling != c.aControls || a.dtlsClient != c.aClient || b.controlling == c.aControls || b.dtlsClient == c.aClient {
			t.Errorf("%s: a controls %v, client %v; b controls %v, client %v", c.desc, a.controlling, a.dtlsClient, b.controlling, b.dtlsClient)
		}
	}
}

func TestTransportRolesConnect(t *testing.T) {
	for _, role := range []DTLSRole{DTLSRoleClient, DTLSRoleServer} {
		t.Run(string(role), func(t *testing.T) {
			a := newTestTransport(t, func(c *Config) { c.DTLSRole = role })
			b := newTestTransport(t, func(c *Config) { c.ICELite = true })
			connect(t, a, b)
			if s := a.Stats().Transport; s.DTLSRole != string(role) || s.ICERole != "controlling" {
				t.Errorf("a is DTLS %s, ICE %s", s.DTLSRole, s.ICERole)
			}
		})
	}
}

func TestTransportParameterErrors(t *testing.T) {
	tr := newTestTransport(t, nil)
	good := localParameters(t, newTestTransport(t, nil))
	cases := []struct {
		name   string
		change func(p *TransportParameters)
	}{
		{"usernameFragment", func(p *TransportParameters) { p.UsernameFragment = "abc" }},
		{"usernameFragment", func(p *TransportParameters) { p.UsernameFragment = strings.Repeat("a", 257) }},
		{"usernameFragment", func(p *TransportParameters) { p.UsernameFragment = "ab:cd" }},
		{"password", func(p *TransportParameters) { p.Password = "short" }},
		{"password", func(p *TransportParameters) { p.Password = strings.Repeat("\n", 30) }},
		{"sctpPort", func(p *TransportParameters) { p.SCTPPort = 0 }},
		{"maxMessageSize", func(p *TransportParameters) { p.MaxMessageSize = -1 }},
		{"fingerprints", func(p *TransportParameters) { p.Fingerprints = nil }},
		{"fingerprints", func(p *TransportParameters) { p.Fingerprints = []Fingerprint{{"md5", "00:11"}} }},
		{"fingerprints", func(p *TransportParameters) { p.Fingerprints = []Fingerprint{{"sha-256", "00:11"}} }},
		{"fingerprints", func(p *TransportParameters) {
			p.Fingerprints[0].Value = strings.ReplaceAll(p.Fingerprints[0].Value, ":", "")
		}},
	}
	for _, c := range cases {
		p := overJSON(t, good)
		c.change(&p)
		var broken *ParameterError
		if err := tr.Start(t.Context(), p); !errors.As(err, &broken) || broken.Name != c.name {
			t.Errorf("%s: Start = %v, want a *ParameterError", c.name, err)
		}
	}
	p := overJSON(t, good)
	p.Candidates = append(p.Candidates, "candidate:nonsense")
	if err := tr.Start(t.Context(), p); !errors.As(err, new(*CandidateError)) {
		t.Errorf("Start = %v, want a *CandidateError", err)
	}
	if tr.State() != TransportStateNew {
		t.Errorf("state %s after errors", tr.State())
	}
}

// The one that is deceived ends with a *FingerprintError, and neither sees a
// channel open or a message arrive.
func TestTransportWrongFingerprint(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	for _, tr := range []*Transport{a, b} {
		tr.OnChannel(func(*datachannel.Channel) { t.Error("a channel came through") })
		ch, err := tr.CreateChannel("x", nil)
		if err != nil {
			t.Fatal(err)
		}
		ch.OnOpen(func() { t.Error("a channel opened") })
	}
	toA, toB := localParameters(t, b), localParameters(t, a)
	toA.Fingerprints = mustCertificate(t).Fingerprints()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	done := make(chan error)
	go func() { done <- b.Start(ctx, toB) }()
	if err := a.Start(ctx, toA); !errors.As(err, new(*FingerprintError)) {
		t.Errorf("a: %v, want a *FingerprintError", err)
	}
	<-a.Done()
	if a.State() != TransportStateFailed || !errors.As(a.Err(), new(*FingerprintError)) {
		t.Errorf("a is %s, %v", a.State(), a.Err())
	}
	b.Abort()
	if err := <-done; err == nil {
		t.Error("b connected")
	}
}

func TestTransportStartCancelled(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	a.OnStateChange(func(s TransportState) {
		if s == TransportStateConnecting {
			close(started)
		}
	})
	done := make(chan error)
	p := localParameters(t, b)
	go func() { done <- a.Start(ctx, p) }()
	<-started
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Start = %v", err)
	}
	<-a.Done()
	if err := a.Start(t.Context(), p); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after the end = %v, want ErrClosed", err)
	}
}

// Close delivers what was written before it, whatever the size.
func TestTransportCloseDelivers(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	ch, err := a.CreateChannel("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	connect(t, a, b)
	const messages = 40
	data := bytes.Repeat([]byte{7}, 100000)
	for range messages {
		if err := ch.WriteMessage(t.Context(), data, false); err != nil {
			t.Fatal(err)
		}
	}
	closed := make(chan error)
	go func() { closed <- a.Close() }()
	other := accept(t, b)
	for range messages {
		wantChannelMessage(t, other, data, false)
	}
	if _, err := other.ReadMessage(t.Context()); err != io.EOF {
		t.Errorf("after the last message: %v, want io.EOF", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close = %v", err)
	}
	<-b.Done() // the peer's end is ours
	if b.State() != TransportStateClosed || b.Err() != nil || a.State() != TransportStateClosed || a.Err() != nil {
		t.Errorf("a is %s, %v; b is %s, %v", a.State(), a.Err(), b.State(), b.Err())
	}
	for _, tr := range []*Transport{a, b, a, b} {
		if err := tr.Close(); err != nil {
			t.Errorf("Close again = %v", err)
		}
	}
	wantNoLeftovers(t)
}

func TestTransportAbort(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	connect(t, a, b)
	a.Abort()
	<-b.Done()
	if b.State() != TransportStateFailed || b.Err() == nil {
		t.Errorf("b is %s, %v; want failed, with the peer's ABORT", b.State(), b.Err())
	}
	wantNoLeftovers(t)
}

func TestTransportCloseInCallbacks(t *testing.T) {
	t.Run("state", func(t *testing.T) {
		a, b := newTestTransport(t, nil), newTestTransport(t, nil)
		closed := make(chan struct{})
		a.OnStateChange(func(s TransportState) {
			if s == TransportStateConnected {
				a.Close()
				close(closed)
			}
		})
		start(t, a, b, localParameters(t, b), localParameters(t, a))
		<-closed
		<-b.Done()
	})
	t.Run("channel", func(t *testing.T) {
		a, b := newTestTransport(t, nil), newTestTransport(t, nil)
		if _, err := a.CreateChannel("x", nil); err != nil {
			t.Fatal(err)
		}
		closed := make(chan struct{})
		b.OnChannel(func(*datachannel.Channel) {
			b.Abort()
			close(closed)
		})
		start(t, a, b, localParameters(t, b), localParameters(t, a))
		<-closed
		<-a.Done()
	})
	wantNoLeftovers(t)
}

// Nobody answers the checks: ICE fails, and with it the Transport.
func TestTransportICEFails(t *testing.T) {
	hasty := func(c *Config) {
		c.ICEDisconnectedTimeout, c.ICEFailedTimeout, c.ICEKeepaliveInterval = 100*time.Millisecond, 100*time.Millisecond, 20*time.Millisecond
	}
	a := newTestTransport(t, hasty)
	p := localParameters(t, newTestTransport(t, nil)) // who never starts
	if err := a.Start(t.Context(), p); err != ErrICEFailed {
		t.Errorf("Start = %v, want ErrICEFailed", err)
	}
	if a.State() != TransportStateFailed {
		t.Errorf("state %s", a.State())
	}
}

// The peer vanishes: disconnected, then failed; channels end with an error.
func TestTransportPeerVanishes(t *testing.T) {
	hasty := func(c *Config) { // a busy machine, too, looks between disconnected and failed
		c.ICEDisconnectedTimeout, c.ICEFailedTimeout, c.ICEKeepaliveInterval = 200*time.Millisecond, 3*time.Second, 20*time.Millisecond
	}
	a, b := newTestTransport(t, hasty), newTestTransport(t, nil)
	states := make(chan TransportState, 10)
	a.OnStateChange(func(s TransportState) { states <- s })
	connect(t, a, b)
	want(t, "a", states, TransportStateConnected)
	b.core.ice.mux.Close() // pulls the cable
	want(t, "a", states, TransportStateDisconnected)
	want(t, "a", states, TransportStateFailed)
	<-a.Done()
	if a.Err() != ErrICEFailed {
		t.Errorf("a: %v, want ErrICEFailed", a.Err())
	}
}

func TestTransportClosedErrors(t *testing.T) {
	a := newTestTransport(t, nil)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.LocalParameters(t.Context()); err != ErrClosed {
		t.Errorf("LocalParameters = %v", err)
	}
	if err := a.Gather(); err != ErrClosed {
		t.Errorf("Gather = %v", err)
	}
	if _, err := a.Accept(t.Context()); err != ErrClosed {
		t.Errorf("Accept = %v", err)
	}
	if _, err := a.CreateChannel("x", nil); !errors.As(err, new(*datachannel.InvalidStateError)) {
		t.Errorf("CreateChannel = %v", err)
	}
	if _, err := a.ExportKeyingMaterial("x", 1); !errors.As(err, new(*StateError)) {
		t.Errorf("ExportKeyingMaterial = %v", err)
	}
	if a.RemoteCertificates() != nil {
		t.Error("RemoteCertificates before a handshake")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newTestTransport(t, nil).Accept(ctx); err != context.Canceled {
		t.Errorf("Accept with an ended context = %v", err)
	}
}

func TestTransportStats(t *testing.T) {
	var packets, events bytes.Buffer
	pcap, qlog := sctptrace.NewPcap(&packets, 0), sctptrace.NewQlog(&events, "")
	a, b := newTestTransport(t, func(cfg *Config) { cfg.SCTP.Trace = sctptrace.Tee(pcap, qlog) }), newTestTransport(t, nil)
	t.Cleanup(func() {
		a.Close()
		if packets.Len() < 5000 || !bytes.Contains(events.Bytes(), []byte(`"new":"ESTABLISHED"`)) || pcap.Err() != nil || qlog.Err() != nil {
			t.Errorf("traced %d bytes of packets, %d of events, %v, %v", packets.Len(), events.Len(), pcap.Err(), qlog.Err())
		}
	})
	if s := a.Stats(); s.Transport.DTLSState != DTLSStateNew || s.Transport.ICERole != "unknown" || len(s.Certificates) != 1 {
		t.Errorf("before start: %+v", s)
	}
	ch, err := a.CreateChannel("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	connect(t, a, b)
	if err := ch.WriteMessage(t.Context(), make([]byte, 5000), false); err != nil {
		t.Fatal(err)
	}
	wantChannelMessage(t, accept(t, b), make([]byte, 5000), false)
	if !eventually(func() bool { return ch.ReadyState() == datachannel.Open }) {
		t.Fatal("the channel does not open")
	}
	if !eventually(func() bool { // it may come after the first data
		return slices.ContainsFunc(a.Stats().CandidatePairs, func(p CandidatePairStats) bool { return p.Nominated })
	}) {
		t.Error("no pair is nominated")
	}
	s, peer := a.Stats(), b.Stats()
	tr := s.Transport
	if tr.DTLSState != DTLSStateConnected || tr.TLSVersion != "FEFD" || tr.DTLSCipher != "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" ||
		tr.ICEState != ICEConnectionStateConnected || tr.ICELocalUsernameFragment != a.Parameters().UsernameFragment ||
		tr.SelectedCandidatePairChanges < 1 || tr.PacketsSent == 0 || tr.BytesSent < 5000 || tr.PacketsReceived == 0 || tr.RecordsDropped != (DroppedRecords{}) {
		t.Errorf("transport: %+v", tr)
	}
	if peer.Transport.ICERole == tr.ICERole || peer.Transport.DTLSRole == tr.DTLSRole {
		t.Errorf("both are %s and %s", tr.ICERole, tr.DTLSRole)
	}
	selected := false
	for _, p := range s.CandidatePairs {
		selected = selected || p.ID == tr.SelectedCandidatePairID && p.Nominated && p.State == "succeeded"
	}
	if !selected || len(s.LocalCandidates) == 0 || len(s.RemoteCandidates) == 0 {
		t.Errorf("pairs %+v, candidates %+v, %+v", s.CandidatePairs, s.LocalCandidates, s.RemoteCandidates)
	}
	if len(s.Certificates) != 2 || s.Certificates[1].Fingerprint != b.Parameters().Fingerprints[0].Value {
		t.Errorf("certificates: %d", len(s.Certificates))
	}
	if c := s.DataChannels; len(c) != 1 || c[0].BytesSent != 5000 {
		t.Errorf("channels: %+v", c)
	}
	if s.SCTP.MTU == 0 || !s.SCTP.ZeroChecksumSending {
		t.Errorf("SCTP: %+v", s.SCTP) // zero checksum over DTLS by default
	}
	if st, full := s.SCTPTransport, s.SCTP; st.SmoothedRoundTripTime != full.SRTT.Seconds() || st.SmoothedRoundTripTime == 0 ||
		st.CongestionWindow == 0 || st.ReceiverWindow == 0 || st.MTU != full.MTU || full.Peer != sctp.PeerSluice && !full.SNAP {
		t.Errorf("SCTP transport: %+v", st)
	}
	text, err := json.Marshal(s)
	for _, want := range []string{ // the names of webrtc-stats
		`"dtlsState":"connected"`, `"smoothedRoundTripTime":0.`, `"congestionWindow":`, `"receiverWindow":`, `"unackData":`,
		`"dataChannelIdentifier":`, `"state":"open"`, `"messagesSent":1,"bytesSent":5000`, `"dataChannelsOpened":1`,
	} {
		if err != nil || !bytes.Contains(text, []byte(want)) {
			t.Errorf("JSON: no %s in %s, %v", want, text, err)
		}
	}
}

// The search for a larger MTU finds what fits the usual path, through ICE and DTLS,
// and begins anew when the path changes. // 8899-5.2-b 8261-6.1-a
func TestTransportMTU(t *testing.T) {
	a, b := newTestTransport(t, nil), newTestTransport(t, nil)
	ch, err := a.CreateChannel("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	connect(t, a, b)
	peer := accept(t, b)
	settle := func() {
		t.Helper()
		for start := time.Now(); time.Since(start) < time.Minute; { // a second is plenty
			if a.Stats().SCTP.MTU == 1432 && b.Stats().SCTP.MTU == 1432 {
				return
			}
			if err := ch.WriteMessage(t.Context(), make([]byte, 2000), false); err != nil {
				t.Fatal(err)
			}
			wantChannelMessage(t, peer, make([]byte, 2000), false)
		}
		t.Fatalf("MTUs %d and %d", a.Stats().SCTP.MTU, b.Stats().SCTP.MTU)
	}
	settle()
	probes := a.Stats().SCTP.MTUProbesSent
	a.core.session.PathChanged()
	settle()
	if n := a.Stats().SCTP.MTUProbesSent; n <= probes {
		t.Errorf("%d probes, then %d", probes, n)
	}
}

// Many at once, and each closed by one side or the other.
func TestTransportsInParallel(t *testing.T) {
	for i := range 20 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			a, b := newTestTransport(t, nil), newTestTransport(t, nil)
			ch, err := a.CreateChannel("x", nil)
			if err != nil {
				t.Fatal(err)
			}
			connect(t, a, b)
			if err := ch.WriteMessage(t.Context(), []byte("hi"), true); err != nil {
				t.Fatal(err)
			}
			wantChannelMessage(t, accept(t, b), []byte("hi"), true)
			if i%2 == 0 {
				a, b = b, a
			}
			if err := a.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			<-b.Done()
		})
	}
}
