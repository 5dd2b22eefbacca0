package portable

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/internal/wpt"
)

// differ are what the browsers do not do as W3C has it. When the peer closes the connection
// the channels close before there is an error, in Firefox without one. The state and
// maxChannels of the transport may stay what they were in Chromium when channels open, and
// Firefox has no maxChannels.
var differ = []string{
	"null until connected, then the same at both ends",
	"pc.close() gives the other side error and close, and this one nothing",
	"pc.close() by the other side",
}

// TestWPTRows runs the table of package wpt between two connections of the browser, as Go
// sees them. (The root package runs it between two of ours.)
func TestWPTRows(t *testing.T) {
	if os.Getenv("SLUICE_PEER") != "" {
		t.Skip("both ends are of this program")
	}
	for _, run := range wpt.Runs() {
		if slices.Contains(differ, run.Desc) {
			continue
		}
		t.Run(run.Name(), func(t *testing.T) {
			near, far := newCall(t), newCall(t)
			run.Run(&wpt.Case{
				T: t, Near: near.end(), Far: far.end(), Negotiated: run.Negotiated,
				Connect: func() { near.meet(far) }, Settle: settle, Most: 1 << 18, Stress: 6,
				Restart: func() {
					near.RestartICE()
					near.negotiate(far)
				},
			})
		})
	}
}

// end is the connection as package wpt takes it.
func (c *call) end() wpt.End {
	return wpt.NewGoEnd(c.t, c, func() (string, float64, int) { return wpt.SCTP(c.SCTP()) })
}

// meet connects two connections of this program.
func (c *call) meet(far *call) {
	c.t.Helper()
	connected := make(chan struct{}, 10)
	c.OnConnectionStateChange(func(s sluice.ConnectionState) {
		if s == sluice.ConnectionStateConnected {
			connected <- struct{}{}
		}
	})
	c.negotiate(far)
	wait(c, "connection", connected)
}

// negotiate makes an offer and an answer, with all candidates.
func (c *call) negotiate(far *call) {
	c.t.Helper()
	offer, err := describe(c.ctx, c.PeerConnection)
	if err == nil {
		err = far.SetRemoteDescription(*offer)
	}
	var answer *sluice.SessionDescription
	if err == nil {
		answer, err = describe(far.ctx, far.PeerConnection)
	}
	if err == nil {
		err = c.SetRemoteDescription(*answer)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// settle lets happen what is under way. In a browser there is no saying when that is done.
func settle() { <-time.After(50 * time.Millisecond) }
