package interop

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// A row is a peer of the table.
type row struct {
	name    string // of the row, and of the directory in peers
	about   string // what it is, for who reads the table
	kind    browser.Kind
	missing string // why it is not there
	command []string
	version string
	quirks  quirks

	stack *ours
	us    *side
	them  *side
	cells map[string]*cell
}

// quirks are what a peer does otherwise, or cannot do. Each is written to the table.
type quirks struct {
	cannot     map[string]string // case: why it makes no sense with this peer
	maxSend    int               // the largest message that it can send, in bytes; 0: any
	noEmpty    string            // why it sends no empty messages
	closeLoses string            // why messages before a close by it may be lost
}

// sends returns the largest message that the peer can send, in bytes.
func (r *row) sends() int {
	if r.quirks.maxSend > 0 {
		return r.quirks.maxSend
	}
	return maxPayload
}

// rows are the peers, in the order of the table. One with a browser's kind is a page, any other
// a program that scripts/interop.sh makes.
var rows = []*row{
	{name: "chromium", about: "a page in the browser", kind: browser.Chromium},
	{name: "firefox", about: "a page in the browser", kind: browser.Firefox},
	{name: "pion", about: "pion/webrtc for Go"},
}

// startTime bounds the start of a peer.
const startTime = 60 * time.Second

// start starts the peer, if it does not run.
func (r *row) start(t *testing.T) {
	t.Helper()
	if r.missing != "" {
		t.Skip(r.missing)
	}
	if r.us == nil {
		r.us = newSide("we")
		r.stack = &ours{take: r.us.take, address: hostAddress()}
		r.us.peer = r.stack
	}
	if r.them != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	them := newSide("they")
	var err error
	if r.kind != "" {
		them.peer, err = startPage(ctx, r.kind, them.take)
	} else {
		them.peer, err = startProgram(ctx, r.command, them.take)
	}
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	r.them = them
	_, r.version = them.about()
}

// stop ends the peer.
func (r *row) stop() {
	if r.them != nil {
		r.them.close()
		r.them = nil
	}
	if r.stack != nil {
		r.stack.close()
	}
}
