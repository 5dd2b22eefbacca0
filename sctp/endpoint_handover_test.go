package sctp

import (
	"errors"
	"testing"
	"time"
)

// TestEndpointHandover: an association moves from one endpoint to another, which
// gets the packets for its address from then on. The first stays silent to what
// still comes there, and forgets it.
func TestEndpointHandover(t *testing.T) {
	w := newTown(t)
	old, client := w.host("192.0.2.1:9899", EndpointConfig{Listen: true}), w.host("192.0.2.2:9899", EndpointConfig{})
	id := w.connect(client, old)
	w.run()
	w.send(client, id, "one")
	w.pass(time.Second)
	there, _ := old.only(t)
	state, err := old.e.Handover(w.now, there)
	if err != nil {
		t.Fatal(err)
	}
	w.send(client, id, "two")
	w.run()
	if client.count(EventClosed) != 0 {
		t.Fatal("the old endpoint answered")
	}
	last := old.events[len(old.events)-1]
	if last.Kind != EventClosed || last.Err != ErrHandedOver {
		t.Fatalf("%+v", last)
	}
	if _, err := old.e.Handover(w.now, there); err == nil {
		t.Fatal("handed over twice")
	}

	next := w.host("192.0.2.3:9899", EndpointConfig{Listen: true})
	w.hosts[old.addr] = next // which is behind the address now
	next.addr = old.addr
	now, err := next.e.Resume(w.now, client.addr, state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := next.e.Resume(w.now, client.addr, state); err != ErrPeerInUse {
		t.Fatalf("resumed twice: %v", err)
	}
	w.pass(10 * time.Second) // "two" is sent again
	w.send(next, now, "three")
	w.pass(time.Second)
	if got := next.got[now]; len(got) != 1 || got[0] != "two" {
		t.Fatalf("the new endpoint got %q", got)
	}
	if got := client.got[id]; len(got) != 1 || got[0] != "three" {
		t.Fatalf("the client got %q", got)
	}
	back, err := next.e.Handover(w.now, now)
	if err != nil {
		t.Fatal(err)
	}
	if now, err = next.e.Resume(w.now, client.addr, back); err != nil { // here again
		t.Fatal(err)
	}
	w.pass(handoverSilence)
	old.checkEmpty(t)
	if err := next.e.Association(now).Shutdown(w.now); err != nil {
		t.Fatal(err)
	}
	next.e.Update(now)
	w.run()
	next.checkEmpty(t)
	client.checkEmpty(t)
}

// TestEndpointResumeRefuses: limits, addresses, ports and states.
func TestEndpointResumeRefuses(t *testing.T) {
	w := newTown(t)
	server, client := w.host("192.0.2.1:9899", EndpointConfig{Listen: true}), w.host("192.0.2.2:9899", EndpointConfig{})
	id := w.connect(client, server)
	if _, err := client.e.Handover(w.now, id); !errors.As(err, new(*HandoverError)) {
		t.Fatalf("during the handshake: %v", err)
	}
	w.run()
	if _, err := client.e.Handover(w.now, 0); err != ErrClosed {
		t.Fatalf("of nothing: %v", err)
	}
	state, err := client.e.Handover(w.now, id)
	if err != nil {
		t.Fatal(err)
	}
	other := w.host("192.0.2.4:9899", EndpointConfig{Config: Config{LocalPort: 7}})
	if _, err := other.e.Resume(w.now, server.addr, state); !errors.As(err, new(*ResumeError)) {
		t.Errorf("under another port: %v", err)
	}
	if _, err := other.e.Resume(w.now, server.addr, state[1:]); !errors.As(err, new(*ResumeError)) {
		t.Errorf("of garbage: %v", err)
	}
	if _, err := other.e.Resume(w.now, address("0.0.0.0:1"), state); err != ErrInvalidAddress {
		t.Errorf("without an address: %v", err)
	}
	full := w.host("192.0.2.5:9899", EndpointConfig{MaxAssociations: 1})
	if _, err := full.e.Resume(w.now, server.addr, state); err != nil {
		t.Fatal(err)
	}
	if _, err := full.e.Resume(w.now, address("192.0.2.9:1"), state); err != ErrTooManyAssociations {
		t.Errorf("beyond the limit: %v", err)
	}
}
