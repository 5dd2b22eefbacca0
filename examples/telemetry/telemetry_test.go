package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
)

const testTimeout = 30 * time.Second

// testServer is a server whose address outlives it.
type testServer struct {
	*site
	web *httptest.Server
	mux *sluice.UDPMux
}

func startTestServer(t testing.TB, addr, token string, gateways int) *testServer {
	t.Helper()
	var o serveOptions
	cfg, mux, err := o.transport(net.IPv4(127, 0, 0, 1))
	must(t, err)
	s := &testServer{mux: mux, site: &site{every: time.Millisecond, closing: t.Context().Done(),
		server: &server{fleet: newFleet(gateways), token: token, rtc: cfg, log: slog.New(slog.DiscardHandler)}}}
	ln, err := net.Listen("tcp", addr)
	must(t, err)
	s.web = &httptest.Server{Listener: ln, Config: &http.Server{Handler: s.handler()}}
	s.web.Start()
	t.Cleanup(s.stop)
	return s
}

func (s *testServer) stop() {
	s.web.CloseClientConnections()
	s.web.Close()
	s.fleet.close()
	s.mux.Close()
}

// startTestGateway runs a gateway until the test ends.
func startTestGateway(t testing.TB, cfg gatewayConfig) *gateway {
	t.Helper()
	cfg.RTC = gatewayTransport()
	cfg.Retry = backoff{time.Millisecond, 100 * time.Millisecond}
	g, err := newGateway(cfg)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
		must(t, g.close())
	})
	return g
}

func (g *gateway) await(t testing.TB, online bool) {
	t.Helper()
	timeout := time.After(testTimeout)
	for {
		is, changed := g.online()
		if is == online {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("the gateway is not online: %v", online)
		}
	}
}

// await reads what the page reads until a snapshot is good.
func (s *testServer) await(t testing.TB, what string, good func(snapshot) bool) snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got := s.fleet.snapshot()
		if good(got) {
			return got
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: it ends with %+v", what, got)
		}
	}
}

// Readings arrive while there is a server; while there is none they wait on disk, and
// alarms do until a server has them: everything arrives once.
func TestOffline(t *testing.T) {
	s := startTestServer(t, "127.0.0.1:0", "secret", 3)
	addr := s.web.Listener.Addr().String()
	dir := t.TempDir()
	g := startTestGateway(t, gatewayConfig{Name: "shed", Server: "http://" + addr, Token: "secret", Dir: dir})
	g.await(t, true)
	for i := range 20 {
		must(t, g.measure("temperature", float64(i)))
	}
	must(t, g.alarm("door", 1, "the door is open"))
	got := s.await(t, "online", func(s snapshot) bool { return s.Counts.Readings == 20 && s.Counts.Alarms == 1 })
	if got.Online != 1 || got.Counts.Backlog != 0 || len(got.Gateways) != 1 || got.Gateways[0].Lost != 0 ||
		got.Gateways[0].Sensors["temperature"] != 19 || got.Alarms[0].Gateway != "shed" || got.Alarms[0].Text != "the door is open" {
		t.Errorf("online the page shows %+v", got)
	}

	s.stop()
	g.await(t, false)
	for i := range 500 {
		must(t, g.measure("temperature", float64(i)))
	}
	for i := range 10 {
		must(t, g.alarm("door", float64(i), fmt.Sprintf("alarm %d", i)))
	}
	if waiting, dropped := g.backlog.depth(); waiting != 500 || dropped != 0 {
		t.Errorf("%d readings wait on disk, %d were given up; want 500 and none", waiting, dropped)
	}

	again := startTestServer(t, addr, "secret", 3)
	got = again.await(t, "again", func(s snapshot) bool { return s.Counts.Backlog >= 500 && s.Counts.Alarms >= 10 })
	if got.Counts.Backlog != 500 || got.Counts.Alarms != 10 || got.Gateways[0].Lost != 0 || got.Alarms[0].Text != "alarm 9" {
		t.Errorf("after the pause the page shows %+v", got)
	}
	g.await(t, true)
	must(t, g.measure("temperature", 77))
	again.await(t, "live again", func(s snapshot) bool { return s.Gateways[0].Sensors["temperature"] == 77 })
	drained := func(snapshot) bool {
		readings, _ := g.backlog.depth()
		alarms, _ := g.alarms.depth()
		return readings == 0 && alarms == 0
	}
	again.await(t, "the journals are dropped", drained)
}

// A gateway that is started anew sends what it did not get rid of, and what comes
// twice counts once.
func TestGatewayRestart(t *testing.T) {
	s := startTestServer(t, "127.0.0.1:0", "", 3)
	dir := t.TempDir()
	before, err := newGateway(gatewayConfig{Name: "shed", Dir: dir})
	must(t, err)
	for i := range 30 {
		must(t, before.measure("level", float64(i)))
		must(t, before.alarm("level", float64(i), "high"))
	}
	must(t, before.close())
	cfg := gatewayConfig{Name: "shed", Server: s.web.URL, Dir: dir}
	g := startTestGateway(t, cfg)
	s.await(t, "restarted", func(s snapshot) bool { return s.Counts.Backlog == 30 && s.Counts.Alarms == 30 })
	g.await(t, true)

	// The same entries once more, as if the acknowledgement had been lost.
	m := s.fleet.gateways["shed"]
	for n := uint64(1); n <= 30; n++ {
		if s.fleet.once(&m.alarms, n) {
			t.Errorf("alarm %d counts again", n)
		}
	}
	if got := s.fleet.snapshot().Counts; got.Repeated != 30 {
		t.Errorf("%d repeated, want 30", got.Repeated)
	}
}

