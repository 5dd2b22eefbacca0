package e2e

import "github.com/sluice-rtc/sluice/e2e/browser"

// A difference is a row that a browser does not keep. It is run all the same, and has to fail as
// the difference says and no otherwise: what the row says of Go holds, and whoever brings a
// browser that keeps the row is told to remove the difference.
type difference struct {
	desc  string   // of the row
	near  string   // which end is near where it shows: "browser" or "Go"
	shows []string // what the row says then: each of its failures has one of these, and each occurs
	why   string   // what the browser does instead
}

// differences are what the browsers do otherwise than W3C has it, in Chromium 156 and Firefox 153.
var differences = map[browser.Kind][]difference{
	browser.Chromium: {
		{closesByNear, "browser", []string{"further event {Type:closing ", "further event {Type:close "},
			"after pc.close() its own channels have events"},
		{closesByNear, "Go", []string{"event {Type:closing State:closing "},
			"when the association is aborted its channels are closing first, then come error and close"},
		{closesByFar, "browser", []string{"event {Type:closing State:closing "},
			"when the association is aborted its channels are closing first, then come error and close"},
		{closesByFar, "Go", []string{"further event {Type:closing ", "further event {Type:close "},
			"after pc.close() its own channels have events"},
	},
	browser.Firefox: {
		{"65535 bytes of label and of protocol and no more", "browser", []string{"label: <nil>", "protocol: <nil>"},
			"it counts characters, not bytes"},
		{"null until connected, then the same at both ends", "browser", []string{"near connected with 0 channels"}, "there is no maxChannels"},
		{"null until connected, then the same at both ends", "Go", []string{"far connected with 0"}, "there is no maxChannels"},
		{"sending is an InvalidStateError afterwards", "browser", []string{"closing: <nil>", "closed: <nil>"},
			"send does nothing on a channel that is closing or closed"},
		{"sending is an InvalidStateError afterwards", "Go", []string{"closed by the other side: <nil>"},
			"send does nothing on a channel that is closing or closed"},
		{closesByNear, "browser", firefoxCloses, firefoxClosing},
		{closesByNear, "Go", []string{"event {Type:close State:closed "}, "when the association is aborted its channels close without an error"},
		{closesByFar, "browser", []string{"event {Type:close State:closed "}, "when the association is aborted its channels close without an error"},
		{closesByFar, "Go", firefoxCloses, firefoxClosing},
	},
}

const (
	closesByNear = "pc.close() gives the other side error and close, and this one nothing"
	closesByFar  = "pc.close() by the other side"
)

// firefoxCloses is what the rows about pc.close() by Firefox say.
var firefoxCloses = []string{"the transport is connected", "further event {Type:close ", "event {Type:closing State:closing "}

const firefoxClosing = "pc.close() closes the channels one by one, which both sides hear, and aborts the association then; pc.sctp.state does not change"

// rarities are what the browsers do otherwise at times; the row is skipped then.
var rarities = map[browser.Kind][]difference{
	browser.Chromium: {
		{"what was sent before arrives", "browser", []string{"want message of [message]"},
			"on a busy machine close overtakes what was sent in the task before, on one channel of fifty or so"},
	},
}

// differenceOf finds that of a row in a list, and returns nil for a row that the browser keeps.
func differenceOf(list []difference, r *wptRow) *difference {
	near := "browser"
	if r.goNear {
		near = "Go"
	}
	for i, d := range list {
		if d.desc == r.run.Desc && d.near == near {
			return &list[i]
		}
	}
	return nil
}
