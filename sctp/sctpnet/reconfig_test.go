package sctpnet

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// The peer resets its side of a stream when asked to; what it sent before arrives, and
// what it sends afterwards begins anew. // 6525-5.2.3-a
func TestRequestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		a, b := open(t, p.a, 1), open(t, p.b, 1)
		write(t, p.b, message(1, 10, 0))
		if err := p.a.RequestReset(1); err != nil {
			t.Fatal(err)
		}
		wantRead(t, a, string(message(1, 10, 0).Payload))
		if _, err := a.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
		netsim.Elapse(10 * latency)
		if _, err := b.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		netsim.Elapse(20 * latency)
		wantRead(t, open(t, p.a, 1), "more")
	})
}

// Streams are added on both sides. // 6525-5.2.5-a
func TestAddStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{
			OutboundStreams: 10, InboundStreams: 10,
			PeerReconfig: sctp.ReconfigPolicy{OutboundStreams: 12, InboundStreams: 15, AllowAssociationReset: true},
		}})
		defer p.end()
		if err := p.a.AddStreams(5, 2); err != nil {
			t.Fatal(err)
		}
		netsim.Elapse(20 * latency)
		for _, n := range []struct{ got, want int }{
			{p.a.OutboundStreams(), 15}, {p.b.InboundStreams(), 15}, {p.a.InboundStreams(), 12}, {p.b.OutboundStreams(), 12},
		} {
			if n.got != n.want {
				t.Errorf("%d streams, want %d", n.got, n.want)
			}
		}
		write(t, p.a, message(14, 10, 0))
		wantRead(t, accept(t, p.b), string(message(14, 10, 0).Payload))
		if err := p.a.AddStreams(-1, 0); !errors.Is(err, sctp.ErrTooManyStreams) {
			t.Error(err)
		}
		if err := p.a.ResetAssociation(); err != nil {
			t.Fatal(err)
		}
		write(t, p.a, message(14, 20, 0))
		netsim.Elapse(20 * latency)
		if n := p.a.Stats().SendBuffered; n > 0 {
			t.Errorf("%d bytes are not acknowledged", n)
		}
	})
}
