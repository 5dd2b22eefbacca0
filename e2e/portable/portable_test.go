package portable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// TestMessages has messages of both kinds and of many sizes come back.
func TestMessages(t *testing.T) {
	c := newCall(t)
	ch := c.open("echo", nil)
	c.connect()
	for _, text := range []string{"", "hello", "h\u00e9llo \U0001F600", strings.Repeat("\u2713", 20000)} {
		c.write(ch, text, true)
		c.read(ch, text, true)
	}
	for _, n := range []int{0, 1, 1000, 65535, 262144} {
		data := strings.Repeat("\x00\xff\x80", n/3+1)[:n]
		c.write(ch, data, false)
		c.read(ch, data, false)
	}
	if id, ok := ch.ID(); !ok || id > 65534 {
		t.Errorf("ID %d, %v", id, ok)
	}
	s := ch.Stats()
	if s.MessagesSent != 9 || s.MessagesReceived != 9 || s.BytesSent != s.BytesReceived || s.BytesSent != 60016+65535+262144+1001 {
		t.Errorf("statistics %+v", s)
	}
}

// TestReadInto reads into a buffer of the caller's, and bytes of a message in parts.
func TestReadInto(t *testing.T) {
	c := newCall(t)
	ch := c.open("echo", nil)
	c.connect()
	for _, isText := range []bool{false, true} {
		buf := make([]byte, 8, 16)
		for _, sent := range []string{"12345678", "123456789"} {
			c.write(ch, sent, isText)
			m, err := ch.ReadMessageInto(c.ctx, buf)
			if err != nil || string(m.Data) != sent {
				t.Fatalf("got %q, %v", m.Data, err)
			}
			if inside := &m.Data[0] == &buf[0]; inside != (len(sent) <= len(buf)) {
				t.Errorf("a message of %d bytes is in a buffer of %d: %v", len(sent), len(buf), inside)
			}
		}
		if rest := buf[8:16]; !bytes.Equal(rest, make([]byte, 8)) {
			t.Errorf("wrote beyond the buffer: %q", rest)
		}
	}
	conn := ch.Conn()
	if _, err := conn.Write([]byte("in two parts")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 12)
	if n, err := conn.Read(got[:6]); n != 6 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if n, err := conn.Read(got[6:]); n != 6 || err != nil || string(got) != "in two parts" {
		t.Fatalf("%d, %v, %q", n, err, got)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := conn.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after the deadline: %v", err)
	}
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := ch.ReadMessage(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read after the context: %v", err)
	}
}

// TestProperties has properties arrive at the other side, and come back.
func TestProperties(t *testing.T) {
	n := uint16(3)
	c := newCall(t)
	c.open("first", nil)
	c.connect()
	for _, init := range []*datachannel.Init{
		{Protocol: "proto"},
		{Unordered: true},
		{Unordered: true, MaxRetransmits: &n},
		{MaxPacketLifeTime: &n},
	} {
		ch := c.open("with properties", init)
		c.write(ch, "there", true)
		c.read(ch, "there", true)
		if ch.Label() != "with properties" || ch.Protocol() != init.Protocol || ch.Ordered() == init.Unordered || ch.Negotiated() {
			t.Errorf("%+v: label %q, protocol %q, ordered %v", *init, ch.Label(), ch.Protocol(), ch.Ordered())
		}
		if r, ok := ch.MaxRetransmits(); ok != (init.MaxRetransmits != nil) || ok && r != n {
			t.Errorf("%+v: MaxRetransmits %d, %v", *init, r, ok)
		}
		if ms, ok := ch.MaxPacketLifeTime(); ok != (init.MaxPacketLifeTime != nil) || ok && ms != n {
			t.Errorf("%+v: MaxPacketLifeTime %d, %v", *init, ms, ok)
		}
	}
}

// TestNegotiated uses a channel that both sides create.
func TestNegotiated(t *testing.T) {
	id := uint16(NegotiatedID)
	c := newCall(t)
	ch := c.open("agreed", &datachannel.Init{Negotiated: true, ID: &id})
	c.connect()
	c.write(ch, "hello", true)
	c.read(ch, "hello", true)
	if got, ok := ch.ID(); !ok || got != NegotiatedID || !ch.Negotiated() {
		t.Errorf("ID %d, %v", got, ok)
	}
}

