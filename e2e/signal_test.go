package e2e

import (
	"context"
	"encoding/json"
	"testing"
)

// A description is an RTCSessionDescriptionInit.
type description struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

// A candidate is an RTCIceCandidateInit, as JSON.
type candidate = json.RawMessage

// A peer is one end of a connection: an RTCPeerConnection in a page, or one
// of this program.
type peer interface {
	// describe makes and sets the local description, and waits for every
	// candidate to be in it unless they will trickle.
	describe(ctx context.Context, trickle bool) (description, error)
	// accept sets the remote description.
	accept(ctx context.Context, d description) error
	// candidates passes on local candidates until there are no more.
	candidates(ctx context.Context, f func(candidate) error) error
	addCandidate(ctx context.Context, c candidate) error
	// rollback takes back the offer that was set.
	rollback(ctx context.Context) error
}

// A relay carries signalling between two peers.
type relay struct {
	trickle bool
	// mangle may change a description on its way; nil changes nothing.
	mangle func(description) description
}

// connect exchanges offer and answer. With trickle, candidates go on being
// exchanged in the background until the test ends.
func (r relay) connect(t *testing.T, ctx context.Context, offerer, answerer peer) {
	t.Helper()
	if err := r.exchange(ctx, offerer, answerer); err != nil {
		t.Fatal(err)
	}
	if !r.trickle {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{}, 2)
	forward := func(from, to peer) {
		defer func() { done <- struct{}{} }()
		err := from.candidates(ctx, func(c candidate) error { return to.addCandidate(ctx, c) })
		if err != nil && !ended(ctx, err) {
			t.Errorf("trickle: %v", err)
		}
	}
	go forward(offerer, answerer)
	go forward(answerer, offerer)
	t.Cleanup(func() {
		cancel()
		<-done
		<-done
	})
}

// exchange carries an offer one way and the answer back.
func (r relay) exchange(ctx context.Context, offerer, answerer peer) error {
	if err := r.carry(ctx, offerer, answerer); err != nil {
		return err
	}
	return r.carry(ctx, answerer, offerer)
}

func (r relay) carry(ctx context.Context, from, to peer) error {
	d, err := from.describe(ctx, r.trickle)
	if err != nil {
		return err
	}
	if r.mangle != nil {
		d = r.mangle(d)
	}
	return to.accept(ctx, d)
}