func TestConnectRefused(t *testing.T) {
	s := startTestServer(t, "127.0.0.1:0", "secret", 3)
	valid := string(encode(connectRequest{Name: "shed", Boot: "b", Alarms: "a", Backlog: "c"}))
	for _, c := range []struct {
		name   string
		header http.Header
		body   string
		status int
	}{
		{"no token", http.Header{"Content-Type": {"application/json"}}, valid, http.StatusUnauthorized},
		{"another token", http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer sesame"}}, valid, http.StatusUnauthorized},
		{"a page", http.Header{"Content-Type": {"application/json"}, "Origin": {"http://example.com"}}, valid, http.StatusForbidden},
		{"no JSON type", http.Header{"Authorization": {"Bearer secret"}}, valid, http.StatusUnsupportedMediaType},
		{"no JSON", http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer secret"}}, "{", http.StatusBadRequest},
		{"no name", http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer secret"}}, "{}", http.StatusBadRequest},
		{"too long", http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer secret"}},
			`{"name":"` + strings.Repeat("x", maxConnectBody) + `"}`, http.StatusBadRequest},
	} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.web.URL+connectPath, strings.NewReader(c.body))
		must(t, err)
		q.Header = c.header
		answer, err := http.DefaultClient.Do(q)
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", c.name, answer.Status, c.status)
		}
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL, nil)
	must(t, err)
	q.Host = "rebound.example"
	answer, err := http.DefaultClient.Do(q)
	must(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host name: %s", answer.Status)
	}
}

// What a server keeps is bounded: of gateways, sensors, values and alarms.
func TestFleetBounds(t *testing.T) {
	f := newFleet(2)
	join := func(name, boot string) (*member, int, error) {
		return f.join(connectRequest{Name: name, Boot: boot, Alarms: "a", Backlog: "b"}, func() {})
	}
	a, visit, err := join("a", "1")
	must(t, err)
	_, _, err = join("b", "1")
	must(t, err)
	if _, _, err := join("c", "1"); err != errFull {
		t.Errorf("one too many: %v", err)
	}
	if _, _, err := join("b", "1"); err != nil {
		t.Errorf("one that comes again: %v", err)
	}
	for i := range uint64(100) {
		f.reading(a, reading{N: i + 1, Sensor: fmt.Sprint("sensor ", i%50), Value: 1}, false)
		f.alarm(a, alarm{Sensor: "s"})
	}
	f.reading(a, reading{N: 110, Sensor: "sensor 0", Value: 9}, false) // nine are missing
	f.reading(a, reading{N: 105, Sensor: "sensor 0", Value: 5}, true)  // one of them
	row := f.snapshot().Gateways[0]
	if len(row.Sensors) != maxSensors || row.Lost != 8 || row.Sensors["sensor 0"] != 9 || len(f.alarms) != maxAlarms {
		t.Errorf("%d sensors, %d lost, %v, %d alarms", len(row.Sensors), row.Lost, row.Sensors["sensor 0"], len(f.alarms))
	}
	for i := range uint64(3 * maxTrail) {
		f.reading(a, reading{N: 200 + i, Sensor: "sensor 0"}, false)
	}
	if len(a.trail) != maxTrail {
		t.Errorf("a trail of %d", len(a.trail))
	}
	f.left(a, visit-1) // an older connection
	if got := f.snapshot().Online; got != 2 {
		t.Errorf("%d online, want 2", got)
	}
	f.left(a, visit)
	if _, _, err := join("c", "1"); err != nil {
		t.Errorf("nobody makes room: %v", err)
	}
	if f.gateways["a"] != nil {
		t.Error("who is offline was kept")
	}
}

func TestLines(t *testing.T) {
	g, err := newGateway(gatewayConfig{Name: "shed", Dir: filepath.Join(t.TempDir(), "new")})
	must(t, err)
	defer g.close()
	var wrong []string
	err = g.read(strings.NewReader("door 1\n\n! door 1 the door is open\nnonsense\ndoor wide\ndoor 1 2\n! door NaN x\n"), func(line string, err error) {
		wrong = append(wrong, line)
	})
	must(t, err)
	if want := "nonsense|door wide|door 1 2|! door NaN x"; strings.Join(wrong, "|") != want {
		t.Errorf("refused %q, want %q", wrong, want)
	}
	readings, _ := g.backlog.depth()
	alarms, _ := g.alarms.depth()
	if readings != 1 || alarms != 1 {
		t.Errorf("%d readings and %d alarms wait, want one of each", readings, alarms)
	}
}

func TestOptions(t *testing.T) {
	for _, args := range []string{"fly", "serve extra", "serve -addr 0.0.0.0:0", "send -every 0s", "send extra", "extra extra", "serve -udp nowhere"} {
		if err := run(t.Context(), strings.Fields(args), strings.NewReader(""), io.Discard, io.Discard); err == nil {
			t.Errorf("telemetry %s: no error", args)
		}
	}
	if _, err := newGateway(gatewayConfig{Name: "\n", Dir: t.TempDir()}); err == nil {
		t.Error("a name that cannot be printed was taken")
	}
}

// Waits double up to the bound, and are never less than half of it.
func TestBackoff(t *testing.T) {
	b := backoff{time.Second, 5 * time.Second}
	for _, bound := range []time.Duration{1, 2, 4, 5, 5} {
		if d := b.next(); d < bound*time.Second/2 || d > bound*time.Second {
			t.Errorf("%v, want %d s or up to half less", d, bound)
		}
	}
}
