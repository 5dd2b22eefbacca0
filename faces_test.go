package sluice

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/netsim"
)

// channelConns opens a channel from a and returns both ends as net.Conns.
func channelConns(a, b interface {
	CreateChannel(string, *datachannel.Init) (*datachannel.Channel, error)
	datachannel.Acceptor
}) (net.Conn, net.Conn, error) {
	from, err := a.CreateChannel("conn", nil)
	if err != nil {
		return nil, nil, err
	}
	to, err := datachannel.NewListener(b).Accept()
	return from.Conn(), to, err
}

// An ordered, reliable channel is a net.Conn in every respect that nettest tests: in memory, and
// over ICE, DTLS and loopback.
func TestNetConn(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			na, nb := netsim.Pipe(netsim.PipeConfig{ReceiveQueue: 8 << 20})
			a, err := datachannel.New(na, datachannel.Config{}, datachannel.Params{DTLSClient: true})
			if err != nil {
				return nil, nil, nil, err
			}
			b, err := datachannel.New(nb, datachannel.Config{}, datachannel.Params{})
			if err != nil {
				return nil, nil, nil, err
			}
			c1, c2, err = channelConns(a, b)
			return c1, c2, func() { a.Abort("end"); b.Abort("end") }, err
		})
	})
	t.Run("loopback", func(t *testing.T) {
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			a, b := newTestTransport(t, nil), newTestTransport(t, nil)
			connect(t, a, b)
			c1, c2, err = channelConns(a, b)
			return c1, c2, func() { a.Abort(); b.Abort() }, err
		})
	})
}

// A PeerConnection without OnDataChannel keeps the peer's channels for Accept, which waits until
// its context ends or Close.
func TestPeerConnectionAccept(t *testing.T) {
	var pcs [2]*PeerConnection
	for i := range pcs {
		cfg := loopbackConfig()
		cfg.MaxMessageSize = -1
		pc, err := NewPeerConnection(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		pcs[i] = pc
	}
	a, b := pcs[0], pcs[1]
	accepted := make(chan error, 1)
	var to *datachannel.Channel
	go func() {
		var err error
		to, err = b.Accept(t.Context())
		accepted <- err
	}()
	from, err := a.CreateDataChannel("first", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, pc := range pcs {
		if err := pc.SetLocalDescription(SessionDescription{}); err != nil {
			t.Fatal(err)
		}
		<-pc.GatheringComplete()
		d := *pc.LocalDescription()
		if !strings.Contains(d.SDP, "a=max-message-size:0\r\n") {
			t.Errorf("any size is not announced:\n%s", d.SDP)
		}
		other := a
		if pc == a {
			other = b
		}
		if err := other.SetRemoteDescription(d); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-accepted; err != nil || to.Label() != "first" {
		t.Fatal(err)
	}
	if err := from.WaitOpen(t.Context()); err != nil {
		t.Error(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // larger than any buffer
	go func() {
		w, err := from.NextWriter(t.Context(), false)
		if err == nil {
			_, err = io.Copy(w, bytes.NewReader(data))
			err = errors.Join(err, w.Close())
		}
		if err != nil {
			t.Error(err)
		}
	}()
	r, err := to.NextReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
	}

	if _, err := a.CreateDataChannel("nobody takes it", nil); err != nil {
		t.Fatal(err)
	}
	for waits := false; !waits; { // in the queue
		<-b.unaccepted.more
		b.unaccepted.mu.Lock()
		waits = len(b.unaccepted.waiting) > 0
		b.unaccepted.mu.Unlock()
	}
	l := datachannel.NewListener(b)
	l.Close()
	if c, err := l.Accept(); err != net.ErrClosed {
		t.Errorf("a listener that was closed returns %v, %v", c, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Accept(ctx); err != context.Canceled {
		t.Errorf("Accept with a context that has ended: %v", err)
	}
	if ch, err := b.Accept(t.Context()); err != nil || ch.Label() != "nobody takes it" {
		t.Error(err)
	}
	go func() {
		_, err := b.Accept(t.Context())
		accepted <- err
	}()
	b.Close()
	var state *InvalidStateError
	if err := <-accepted; !errors.As(err, &state) {
		t.Errorf("Accept when the connection is closed: %v", err)
	}
	<-from.Done()
}
