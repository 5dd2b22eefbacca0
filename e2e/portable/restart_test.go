package portable

import (
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice"
)

// TestICERestart has the peer answer an offer with other credentials, which goes over a channel of the
// connection; messages pass all along, then over the new path.
func TestICERestart(t *testing.T) {
	c := newCall(t)
	ch, signals := c.open("echo", nil), c.open("signals", nil)
	c.connect()
	echo := func(text string) {
		t.Helper()
		c.write(ch, text, true)
		c.read(ch, text, true)
	}
	echo("before")
	for range 2 {
		before, path := *c.LocalDescription(), c.Stats().Transport.SelectedCandidatePairID
		c.RestartICE()
		offer, err := describe(c.ctx, c.PeerConnection)
		if err != nil {
			t.Fatal(err)
		}
		if ufrag(t, offer) == ufrag(t, &before) || !strings.Contains(offer.SDP, "a=candidate:") {
			t.Fatalf("the offer has no credentials or candidates of its own:\n%s", offer.SDP)
		}
		echo("offered")
		c.write(signals, "do answer "+offer.SDP, true)
		echo("on its way")
		m, err := signals.ReadMessage(c.ctx)
		if err != nil {
			t.Fatal(err)
		}
		old := c.RemoteDescription()
		answer := sluice.SessionDescription{Type: sluice.SDPTypeAnswer, SDP: string(m.Data)}
		if ufrag(t, &answer) == ufrag(t, old) {
			t.Errorf("the peer has not restarted")
		}
		if err := c.SetRemoteDescription(answer); err != nil {
			t.Fatal(err)
		}
		echo("answered")
		for !firefox && c.Stats().Transport.SelectedCandidatePairID == path && c.ctx.Err() == nil {
			echo("until it takes the new path")
		}
		if s := c.ConnectionState(); s != sluice.ConnectionStateConnected && s != sluice.ConnectionStateConnecting {
			t.Errorf("connection state %s", s)
		}
	}
}

// TestRollbackOfRestart takes back an offer that would restart ICE: what was gathered before holds, and
// messages pass.
func TestRollbackOfRestart(t *testing.T) {
	c := newCall(t)
	ch := c.open("echo", nil)
	c.connect()
	c.write(ch, "before", true)
	c.read(ch, "before", true)
	before := ufrag(t, c.LocalDescription())
	c.RestartICE()
	if _, err := describe(c.ctx, c.PeerConnection); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLocalDescription(sluice.SessionDescription{Type: sluice.SDPTypeRollback}); err != nil {
		t.Fatal(err)
	}
	wait(c, "end of gathering", c.GatheringComplete())
	if now := ufrag(t, c.LocalDescription()); now != before {
		t.Errorf("user fragment %s after the rollback, %s before", now, before)
	}
	c.write(ch, "after", true)
	c.read(ch, "after", true)
}

// ufrag returns the ICE user fragment of a description.
func ufrag(t *testing.T, d *sluice.SessionDescription) string {
	t.Helper()
	_, after, found := strings.Cut(d.SDP, "a=ice-ufrag:")
	name, _, _ := strings.Cut(after, "\r\n")
	if !found || name == "" {
		t.Fatalf("no ICE user fragment in:\n%s", d.SDP)
	}
	return name
}
