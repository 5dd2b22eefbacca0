package dtlsrecord

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"
)

// A plainPeer is a connection of the library with nothing of ours but the network.
type plainPeer struct {
	conn  *dtls.Conn
	under *shim
	err   error
	done  chan struct{}
}

// Close closes the connection so that its close_notify is sent for certain.
func (p *plainPeer) Close() {
	p.under.willClose()
	p.conn.Close()
}

// runPlain runs the library's handshake over two ways.
func runPlain(ctx context.Context, client bool, cfg *dtls.Config, in, out *way) *plainPeer {
	h := newShim(func(d []byte) { out.send([][]byte{d}) })
	in.to = func(datagrams [][]byte) {
		for _, d := range datagrams {
			h.deliver(d)
			h.flush()
		}
	}
	p := &plainPeer{under: h, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if client {
			p.conn, p.err = dtls.ClientWithContext(ctx, h, cfg)
		} else {
			p.conn, p.err = dtls.ServerWithContext(ctx, h, cfg)
		}
	}()
	return p
}

// Against the library itself, in either role, with every suite; also with one that we
// do not know, where it protects our records, too.
func TestPlainLibrary(t *testing.T) {
	for _, id := range []dtls.CipherSuiteID{0xC02B, 0xC02C, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM} {
		for _, client := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v/client=%v", id, client), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testPlainLibrary(t, id, client) })
			})
		}
	}
}

func testPlainLibrary(t *testing.T, id dtls.CipherSuiteID, client bool) {
	ours, theirs := dtlsConfig(t), dtlsConfig(t)
	ours.CipherSuites, theirs.CipherSuites = []dtls.CipherSuiteID{id}, []dtls.CipherSuiteID{id}
	in, out := newWay(t), newWay(t)
	p := newParty(Config{Client: client, DTLS: ours}, in, out)
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	peer := runPlain(ctx, !client, theirs, out, in)
	go in.run()
	go out.run()
	p.run(ctx)
	<-p.done
	<-peer.done
	if p.err != nil || peer.err != nil {
		t.Fatalf("we: %v, the library: %v", p.err, peer.err)
	}
	if got := p.CipherSuite(); got != dtls.CipherSuiteName(id) {
		t.Errorf("suite %s", got)
	}
	before, _ := p.Room()
	if _, known := suites[uint16(id)]; known != (before == Before) {
		t.Errorf("room for %d bytes before a payload", before)
	}
	state := peer.conn.ConnectionState()
	x, err := state.ExportKeyingMaterial("EXPORTER-test", nil, 20)
	y, err2 := p.Export("EXPORTER-test", nil, 20)
	if err != nil || err2 != nil || !bytes.Equal(x, y) {
		t.Errorf("exported %x, %v and %x, %v", x, err, y, err2)
	}
	buf := make([]byte, maxDatagram)
	for i := range 300 {
		b := bytes.Repeat([]byte{byte(i)}, 1+i*27)
		mustWrite(t, p, b)
		if n, err := peer.conn.Read(buf); err != nil || !bytes.Equal(buf[:n], b) {
			t.Fatalf("the library read %d bytes, %v; want %d", n, err, len(b))
		}
		if _, err := peer.conn.Write(b); err != nil {
			t.Fatal(err)
		}
		want(t, "from the library", p, b)
	}
	in.inject(plainRecord(typeAlert, 99, 2, 40)) // an alert of anybody
	mustWrite(t, p, []byte("still here"))
	if n, err := peer.conn.Read(buf); err != nil || string(buf[:n]) != "still here" {
		t.Errorf("the library read %q, %v", buf[:n], err)
	}
	wantDropped(t, "the alert", p, Dropped{}, Dropped{Plaintext: 1})
	if client {
		p.Close()
		if _, err := peer.conn.Read(buf); err != io.EOF {
			t.Errorf("the library ends with %v", err)
		}
	} else {
		peer.Close()
		wantEnd(t, "the library closes", p, io.EOF)
	}
	if n, err := p.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after the end = %d, %v", n, err)
	}
	peer.Close()
}

// Config.Library on both sides: what a Session promises of spoofed, early and lost
// records holds there, too.
func TestSessionOfLibrary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, down := newWay(t), newWay(t)
		c := newParty(Config{Client: true, DTLS: dtlsConfig(t), Library: true, FalseStart: true}, down, up)
		s := newParty(Config{DTLS: dtlsConfig(t), Library: true}, up, down)
		lost := false
		down.setTamper(func(d []byte) [][]byte {
			if r := split(d); !lost && r[0][0] == typeChangeCipherSpec {
				lost = true
				return nil // the last flight
			}
			return [][]byte{d}
		})
		begin(t, c, s, up, down)
		<-s.done
		for i := range 5 {
			mustWrite(t, s, []byte{byte(i)}) // early
		}
		<-c.done
		if c.err != nil || s.err != nil || !lost {
			t.Fatalf("client: %v, server: %v", c.err, s.err)
		}
		for i := range 5 {
			want(t, "early data", c, []byte{byte(i)})
		}
		for i, p := range []*party{c, s} {
			w := []*way{down, up}[i]
			before := p.Stats().Dropped
			w.inject(plainRecord(typeAlert, 900, 2, 40))
			w.inject(plainRecord(typeApplicationData, 901, 1))
			w.inject(plainRecord(typeHandshake, 902, fragmentOf(1, 0, 0, 0)...))
			w.inject(plainRecord(typeApplicationData, 1<<48|903, make([]byte, 99)...)) // for the library to refuse
			wantDropped(t, "spoofed", p, before, Dropped{Plaintext: 3})
		}
		for i, w := range []*way{up, down} { // one datagram, of which the library must get what is genuine
			empty := plainRecord([]byte{typeApplicationData, typeHandshake}[i], 1<<48|904)
			w.setTamper(func(d []byte) [][]byte { return [][]byte{slices.Concat(empty, d, empty)} })
		}
		wantTalk(t, "after that", c, s)
		if lost, err := c.WriteInPlace([][]byte{make([]byte, MaxPayload+1)}); lost != 1 || err == nil {
			t.Errorf("a payload of more than 2^14 bytes: %d lost, %v", lost, err)
		}
		c.Close()
		wantEnd(t, "close_notify", s, io.EOF)
		s.Close()
	})
}
