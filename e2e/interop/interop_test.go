package interop

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// caseTime bounds a case, beside the time that bulk takes. Only a defect runs into it, however
// loaded the machine.
const caseTime = 90 * time.Second

// TestInterop runs each case with each peer, two peers at a time on a machine with two processors.
func TestInterop(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(r.stop)
			for _, tc := range cases {
				t.Run(tc.name, func(t *testing.T) { r.run(t, tc) })
			}
		})
	}
}

// run runs a case, and notes its outcome.
func (r *row) run(t *testing.T, tc testCase) {
	out := &cell{}
	r.cells[tc.name] = out
	if why := r.quirks.cannot[tc.name]; why != "" {
		out.cannot = why
		t.Skip(why)
	}
	t.Cleanup(func() {
		out.failed = t.Failed()
		if t.Failed() {
			r.stop() // the next case begins with a fresh process
		}
	})
	r.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), caseTime+*bulkTime)
	defer cancel()
	c := &conversation{t: t, ctx: ctx, us: r.us, them: r.them, stack: r.stack, row: r, out: out}
	t.Cleanup(c.disconnect)
	defer func() {
		if t.Failed() {
			t.Log(r.us.report())
			t.Log(r.them.report())
		}
	}()
	tc.run(c)
	// It shows where the peer answered an INIT of ours.
	if p := r.stack.stats().SCTP.Peer; p != sctp.PeerUnknown {
		r.sctp = p.String()
	}
	for _, s := range []*side{r.us, r.them} {
		if _, err := s.do(ctx, "end", nil); err != nil {
			t.Errorf("%s cannot end the connection: %v", s.name, err)
		}
	}
}
