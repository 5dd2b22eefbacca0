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
				Connect: func() { near.meet(far) }, Settle: settle, Most: 1<<18 + 1, Stress: 6,
				Restart: func(step func()) {
					near.RestartICE()
					near.negotiate(far, step)
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
	c.negotiate(far, func() {})
	wait(c, "connection", connected)
}

// negotiate makes an offer and an answer, with all candidates, and calls step after each time that
// one is set.
func (c *call) negotiate(far *call, step func()) {
	c.t.Helper()
	for _, way := range [][2]*call{{c, far}, {far, c}} {
		d, err := describe(way[0].ctx, way[0].PeerConnection)
		if err != nil {
			c.t.Fatal(err)
		}
		step()
		if err := way[1].SetRemoteDescription(*d); err != nil {
			c.t.Fatal(err)
		}
		step()
	}
}

// settle lets happen what is under way. In a browser there is no saying when that is done.
func settle() { <-time.After(50 * time.Millisecond) }
