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
	sctp    string // which it seems to have; "" if it is none that we know
	quirks  quirks

	stack *ours
	us    *side
	them  *side
	cells map[string]*cell
}

// quirks are what a peer does otherwise, or cannot do. Each is written to the table.
type quirks struct {
	cannot           map[string]string // case: why it makes no sense with this peer
	fixedRole        string            // why its role in DTLS is what it is
	noEmpty          string            // why it sends no empty messages
	closeLoses       string            // why messages before a close by it may be lost
	closedLoses      string            // why messages before a close by us may be lost
	announcesOrdered string            // why its unordered channels with a limit are not tried
	losesBehindPart  string            // why the messages that may be given up are short
}

// rows are the peers, in the order of the table. One with a browser's kind is a page, any other
// a program that scripts/interop.sh makes.
var rows = []*row{
	{name: "chromium", about: "a page in the browser", kind: browser.Chromium},
	{name: "firefox", about: "a page in the browser", kind: browser.Firefox},
	{name: "wrtc", about: "libwebrtc in Node (@roamhq/wrtc)",
		quirks: quirks{closeLoses: "what it has not sent yet when it closes a channel it throws away"}},
	{name: "node-datachannel", about: "libdatachannel with usrsctp, in Node",
		quirks: quirks{closedLoses: "messages that come just before we close a channel may not reach the program any more"}},
	{name: "werift", about: "WebRTC in TypeScript", quirks: quirks{
		fixedRole:        "it answers an offer as the DTLS client whatever a=setup says, and numbers channels by its role in ICE: each side offers once, with the roles that follow",
		announcesOrdered: "it announces unordered channels with a limit as ordered: not tried from its side",
		noEmpty:          "it sends empty messages as DATA without user data, which RFC 9260, section 6.2, has us refuse: not tried from its side",
		cannot:           map[string]string{"partial reliability": "its ordered channels deliver nothing more after messages were given up (FORWARD-TSN)"},
	}},
	{name: "aiortc", about: "WebRTC in Python", quirks: quirks{
		losesBehindPart: "when FORWARD-TSN skips an ordered message of which it has a part, it throws away whole ones that came behind it, and waits for them until a later one is skipped: messages of 200 bytes, which are not cut"}},
	{name: "pion", about: "pion/webrtc for Go"},
	{name: "str0m", about: "str0m for Rust, with sctp-proto", quirks: quirks{noEmpty: "it sends nothing for an empty message"}},
	{name: "webrtc-rs", about: "webrtc-rs for Rust", quirks: quirks{
		fixedRole:  "it answers a=setup:active even where the offer says the same: each side offers once, with the roles that follow",
		closeLoses: "messages that it has taken before it closes a channel may be lost"}},
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