// TestIncoming takes a channel that the peer opens, in each way that there is.
func TestIncoming(t *testing.T) {
	c := newCall(t)
	opened := make(chan string, 1)
	incoming := make(chan *datachannel.Channel, 1)
	c.OnDataChannel(func(ch *datachannel.Channel) {
		if s := ch.ReadyState(); s != datachannel.Open {
			t.Errorf("state %v in OnDataChannel", s)
		}
		ch.OnOpen(func() { opened <- "open" })
		incoming <- ch
	})
	ask := c.open("ask", nil)
	c.connect()
	c.write(ask, "do open theirs", true)
	ch := wait(c, "channel", incoming)
	wait(c, "open event", opened)
	if ch.Label() != "theirs" {
		t.Errorf("label %q", ch.Label())
	}
	c.read(ch, "theirs", true)
	c.write(ch, "back", false)
	c.read(ch, "back", false)
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAccept takes channels that the peer opens by waiting, ranges over messages, and reads and
// writes one by its bytes.
func TestAccept(t *testing.T) {
	c := newCall(t)
	ask := c.open("ask", nil)
	c.connect()
	c.write(ask, "do open theirs", true)
	ch, err := c.Accept(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ch.NextReader(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "theirs" {
		t.Errorf("read %q, %v", b, err)
	}
	w, err := ch.NextWriter(c.ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := io.WriteString(w, "part "); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c.write(ch, "do close", true)
	var got []string
	for m, err := range ch.Messages(c.ctx) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(m.Data))
	}
	if !slices.Equal(got, []string{"part part part "}) {
		t.Errorf("got %q", got)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.Accept(c.ctx)
		ended <- err
	}()
	c.Close()
	var state *sluice.InvalidStateError
	if err := wait(c, "end of Accept", ended); !errors.As(err, &state) {
		t.Errorf("Accept after Close: %v", err)
	}
}

// TestCallbacks has a channel tell all its life by callbacks, in order.
func TestCallbacks(t *testing.T) {
	c := newCall(t)
	ch := c.open("callbacks", nil)
	events := make(chan string, 100)
	ch.OnOpen(func() {
		events <- "open"
		if err := ch.SendText("do send 3"); err != nil {
			t.Error(err)
		}
	})
	got := 0
	ch.OnMessage(func(m datachannel.Message) {
		events <- fmt.Sprintf("message %d", int(m.Data[0])<<8|int(m.Data[1]))
		if got++; got == 3 {
			if err := ch.SendText("do close"); err != nil {
				t.Error(err)
			}
		}
	})
	ch.OnError(func(err error) { events <- "error" })
	ch.OnClosing(func() { events <- "closing " + ch.ReadyState().String() })
	ch.OnClose(func() { events <- "close " + ch.ReadyState().String() })
	if s := ch.ReadyState(); s != datachannel.Connecting {
		t.Errorf("state %v before connecting", s)
	}
	c.connect()
	for _, want := range []string{"open", "message 0", "message 1", "message 2", "closing closing", "close closed"} {
		if got := wait(c, want, events); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if err := ch.Err(); err != nil {
		t.Errorf("Err is %v", err)
	}
}

// TestPeerCloses reads to the end of a channel that the peer closes.
func TestPeerCloses(t *testing.T) {
	c := newCall(t)
	ch := c.open("to the end", nil)
	c.connect()
	c.write(ch, "do send 2", true)
	c.write(ch, "do close", true)
	closed := make(chan struct{})
	ch.OnClose(func() { close(closed) })
	wait(c, "close event", closed)
	for range 2 {
		if _, err := ch.ReadMessage(c.ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := ch.ReadMessage(c.ctx); err != io.EOF {
			t.Errorf("read to the end: %v", err)
		}
	}
	var state *datachannel.InvalidStateError
	if err := ch.WriteMessage(c.ctx, nil, false); !errors.As(err, &state) {
		t.Errorf("write after the end: %v", err)
	}
}

// TestClose closes here: what was written arrives, nothing more is read, and the
// channel's callbacks say so.
func TestClose(t *testing.T) {
	c := newCall(t)
	ch := c.open("mine", nil)
	c.connect()
	c.write(ch, "hello", true)
	c.read(ch, "hello", true)
	closed := make(chan struct{})
	ch.OnClosing(func() { t.Error("a closing event of Close") })
	ch.OnClose(func() { close(closed) })
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	if s := ch.ReadyState(); s != datachannel.Closing && s != datachannel.Closed { // the peer may have answered
		t.Errorf("state %v after Close", s)
	}
	wait(c, "close event", closed)
	var state *datachannel.InvalidStateError
	if _, err := ch.ReadMessage(c.ctx); !errors.As(err, &state) {
		t.Errorf("read after Close: %v", err)
	}
	if err := ch.Send(nil); !errors.As(err, &state) {
		t.Errorf("send after Close: %v", err)
	}
	other := c.open("next", nil) // the connection goes on
	c.write(other, "hello", true)
	c.read(other, "hello", true)
}

// TestCloseBefore closes a channel that never connected.
func TestCloseBefore(t *testing.T) {
	c := newCall(t)
	ch := c.open("never", nil)
	closed := make(chan struct{})
	ch.OnClose(func() { close(closed) })
	ch.Close()
	wait(c, "close event", closed)
	if s := ch.ReadyState(); s != datachannel.Closed {
		t.Errorf("state %v", s)
	}
}

// TestPeerHangsUp has the peer close the connection: channels and readers end with it.
func TestPeerHangsUp(t *testing.T) {
	c := newCall(t)
	states := make(chan sluice.ConnectionState, 10)
	c.OnConnectionStateChange(func(s sluice.ConnectionState) { states <- s })
	ch := c.open("left alone", nil)
	closed := make(chan struct{})
	ch.OnClose(func() { close(closed) })
	c.connect()
	c.write(ch, "do hang up", true)
	wait(c, "close event", closed)
	if _, err := ch.ReadMessage(c.ctx); err == nil || c.ctx.Err() != nil {
		t.Errorf("read after the end: %v", err)
	}
	var seen []sluice.ConnectionState
	for !slices.Contains(seen, sluice.ConnectionStateClosed) {
		seen = append(seen, wait(c, "state closed", states))
	}
	if !slices.Contains(seen, sluice.ConnectionStateConnected) {
		t.Errorf("states %v", seen)
	}
}

// TestHangUp closes the connection here, with somebody reading and somebody writing.
func TestHangUp(t *testing.T) {
	c := newCall(t)
	c.OnConnectionStateChange(func(s sluice.ConnectionState) {
		if s == sluice.ConnectionStateClosed {
			t.Error("an event of Close")
		}
	})
	ch := c.open("echo", nil)
	ch.OnClose(func() { t.Error("a close event of closing the connection") })
	c.connect()
	c.write(ch, "hello", true)
	c.read(ch, "hello", true)
	read := make(chan error, 1)
	go func() {
		_, err := ch.ReadMessage(c.ctx)
		read <- err
	}()
	waiting := c.open("never", nil)
	c.Close()
	var state *datachannel.InvalidStateError
	if err := wait(c, "end of reading", read); !errors.As(err, &state) {
		t.Errorf("the reader got %v", err)
	}
	if ch.ReadyState() != datachannel.Closed || waiting.ReadyState() != datachannel.Closed {
		t.Errorf("states %v and %v", ch.ReadyState(), waiting.ReadyState())
	}
	if _, err := c.CreateDataChannel("late", nil); !errors.As(err, &state) {
		t.Errorf("CreateDataChannel after Close: %v", err)
	}
	if _, err := c.CreateOffer(); !errors.As(err, &state) {
		t.Errorf("CreateOffer after Close: %v", err)
	}
	if err := c.AddICECandidate(sluice.ICECandidateInit{}); !errors.As(err, &state) {
		t.Errorf("AddICECandidate after Close: %v", err)
	}
	if c.ConnectionState() != sluice.ConnectionStateClosed || c.SignalingState() != sluice.SignalingStateClosed {
		t.Errorf("states %v and %v", c.ConnectionState(), c.SignalingState())
	}
}

// TestFlow writes more than is buffered, in both faces: WriteMessage waits, Send fills
// the buffer until OnBufferedAmountLow.
func TestFlow(t *testing.T) {
	const size, count = 64 << 10, 200
	c := newCall(t)
	ch := c.open("echo", nil)
	c.connect()
	back := make(chan error, 1)
	go func() {
		for i := range 2 * count {
			m, err := ch.ReadMessage(c.ctx)
			if err != nil || len(m.Data) != size || m.Data[0] != byte(i%count) {
				back <- fmt.Errorf("message %d: %d bytes, %v", i, len(m.Data), err)
				return
			}
		}
		back <- nil
	}()
	data := make([]byte, size)
	for i := range count {
		data[0] = byte(i)
		if err := ch.WriteMessage(c.ctx, data, false); err != nil {
			t.Fatal(err)
		}
	}
	low := make(chan struct{}, 1)
	ch.SetBufferedAmountLowThreshold(size)
	ch.OnBufferedAmountLow(func() { low <- struct{}{} })
	for i := range count {
		data[0] = byte(i)
		before := ch.BufferedAmount()
		if err := ch.Send(data); err != nil {
			t.Fatal(err)
		}
		// Natively the network may have taken some meanwhile.
		if after := ch.BufferedAmount(); after > before+size || runtime.GOOS == "js" && after < before {
			t.Errorf("buffered amount %d, after sending %d", before, after)
		}
		for ch.BufferedAmount() > 4*size {
			wait(c, "bufferedamountlow event", low)
		}
	}
	if err := wait(c, "last message", back); err != nil {
		t.Fatal(err)
	}
	if n := ch.BufferedAmount(); n != 0 {
		t.Errorf("%d bytes are buffered when all have come back", n)
	}
}

// TestCancelWrite takes back a WriteMessage that waits for the channel to open.
func TestCancelWrite(t *testing.T) {
	c := newCall(t)
	ch := c.open("echo", nil)
	ctx, cancel := context.WithCancel(c.ctx)
	written := make(chan error, 1)
	go func() { written <- ch.WriteMessage(ctx, []byte("never"), true) }()
	cancel()
	if err := wait(c, "end of writing", written); !errors.Is(err, context.Canceled) {
		t.Errorf("the writer got %v", err)
	}
	go func() { written <- ch.WriteMessage(c.ctx, []byte("first"), true) }()
	c.connect()
	if err := wait(c, "end of writing", written); err != nil {
		t.Fatal(err)
	}
	c.read(ch, "first", true)
}

// TestStates follows a connection by its states and candidates.
func TestStates(t *testing.T) {
	c := newCall(t)
	needed := make(chan struct{}, 10)
	signaling := make(chan sluice.SignalingState, 10)
	connected := make(chan struct{}, 10)
	candidates := make(chan *sluice.ICECandidateInit, 100)
	c.OnNegotiationNeeded(func() { needed <- struct{}{} })
	c.OnSignalingStateChange(func(s sluice.SignalingState) { signaling <- s })
	c.OnICEConnectionStateChange(func(s sluice.ICEConnectionState) {
		if s == sluice.ICEConnectionStateConnected {
			connected <- struct{}{}
		}
	})
	c.OnICECandidate(func(i *sluice.ICECandidateInit) { candidates <- i })
	if c.LocalDescription() != nil || c.RemoteDescription() != nil {
		t.Error("there is a description before there is one")
	}
	ch := c.open("echo", nil)
	wait(c, "negotiationneeded event", needed)
	c.connect()
	for _, want := range []sluice.SignalingState{sluice.SignalingStateHaveLocalOffer, sluice.SignalingStateStable} {
		if got := wait(c, "signaling state", signaling); got != want {
			t.Errorf("signaling state %s, want %s", got, want)
		}
	}
	wait(c, "connection by ICE", connected)
	first := wait(c, "candidate", candidates)
	if first == nil || !strings.HasPrefix(first.Candidate, "candidate:") || first.SDPMid == nil || first.SDPMLineIndex == nil {
		t.Errorf("first candidate %+v", first)
	}
	for wait(c, "end of candidates", candidates) != nil {
	}
	c.write(ch, "hello", true)
	c.read(ch, "hello", true)
	if s := c.ConnectionState(); s != sluice.ConnectionStateConnected {
		t.Errorf("connection state %s", s)
	}
	if c.CurrentLocalDescription() == nil || c.PendingLocalDescription() != nil || c.CurrentRemoteDescription().Type != sluice.SDPTypeAnswer {
		t.Error("the descriptions are not those of a complete negotiation")
	}
	s := c.Stats()
	if s.Transport.DTLSState != sluice.DTLSStateConnected || len(s.CandidatePairs) == 0 || len(s.LocalCandidates) == 0 || s.PeerConnection.DataChannelsOpened != 1 {
		t.Errorf("statistics %+v", s)
	}
	if firefox {
		return // it tells no more
	}
	if s.Transport.BytesSent == 0 || len(s.Certificates) != 2 || len(s.Certificates[1].DER) == 0 {
		t.Fatalf("statistics %+v", s)
	}
	if certs := c.RemoteCertificates(); len(certs) == 0 || !bytes.Equal(certs[0], s.Certificates[1].DER) {
		t.Errorf("%d certificates of the peer", len(certs))
	}
}

// TestCertificate presents a certificate that the program made.
func TestCertificate(t *testing.T) {
	cert, err := sluice.GenerateCertificate()
	if err != nil {
		t.Fatal(err)
	}
	prints := cert.Fingerprints()
	if len(prints) == 0 || time.Until(cert.Expires()) < 24*time.Hour {
		t.Fatalf("fingerprints %v, expires %v", prints, cert.Expires())
	}
	cfg := config
	cfg.Certificate = cert
	pc, err := sluice.NewPeerConnection(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if _, err := pc.CreateDataChannel("echo", nil); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ToUpper(offer.SDP), strings.ToUpper(prints[0].Value)) {
		t.Errorf("the offer has another fingerprint than %v", prints)
	}
}
