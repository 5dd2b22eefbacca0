package sluice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/logging"
	"github.com/pion/mdns"
	"golang.org/x/net/ipv4"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// testTimeout bounds what waits for the network in a test; nothing should come
// near it.
const testTimeout = 20 * time.Second

// testCore is a core whose events a test can wait for.
type testCore struct {
	*core
	candidates chan string
	ice        chan ICEConnectionState
	gathering  chan ICEGatheringState
	dtls       chan DTLSState
	over       chan error
}

func newTestCore(t testing.TB, cfg Config) *testCore {
	t.Helper()
	c := &testCore{candidates: make(chan string, 100), ice: make(chan ICEConnectionState, 100),
		gathering: make(chan ICEGatheringState, 100), dtls: make(chan DTLSState, 100), over: make(chan error, 100)}
	var err error
	c.core, err = newCore(cfg, coreEvents{
		candidate:      func(l localCandidate) { c.candidates <- l.line },
		iceState:       func(s ICEConnectionState) { c.ice <- s },
		gatheringState: func(s ICEGatheringState) { c.gathering <- s },
		dtlsState:      func(s DTLSState) { c.dtls <- s },
		ended:          func(err error) { c.over <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// virtualCores are two on a virtual network, with a round trip of 10 ms.
func virtualCores(t *testing.T) (a, b *testCore) {
	n := newVirtualNet(t, 1, netsim.Conditions{Latency: 5 * time.Millisecond})
	a = newTestCore(t, Config{UDPMux: n.hosts[0].mux(t), DisableMulticastDNS: true})
	b = newTestCore(t, Config{UDPMux: n.hosts[1].mux(t), DisableMulticastDNS: true})
	return a, b
}

// want waits for an event.
func want[T comparable](t testing.TB, why string, events <-chan T, want T) {
	t.Helper()
	var seen []T
	timeout := time.After(testTimeout)
	for {
		select {
		case e := <-events:
			if e == want {
				return
			}
			seen = append(seen, e)
		case <-timeout:
			t.Fatalf("%s: no %v within %v; seen %v", why, want, testTimeout, seen)
		}
	}
}

// parameters returns what signalling would carry to the peer.
func (c *testCore) parameters() remoteParameters {
	return remoteParameters{iceCredentials: c.localCredentials(), fingerprints: c.fingerprints(), sctpPort: 5000, maxMessageSize: 262144}
}

// localCandidates returns those of the newest generation.
func (c *testCore) localCandidates() []string {
	lines, _ := c.core.localCandidates(c.localCredentials().ufrag)
	return lines
}

// generation returns the newest one.
func (c *testCore) generation() *iceGeneration {
	c.core.ice.mu.Lock()
	defer c.core.ice.mu.Unlock()
	return c.core.ice.newest()
}

// startCores gathers on both sides, tells each the other's candidates and starts.
func startCores(t testing.TB, a, b *testCore) {
	t.Helper()
	for _, c := range []*testCore{a, b} {
		if err := c.gather(); err != nil {
			t.Fatal(err)
		}
		<-c.gathered()
	}
	for _, pair := range [][2]*testCore{{a, b}, {b, a}} {
		for _, line := range pair[0].localCandidates() {
			if err := pair[1].addRemoteCandidate(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.start(startParameters{remote: b.parameters(), controlling: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.start(startParameters{remote: a.parameters(), dtlsClient: true}); err != nil {
		t.Fatal(err)
	}
}

// connectCores is startCores, and waits until DTLS is up on both sides.
func connectCores(t testing.TB, a, b *testCore) {
	t.Helper()
	startCores(t, a, b)
	want(t, "a", a.dtls, DTLSStateConnected)
	want(t, "b", b.dtls, DTLSStateConnected)
}

func splitFields(line string) []string { return strings.Fields(line) }

func TestConnect(t *testing.T) {
	a, b := newTestCore(t, loopbackConfig()), newTestCore(t, loopbackConfig())
	connectCores(t, a, b)
	for _, c := range []*testCore{a, b} {
		want(t, "gathering", c.gathering, ICEGatheringStateGathering)
		want(t, "gathering", c.gathering, ICEGatheringStateComplete)
		want(t, "ICE", c.ice, ICEConnectionStateChecking)
		want(t, "ICE", c.ice, ICEConnectionStateConnected)
		for _, line := range append(c.localCandidates(), "") {
			want(t, "candidates in order", c.candidates, line)
		}
	}
	if _, remote := a.transport().LocalAddr(), a.transport().RemoteAddr(); remote.String() != b.transport().LocalAddr().String() {
		t.Errorf("a speaks to %v, b listens on %v", remote, b.transport().LocalAddr())
	}
	if err := a.start(startParameters{remote: b.parameters()}); !errors.As(err, new(*StateError)) {
		t.Errorf("second start = %v, want a *StateError", err)
	}
}

// The controlled side may not know any candidate of its peer: it learns the
// address from the checks (peer-reflexive).
func TestConnectPeerReflexive(t *testing.T) {
	for _, silent := range []string{"controlling", "controlled"} {
		synctest.Test(t, func(t *testing.T) {
			a, b := virtualCores(t)
			for _, c := range []*testCore{a, b} {
				must(t, c.gather())
				<-c.gathered()
			}
			from, to := a, b
			if silent == "controlling" {
				from, to = b, a
			}
			for _, line := range from.localCandidates() {
				must(t, to.addRemoteCandidate(line))
			}
			begin := time.Now()
			must(t, a.start(startParameters{remote: b.parameters(), controlling: true}))
			must(t, b.start(startParameters{remote: a.parameters(), dtlsClient: true}))
			want(t, "a", a.dtls, DTLSStateConnected)
			want(t, "b", b.dtls, DTLSStateConnected)
			if d := time.Since(begin); d > 100*time.Millisecond { // the library's default waits a second
				t.Errorf("%s sends no candidates: took %v", silent, d)
			}
		})
	}
}

// 8445-7.3.1.1-a: ICE settles it when both think they control, or neither.
func TestRoleConflict(t *testing.T) {
	for _, controlling := range []bool{true, false} {
		t.Run(fmt.Sprint(controlling), func(t *testing.T) {
			a, b := newTestCore(t, loopbackConfig()), newTestCore(t, loopbackConfig())
			for _, c := range []*testCore{a, b} {
				if err := c.gather(); err != nil {
					t.Fatal(err)
				}
				<-c.gathered()
			}
			for _, pair := range [][2]*testCore{{a, b}, {b, a}} {
				for _, line := range pair[0].localCandidates() {
					if err := pair[1].addRemoteCandidate(line); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := a.start(startParameters{remote: b.parameters(), controlling: controlling}); err != nil {
				t.Fatal(err)
			}
			if err := b.start(startParameters{remote: a.parameters(), controlling: controlling, dtlsClient: true}); err != nil {
				t.Fatal(err)
			}
			want(t, "a", a.dtls, DTLSStateConnected)
			want(t, "b", b.dtls, DTLSStateConnected)
		})
	}
}

// A peer whose signalling takes longer than the library's limit of checks.
func TestLatePeer(t *testing.T) {
	for _, late := range []string{"controlling", "controlled"} {
		t.Run(late+" is late", func(t *testing.T) {
			a, b := newTestCore(t, loopbackConfig()), newTestCore(t, loopbackConfig())
			for _, c := range []*testCore{a, b} {
				if err := c.gather(); err != nil {
					t.Fatal(err)
				}
				<-c.gathered()
			}
			first, second := a, b
			if late == "controlling" {
				first, second = b, a
			}
			for _, line := range second.localCandidates() {
				if err := first.addRemoteCandidate(line); err != nil {
					t.Fatal(err)
				}
			}
			if err := first.start(startParameters{remote: second.parameters(), controlling: first == a}); err != nil {
				t.Fatal(err)
			}
			// The first one's checks, more than the library's limit, lie in the second
			// one's socket before it starts; if that will control, they are answered.
			if !eventually(func() bool { return checksSent(first) > 12 || answered(first) }) {
				t.Fatal("the first side sends no checks")
			}
			for _, line := range first.localCandidates() {
				if err := second.addRemoteCandidate(line); err != nil {
					t.Fatal(err)
				}
			}
			if err := second.start(startParameters{remote: first.parameters(), controlling: second == a, dtlsClient: true}); err != nil {
				t.Fatal(err)
			}
			want(t, "first", first.dtls, DTLSStateConnected)
			want(t, "second", second.dtls, DTLSStateConnected)
		})
	}
}

// checksSent counts the checks that left the sockets of c.
func checksSent(c *testCore) uint64 { return c.core.ice.path.Stats().Checks }

// answered tells whether a check of c was answered before there is a path.
func answered(c *testCore) bool {
	t := c.core.ice
	t.mu.Lock()
	g := t.agreed
	t.mu.Unlock()
	return g.checks.roundTripTime() > 0
}

// eventually polls, for what has no event.
func eventually(f func() bool) bool {
	timeout := time.After(testTimeout)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-timeout:
			return false
		}
	}
	return true
}

func TestDTLSFailureIsReported(t *testing.T) {
	a, b := newTestCore(t, loopbackConfig()), newTestCore(t, loopbackConfig())
	for _, c := range []*testCore{a, b} {
		if err := c.gather(); err != nil {
			t.Fatal(err)
		}
		<-c.gathered()
	}
	for _, line := range b.localCandidates() {
		if err := a.addRemoteCandidate(line); err != nil {
			t.Fatal(err)
		}
	}
	wrong := b.parameters()
	wrong.fingerprints = mustCertificate(t).Fingerprints()
	if err := a.start(startParameters{remote: wrong, controlling: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.start(startParameters{remote: a.parameters(), dtlsClient: true}); err != nil {
		t.Fatal(err)
	}
	want(t, "a", a.dtls, DTLSStateFailed)
	if err := <-a.over; !errors.As(err, new(*FingerprintError)) {
		t.Errorf("a ended with %v, want a *FingerprintError", err)
	}
	if a.transport() != nil {
		t.Error("a has a transport")
	}
}

// Close works in every phase, more than once, and leaves nothing behind.
func TestCloseInEveryPhase(t *testing.T) {
	silentServer := listenLoopback(t)
	phases := map[string]func(a, b *testCore){
		"new":       func(a, b *testCore) {},
		"gathering": func(a, b *testCore) { a.gather() },
		"gathered": func(a, b *testCore) {
			a.gather()
			<-a.gathered()
		},
		"checking": func(a, b *testCore) {
			a.start(startParameters{remote: b.parameters(), controlling: true})
			want(t, "a", a.ice, ICEConnectionStateChecking)
		},
		"handshaking": func(a, b *testCore) {
			for _, c := range []*testCore{a, b} {
				c.gather()
				<-c.gathered()
			}
			for _, line := range b.localCandidates() {
				a.addRemoteCandidate(line)
			}
			a.start(startParameters{remote: b.parameters(), controlling: true, dtlsClient: true})
			b.start(startParameters{remote: a.parameters(), dtlsClient: true}) // nobody answers
			want(t, "a", a.dtls, DTLSStateConnecting)
			want(t, "b", b.dtls, DTLSStateConnecting)
		},
		"connected": func(a, b *testCore) { connectCores(t, a, b) },
	}
	for phase, reach := range phases {
		for _, servers := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, servers=%v", phase, servers), func(t *testing.T) {
				if servers && phase != "gathering" {
					t.Skip("servers that do not answer only delay the other phases")
				}
				cfg := loopbackConfig()
				if servers {
					address := silentServer.LocalAddr().String()
					cfg.ICEServers = []ICEServer{{URLs: []string{"stun:" + address, "turn:" + address, "stun:no-such-host.invalid:3478"},
						Username: "u", Credential: "p"}}
				}
				a, b := newTestCore(t, cfg), newTestCore(t, cfg)
				reach(a, b)
				begin := time.Now()
				done := make(chan struct{}, 3)
				for range 3 {
					go func() {
						a.close()
						done <- struct{}{}
					}()
				}
				for range 3 {
					<-done
				}
				if d := time.Since(begin); d > 4*time.Second { // servers are waited for longer than that
					t.Errorf("close took %v", d)
				}
				b.close()
				if n := len(a.generation().net.open) + len(a.core.ice.mux.Addrs()); n != 0 {
					t.Errorf("%d sockets left", n)
				}
				wantNoLeftovers(t)
				if err := a.gather(); err != ErrClosed {
					t.Errorf("gather after close = %v", err)
				}
				if err := a.addRemoteCandidate("candidate:1 1 udp 1 127.0.0.1 9 typ host"); err != ErrClosed {
					t.Errorf("addRemoteCandidate after close = %v", err)
				}
				if err := a.start(startParameters{remote: b.parameters()}); err != ErrClosed {
					t.Errorf("start after close = %v", err)
				}
				if err := a.restartICE(newICECredentials("")); err != ErrClosed {
					t.Errorf("restartICE after close = %v", err)
				}
			})
		}
	}
}

func TestCloseInEvent(t *testing.T) {
	closed := make(chan struct{})
	var c *core
	ready := make(chan struct{})
	c, err := newCore(loopbackConfig(), coreEvents{candidate: func(localCandidate) {
		<-ready
		c.close()
		select {
		case <-closed:
		default:
			close(closed)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	if err := c.gather(); err != nil {
		t.Fatal(err)
	}
	<-closed
	wantNoLeftovers(t)
}

func TestCanonicalCandidate(t *testing.T) {
	cases := []struct {
		desc, in, want, local string
		bad                   bool
	}{
		{desc: "host", in: "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host", want: "1 1 udp 2130706431 192.0.2.1 5000 typ host"},
		{desc: "as an attribute", in: "a=candidate:1 1 UDP 5 192.0.2.1 5000 typ host\r\n", want: "1 1 udp 5 192.0.2.1 5000 typ host"},
		{desc: "Chromium", in: "candidate:842163049 1 udp 1677729535 192.0.2.1 46154 typ srflx raddr 10.0.0.1 rport 46154 generation 0 ufrag abcd network-cost 999",
			want: "842163049 1 udp 1677729535 192.0.2.1 46154 typ srflx raddr 10.0.0.1 rport 46154"},
		{desc: "Firefox", in: "candidate:0 1 UDP 2122252543 2001:db8::1 4000 typ host", want: "0 1 udp 2122252543 2001:db8::1 4000 typ host"},
		{desc: "relay with privacy", in: "candidate:1 1 udp 5 192.0.2.1 5000 typ relay raddr 0.0.0.0 rport 9",
			want: "1 1 udp 5 192.0.2.1 5000 typ relay raddr 0.0.0.0 rport 9"},
		{desc: ".local", in: "candidate:1 1 udp 5 6aa5e2d3-1.local 5000 typ host generation 0",
			want: "1 1 udp 5 6aa5e2d3-1.local 5000 typ host", local: "6aa5e2d3-1.local"},
		// 8839-5-a: ignored.
		{desc: "name", in: "candidate:1 1 udp 5 example.com 5000 typ host"},
		{desc: ".local of more than one label", in: "candidate:1 1 udp 5 printer.office.local 5000 typ host"},
		{desc: ".local srflx", in: "candidate:1 1 udp 5 a.local 5000 typ srflx"},
		{desc: "TCP", in: "candidate:1 1 tcp 5 192.0.2.1 9 typ host tcptype active"},
		{desc: "listening TCP", in: "candidate:1 1 TCP 5 192.0.2.1 5000 typ host tcptype passive generation 0", want: "1 1 tcp 5 192.0.2.1 5000 typ host"},
		{desc: "simultaneous TCP", in: "candidate:1 1 tcp 5 192.0.2.1 5000 typ host tcptype so"},
		{desc: "reflexive TCP", in: "candidate:1 1 tcp 5 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport 5 tcptype passive"},
		{desc: "component", in: "candidate:1 2 udp 5 192.0.2.1 9 typ host"},
		{desc: "unknown type", in: "candidate:1 1 udp 5 192.0.2.1 9 typ magic"},
		{desc: "port 0", in: "candidate:1 1 udp 5 192.0.2.1 0 typ host"},
		{desc: "no address", in: "candidate:1 1 udp 5 0.0.0.0 9 typ host"},
		{desc: "multicast", in: "candidate:1 1 udp 5 224.0.0.251 5353 typ host"},
		// Broken.
		{desc: "words", in: "hello", bad: true},
		{desc: "short", in: "candidate:1 1 udp 5 192.0.2.1 9 typ", bad: true},
		{desc: "no typ", in: "candidate:1 1 udp 5 192.0.2.1 9 host typ", bad: true},
		{desc: "foundation", in: "candidate:%%% 1 udp 5 192.0.2.1 9 typ host", bad: true},
		{desc: "long foundation", in: "candidate:" + strings.Repeat("1", 33) + " 1 udp 5 192.0.2.1 9 typ host", bad: true},
		{desc: "component text", in: "candidate:1 one udp 5 192.0.2.1 9 typ host", bad: true},
		{desc: "priority", in: "candidate:1 1 udp 4294967296 192.0.2.1 9 typ host", bad: true},
		{desc: "port", in: "candidate:1 1 udp 5 192.0.2.1 65536 typ host", bad: true},
		{desc: "rport", in: "candidate:1 1 udp 5 192.0.2.1 9 typ srflx raddr 10.0.0.1 rport x", bad: true},
		{desc: "long", in: "candidate:1 1 udp 5 192.0.2.1 9 typ host " + strings.Repeat("x", 1024), bad: true},
	}
	for _, c := range cases {
		got, local, err := canonicalCandidate(c.in)
		if got != c.want || local != c.local || (err != nil) != c.bad {
			t.Errorf("%s: %q, %q, %v; want %q, %q, error %v", c.desc, got, local, err, c.want, c.local, c.bad)
		}
	}
}

// What is passed on, the ICE library understands.
func FuzzCanonicalCandidate(f *testing.F) {
	for _, line := range []string{
		"candidate:842163049 1 udp 1677729535 192.0.2.1 46154 typ srflx raddr 10.0.0.1 rport 46154 generation 0",
		"a=candidate:1 1 UDP 5 fe80::1%eth0 5000 typ host",
		"candidate:1 1 udp 5 ::ffff:192.0.2.1 5000 typ relay raddr x rport 1",
		"candidate:1 1 udp 5 x.local 5000 typ host",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		canonical, local, err := canonicalCandidate(line)
		if err != nil || canonical == "" {
			return
		}
		if local != "" {
			canonical = strings.Replace(canonical, " "+local+" ", " 192.0.2.1 ", 1)
		}
		if _, err := ice.UnmarshalCandidate(canonical); err != nil {
			t.Errorf("%q from %q: %v", canonical, line, err)
		}
	})
}

func TestAddRemoteCandidate(t *testing.T) {
	c := newTestCore(t, loopbackConfig())
	var broken *CandidateError
	if err := c.addRemoteCandidate("candidate:nonsense"); !errors.As(err, &broken) {
		t.Errorf("nonsense: %v, want a *CandidateError", err)
	}
	for i := range 3 * maxRemoteCandidates {
		if err := c.addRemoteCandidate(fmt.Sprintf("candidate:%d 1 udp 5 127.0.0.1 %d typ host", i, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.generation().remoteCount; n != maxRemoteCandidates {
		t.Errorf("%d candidates were taken, want %d", n, maxRemoteCandidates)
	}
	d := newTestCore(t, loopbackConfig())
	for _, line := range []string{"", "candidate:1 1 udp 5 127.0.0.1 9 typ host"} { // 8838-a
		if err := d.addRemoteCandidate(line); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.generation().remoteCount; n != 0 {
		t.Errorf("%d candidates taken after end-of-candidates", n)
	}
}

// A .local name is looked up with a socket opened for it.
func TestMulticastDNS(t *testing.T) {
	group, err := net.ResolveUDPAddr("udp4", mdns.DefaultAddress)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUDP("udp4", group)
	if err != nil {
		t.Skipf("no multicast DNS here: %v", err)
	}
	silent := logging.NewDefaultLoggerFactory()
	silent.DefaultLogLevel = logging.LogLevelDisabled
	responder, err := mdns.Server(ipv4.NewPacketConn(l), &mdns.Config{LocalNames: []string{"sluice-test.local"}, IncludeLoopback: true, LoggerFactory: silent})
	if err != nil {
		l.Close()
		t.Skipf("no multicast DNS here: %v", err)
	}
	defer responder.Close()
	r := mdnsNode{loopback: true, log: newLogFactory(nil).scoped("test")}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	ip, err := r.resolve(ctx, "sluice-test.local")
	if err != nil || !ip.Is4() {
		t.Errorf("resolve = %v, %v", ip, err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if ip, err := r.resolve(ended, "nobody.local"); err == nil {
		t.Errorf("an unknown name has address %v", ip)
	}
	r.close()
	r.close()
	if _, err := r.resolve(ctx, "sluice-test.local"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("resolve after close = %v", err)
	}
}
