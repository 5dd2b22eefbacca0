package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
)

var fleetSize = flag.Int("fleet", 30, "how many gateways TestFleet has; thousands want a machine for themselves")

// Every gateway of a fleet reaches the server through the same port, and everything that
// it sends arrives.
func TestFleet(t *testing.T) {
	const readings, alarms = 20, 2
	n := *fleetSize
	s := startTestServer(t, "127.0.0.1:0", "secret", n)
	dir := t.TempDir()
	const starting = 16 // at one time: the whole fleet is on this machine
	var fleet []*gateway
	for i := range n {
		name := fmt.Sprintf("gateway %d", i+1)
		g := startTestGateway(t, gatewayConfig{Name: name, Server: s.web.URL, Token: "secret",
			Dir: filepath.Join(dir, name), Log: slog.New(slog.DiscardHandler)})
		var err error
		for k := range readings {
			err = errors.Join(err, g.measure("temperature", float64(k)))
		}
		for k := range alarms {
			err = errors.Join(err, g.alarm("door", float64(k), "the door is open"))
		}
		must(t, err)
		if fleet = append(fleet, g); i >= starting {
			fleet[i-starting].await(t, true)
		}
	}
	got := s.await(t, "all of the fleet", func(s snapshot) bool {
		return s.Online == n && s.Counts.Readings >= uint64(n*readings) && s.Counts.Alarms >= uint64(n*alarms)
	})
	if got.Counts.Readings != uint64(n*readings) || got.Counts.Alarms != uint64(n*alarms) || got.Counts.Malformed != 0 {
		t.Errorf("the page shows %+v, want %d readings and %d alarms", got.Counts, n*readings, n*alarms)
	}
	for _, m := range got.Gateways {
		if m.Lost != 0 {
			t.Errorf("of %s %d readings were lost", m.Name, m.Lost)
		}
	}
	if ports := len(s.mux.Addrs()); ports != 1 {
		t.Errorf("the server has %d ports, want one for all", ports)
	}
}
