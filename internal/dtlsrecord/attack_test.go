package dtlsrecord

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// plainRecord builds an unencrypted record such as anybody can send who knows the
// addresses.
func plainRecord(contentType byte, number uint64, body ...byte) []byte {
	record := make([]byte, headerSize, headerSize+len(body))
	putHeader(record, contentType, number, len(body))
	return append(record, body...)
}

// fragmentOf builds a fragment of a handshake message.
func fragmentOf(kind byte, number uint16, length, offset int, body ...byte) []byte {
	return slices.Concat([]byte{kind, byte(length >> 16), byte(length >> 8), byte(length), byte(number >> 8), byte(number),
		byte(offset >> 16), byte(offset >> 8), byte(offset), byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body)
}

// wantDropped fails the test unless that is what was dropped since before.
func wantDropped(t testing.TB, why string, p *party, before Dropped, want Dropped) {
	t.Helper()
	synctest.Wait()
	got := p.Stats().Dropped
	diff := Dropped{
		Malformed: got.Malformed - before.Malformed, Plaintext: got.Plaintext - before.Plaintext, Epoch: got.Epoch - before.Epoch,
		Replayed: got.Replayed - before.Replayed, Forged: got.Forged - before.Forged, NoRoom: got.NoRoom - before.NoRoom,
		Ignored: got.Ignored - before.Ignored, Late: got.Late - before.Late,
	}
	if diff != want {
		t.Errorf("%s: dropped %+v, want %+v", why, diff, want)
	}
}

// After the handshake nothing that is not authentic does anything, but to a counter.
func TestSpoofedRecords(t *testing.T) {
	for _, victimIs := range []string{"client", "server"} {
		synctest.Test(t, func(t *testing.T) {
			c, s, up, down := newParties(t, nil, nil)
			connect(t, c, s, up, down)
			victim, in, out := c, down, up
			if victimIs == "server" {
				victim, in, out = s, up, down
			}
			genuine := in.sent()
			long := make([]byte, MaxPayload+300)
			sealed := func(contentType byte, number uint64, size int) []byte {
				return plainRecord(contentType, 1<<48|number, bytes.Repeat([]byte{byte(number)}, size)...)
			}
			cases := []struct {
				desc     string
				datagram []byte
				want     Dropped
			}{
				{"a fatal alert", plainRecord(typeAlert, 900, 2, 40), Dropped{Plaintext: 1}},
				{"close_notify", plainRecord(typeAlert, 901, 1, 0), Dropped{Plaintext: 1}},
				{"application data", plainRecord(typeApplicationData, 902, 'h', 'i'), Dropped{Plaintext: 1}},
				{"an unknown type", plainRecord(60, 903, 1, 2, 3), Dropped{Plaintext: 1}},
				{"a ClientHello", plainRecord(typeHandshake, 904, fragmentOf(1, 0, 0, 0)...), Dropped{Plaintext: 1}},
				{"a HelloRequest", plainRecord(typeHandshake, 905, fragmentOf(0, 7, 0, 0)...), Dropped{Plaintext: 1}},
				{"part of a message", plainRecord(typeHandshake, 906, fragmentOf(11, 9, 1024, 7, 1, 2)...), Dropped{Plaintext: 1}},
				{"ChangeCipherSpec", plainRecord(typeChangeCipherSpec, 907, 1), Dropped{Plaintext: 1}},
				{"two in a datagram", slices.Concat(plainRecord(typeChangeCipherSpec, 908, 1), plainRecord(typeAlert, 909, 2, 10)), Dropped{Plaintext: 2}},
				{"epoch 1, but not encrypted", plainRecord(typeAlert, 1<<48|910, 2, 0), Dropped{Malformed: 1}},
				{"a forged alert", sealed(typeAlert, 911, 26), Dropped{Forged: 1}},
				{"forged data", sealed(typeApplicationData, 912, 1200), Dropped{Forged: 1}},
				{"forged data from the end of time", sealed(typeApplicationData, maxSequence, 100), Dropped{Forged: 1}},
				{"a forged Finished", sealed(typeHandshake, 913, 48), Dropped{Forged: 1}},
				{"a forged ChangeCipherSpec", sealed(typeChangeCipherSpec, 914, 30), Dropped{Forged: 1}},
				{"nothing but a tag", sealed(typeApplicationData, 915, 16), Dropped{Malformed: 1}},
				{"epoch 2", plainRecord(typeApplicationData, 2<<48, long[:100]...), Dropped{Epoch: 1}},
				{"epoch 65535", plainRecord(typeAlert, 65535<<48, 2, 40), Dropped{Epoch: 1}},
				{"longer than a record may be", sealed(typeApplicationData, 916, len(long)+After), Dropped{Malformed: 1}},
				{"longer than the datagram", []byte{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 255, 255, 1}, Dropped{Malformed: 1}},
				{"a header and no more", []byte{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 0}, Dropped{Malformed: 1}},
				{"half a header", []byte{23, 254, 253, 0, 1}, Dropped{Malformed: 1}},
				{"another protocol", bytes.Repeat([]byte{0x16, 3, 3}, 100), Dropped{Malformed: 1}},
				{"noise", bytes.Repeat([]byte{255}, 9000), Dropped{Malformed: 1}},
				{"an empty datagram", nil, Dropped{}},
			}
			for _, c := range cases {
				before := victim.Stats().Dropped
				in.inject(c.datagram)
				wantDropped(t, c.desc, victim, before, c.want)
			}
			// Whatever was genuine is no more than a replay.
			for _, d := range genuine {
				in.inject(d)
			}
			synctest.Wait()
			if n := len(out.sent()); n > 3 {
				t.Errorf("the victim has sent %d datagrams: it answers", n)
			}
			wantTalk(t, "after all that", c, s)
		})
	}
}

// Every datagram of a whole connection comes a second time, and a third time later:
// every payload arrives once.
func TestReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		twice := func(d []byte) [][]byte { return [][]byte{d, d} }
		up.setTamper(twice)
		down.setTamper(twice)
		connect(t, c, s, up, down)
		for i := range 10 {
			mustWrite(t, c, []byte{byte(i), 'a'}, []byte{byte(i), 'b'})
		}
		synctest.Wait()
		for _, d := range up.sent() {
			up.inject(d)
		}
		for i := range 10 {
			want(t, "once", s, []byte{byte(i), 'a'}, []byte{byte(i), 'b'})
		}
		synctest.Wait()
		if len(s.got) != 0 {
			t.Errorf("%d payloads came twice", len(s.got))
		}
		// 20 payloads and Finished, each twice too often.
		if got := s.Stats(); got.Received != 20 || got.Dropped.Replayed < 41 || got.Dropped.Forged != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// What is spoofed while the handshake runs and cannot be genuine, or is contradicted
// by its going on, does not end it. (A spoofed hello may: DTLS 1.2 has nothing
// against that.)
func TestSpoofedDuringHandshake(t *testing.T) {
	for _, c := range []struct {
		desc   string
		record []byte
	}{
		{"a fatal alert", plainRecord(typeAlert, 50, 2, 40)},
		{"close_notify", plainRecord(typeAlert, 51, 1, 0)},
		{"a warning", plainRecord(typeAlert, 52, 1, 90)},
		{"an alert of one byte", plainRecord(typeAlert, 53, 2)},
		{"application data", plainRecord(typeApplicationData, 54, 'x')},
		{"ChangeCipherSpec", plainRecord(typeChangeCipherSpec, 55, 1)},
		{"a broken ChangeCipherSpec", plainRecord(typeChangeCipherSpec, 56, 9, 9, 9)},
		{"an unknown type", plainRecord(60, 57, 1)},
		{"an empty record", plainRecord(typeHandshake, 58)},
		{"a cut header", plainRecord(typeHandshake, 59, 1, 0, 0)},
		{"a fragment past the end", plainRecord(typeHandshake, 60, fragmentOf(11, 2, 4, 3, 1, 2)...)},
		{"a fragment of nothing", plainRecord(typeHandshake, 61, fragmentOf(11, 1, 500, 0)...)},
		{"a message far ahead", plainRecord(typeHandshake, 62, fragmentOf(11, 30, 1, 0, 1)...)},
		{"forged Finished", plainRecord(typeHandshake, 1<<48, make([]byte, 48)...)},
		{"an empty Finished", plainRecord(typeHandshake, 1<<48)},
		{"forged data", plainRecord(typeApplicationData, 1<<48|1, make([]byte, 48)...)},
		{"empty data", plainRecord(typeApplicationData, 1<<48|1)},
		{"a forged alert", plainRecord(typeAlert, 1<<48|2, make([]byte, 26)...)},
		{"an alert in epoch 1, not encrypted", plainRecord(typeAlert, 1<<48|3, 2, 40)},
		{"epoch 7", plainRecord(typeAlert, 7<<48, 2, 40)},
	} {
		// Around every datagram, in both directions, in datagrams of their own and in the same one.
		for desc, tamper := range map[string]func(d []byte) [][]byte{
			c.desc:               func(d []byte) [][]byte { return [][]byte{c.record, d, c.record} },
			c.desc + ", with it": func(d []byte) [][]byte { return [][]byte{slices.Concat(c.record, d, c.record)} },
		} {
			synctest.Test(t, func(t *testing.T) {
				client, server, up, down := newParties(t, nil, nil)
				up.setTamper(tamper)
				down.setTamper(tamper)
				start := time.Now()
				connect(t, client, server, up, down)
				if d := time.Since(start); d != 0 {
					t.Errorf("%s: took %v", desc, d)
				}
				up.setTamper(nil)
				down.setTamper(nil)
				wantTalk(t, desc, client, server)
				if got := client.Stats().Dropped; got.Total() == 0 && c.record[0] != typeChangeCipherSpec {
					t.Errorf("%s: nothing was dropped", desc)
				}
			})
		}
	}
}

// However many forged records come before Finished, it is taken when it comes: no flight is repeated.
func TestForgedBeforeFinished(t *testing.T) {
	for _, size := range []int{finishedSize - headerSize, 9, maxEarlyBytes} {
		synctest.Test(t, func(t *testing.T) {
			client, server, up, down := newParties(t, nil, nil)
			forged := plainRecord(typeHandshake, 1<<48, make([]byte, size)...)
			before := func(d []byte) [][]byte { return append(slices.Repeat([][]byte{forged}, 3*maxEarly), d) }
			up.setTamper(before)
			down.setTamper(before)
			start := time.Now()
			connect(t, client, server, up, down)
			if d := time.Since(start); d != 0 {
				t.Errorf("forged records of %d bytes: took %v", size, d)
			}
			up.setTamper(nil)
			down.setTamper(nil)
			wantTalk(t, "after forged records", client, server)
		})
	}
}

// A record that is too long to be kept takes no place of those that are.
func TestTooLongBeforeFinished(t *testing.T) {
	s := New(Config{Send: func([][]byte) (int, error) { return 0, nil }})
	defer s.Close()
	for i := range maxEarly {
		s.HandleDatagrams([][]byte{plainRecord(typeHandshake, 1<<48|uint64(i), 1)})
	}
	s.HandleDatagrams([][]byte{plainRecord(typeHandshake, 1<<48|100, make([]byte, maxEarlyBytes)...)})
	if kept, got := len(s.receive.early), s.Stats().Dropped; kept != maxEarly || got != (Dropped{NoRoom: 1}) {
		t.Errorf("%d are left; dropped %+v", kept, got)
	}
}

// An alert that is not contradicted counts, after a second: who is refused need not
// wait for the end of its patience.
func TestRefusalIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := dtlsConfig(t)
		sc.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return errors.New("not you") }
		c, s, up, down := newParties(t, nil, sc)
		start := time.Now()
		begin(t, c, s, up, down)
		<-s.done
		<-c.done
		if s.err == nil || c.err == nil {
			t.Errorf("client: %v, server: %v", c.err, s.err)
		}
		if d := time.Since(start); d < alertPatience || d > 2*alertPatience {
			t.Errorf("the client heard of it after %v", d)
		}
	})
}

// The library sends the alert that ends a handshake in the epoch of the keys, but
// unencrypted: it has to be sealed, or the peer cannot believe it.
func TestAlertOfHandshakeIsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		connect(t, c, s, up, down)
		// The same state as while the client waits for Finished.
		sealer, own := newEnds(t, 0xC02B)
		_, opener := sealer, own
		c.send.mu.Lock()
		c.send.sealer, c.send.own = sealer, &Opener{}
		c.send.mu.Unlock()
		before := len(up.sent())
		up.setTamper(func([]byte) [][]byte { return nil })
		c.writeLibrary(c.chosen(), plainRecord(typeAlert, 1<<48|1, 2, 40))
		sent := up.sent()[before:]
		if len(sent) != 1 {
			t.Fatalf("%d datagrams were sent", len(sent))
		}
		if alert, err := opener.Open(sent[0]); err != nil || !bytes.Equal(alert, []byte{2, 40}) {
			t.Errorf("sent %x, which opens as %x, %v", sent[0], alert, err)
		}
	})
}

// The same where the handshake takes longer than a spoofed alert is doubted.
func TestSpoofedAlertDuringSlowHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		up.delay, down.delay = alertPatience*2/5, alertPatience*2/5
		c.cfg.DTLS.FlightInterval, s.cfg.DTLS.FlightInterval = 3*time.Second, 3*time.Second
		for range 3 {
			c.HandleDatagrams([][]byte{plainRecord(typeAlert, 50, 2, 40)})
			s.HandleDatagrams([][]byte{plainRecord(typeAlert, 51, 1, 0)})
		}
		start := time.Now()
		connect(t, c, s, up, down)
		if d := time.Since(start); d <= alertPatience {
			t.Errorf("the handshake was over after %v", d)
		}
		wantTalk(t, "a slow network", c, s)
		if got := c.Stats().Dropped; got.Ignored != 2 || got.Plaintext != 1 {
			t.Errorf("dropped: %+v", got)
		}
	})
}

// Handshake messages without end, of anybody: what is kept of them is bounded, for
// the library and by it.
func TestHandshakeFlood(t *testing.T) {
	for _, c := range []struct {
		desc string
		body func(i int) []byte
	}{
		{"empty, in sequence", func(i int) []byte { return fragmentOf(11, uint16(i), 0, 0) }},
		{"of one byte, in sequence", func(i int) []byte { return fragmentOf(11, uint16(i), 1, 0, 1) }},
		{"of 4000 bytes, in sequence", func(i int) []byte { return fragmentOf(11, uint16(i), 4000, 0, make([]byte, 4000)...) }},
		{"of 60000 bytes, one of them there", func(i int) []byte { return fragmentOf(11, uint16(i%9), 60000, i, 1) }},
		{"of 16 MB", func(i int) []byte { return fragmentOf(11, uint16(i%9), 1<<24-1, i, 1) }},
		{"ahead, piecemeal", func(i int) []byte { return fragmentOf(11, 5, 1000, i%999, 1) }},
		{"ahead, over and over", func(i int) []byte { return fragmentOf(11, 7, 9, 0, make([]byte, 9)...) }},
		{"far ahead", func(i int) []byte { return fragmentOf(1, 60000, 0, 0) }},
		{"many in a record", func(i int) []byte { return bytes.Repeat(fragmentOf(11, uint16(i), 0, 0), 500) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			in, out := newWay(t), newWay(t)
			out.to = func([][]byte) {}
			p := newParty(Config{DTLS: dtlsConfig(t)}, in, out)
			go in.run()
			go out.run()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			passed := 0
			for i := range 2000 {
				p.HandleDatagrams([][]byte{plainRecord(typeHandshake, uint64(i), c.body(i)...)})
				p.HandleDatagrams([][]byte{plainRecord(typeHandshake, 1<<48|uint64(i), make([]byte, 48)...)})
				p.HandleDatagrams([][]byte{plainRecord(typeApplicationData, 1<<48|uint64(i), make([]byte, 1200)...)})
				p.HandleDatagrams([][]byte{plainRecord(typeAlert, uint64(i), 1, 0)})
			}
			r := &p.receive
			kept := 0
			for _, m := range r.assembler.partial {
				if m != nil {
					kept += len(m.message)
				}
			}
			for _, d := range p.shim.queue {
				passed += len(d)
			}
			if kept > maxMessageBytes+maxAhead*messageHeader || r.assembler.next > maxMessages || passed > maxMessageBytes+maxMessages*50 {
				t.Errorf("%s: %d bytes kept, %d messages of %d bytes passed on", c.desc, kept, r.assembler.next, passed)
			}
			if len(r.early) > maxEarly || len(r.held) > maxHeld || r.heldBytes > maxHeldBytes {
				t.Errorf("%s: %d early, %d held, %d bytes of them", c.desc, len(r.early), len(r.held), r.heldBytes)
			}
			if got := p.Stats().Dropped; got.NoRoom < 3000 || got.Ignored != 1999 {
				t.Errorf("%s: dropped %+v", c.desc, got)
			}
			p.run(ctx) // with what there is
			<-p.done
			if p.err == nil {
				t.Errorf("%s: the handshake succeeded", c.desc)
			}
		})
	}
}

// Fragments that contradict each other do not mix: what comes last takes the place of what came
// before, also of whole messages, until these are committed to.
func TestAssemblerContradiction(t *testing.T) {
	var a assembler
	var out [][]byte
	add := func(fragment []byte) dropReason {
		return a.add(fragment, func(m []byte) { out = append(out, bytes.Clone(m)) })
	}
	for _, c := range []struct {
		desc     string
		fragment []byte
		want     dropReason
	}{
		{"the beginning", fragmentOf(11, 0, 4, 0, 'a', 'b'), dropNothing},
		{"of another type", fragmentOf(12, 0, 4, 2, 'x', 'x'), dropNothing},
		{"of another length", fragmentOf(11, 0, 5, 2, 'x', 'x', 'x'), dropNothing},
		{"with other bytes", fragmentOf(11, 0, 5, 1, 'y', 'y'), dropNothing},
		{"the beginning again", fragmentOf(11, 0, 4, 0, 'a', 'b'), dropNothing},
		{"past the end", fragmentOf(11, 0, 4, 3, 'x', 'x'), dropMalformed},
		{"a header cut short", fragmentOf(11, 0, 4, 3, 'x')[:11], dropMalformed},
		{"a body cut short", fragmentOf(11, 0, 4, 2, 'x', 'x')[:13], dropMalformed},
		{"nothing", nil, dropMalformed},
		{"the rest", fragmentOf(11, 0, 4, 2, 'c', 'd'), dropNothing},
		{"the rest again", fragmentOf(11, 0, 4, 2, 'c', 'd'), dropNothing},
	} {
		if got := add(c.fragment); got != c.want {
			t.Errorf("%s: %v, want %v", c.desc, got, c.want)
		}
	}
	if len(out) != 1 || !bytes.Equal(out[0], fragmentOf(11, 0, 4, 0, 'a', 'b', 'c', 'd')) {
		t.Errorf("came out: %q", out)
	}
	add(fragmentOf(12, 1, 1, 0, 'n'))
	add(fragmentOf(11, 0, 4, 0, 'a', 'B'))
	add(fragmentOf(11, 0, 4, 2, 'c', 'd'))
	if len(out) != 3 || !bytes.Equal(out[2], fragmentOf(11, 0, 4, 0, 'a', 'B', 'c', 'd')) || a.next != 1 {
		t.Errorf("came out anew: %q", out)
	}
	a.commit()
	add(fragmentOf(11, 0, 4, 0, 'a', 'b', 'c', 'd'))
	if len(out) != 3 || a.next != 1 {
		t.Errorf("came out after it was committed to: %q", out)
	}
}

// An end that is reached by limits: both sides know.
func TestKeysUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		connect(t, c, s, up, down)
		c.send.sealer.blocks = maxBlocks - 80
		mustWrite(t, c, make([]byte, 1200))
		var limit *LimitError
		if n, err := c.Write(make([]byte, 1200)); n != 0 || !errors.As(err, &limit) {
			t.Errorf("Write = %d, %v", n, err)
		}
		want(t, "before the limit", s, make([]byte, 1200))
		wantEnd(t, "close_notify", s, io.EOF)
		if err := <-c.end; !errors.As(err, &limit) {
			t.Errorf("our side ends with %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		connect(t, c, s, up, down)
		s.receive.opener.forged = maxForged - 1
		for range 2 {
			up.inject(plainRecord(typeApplicationData, 1<<48|77, make([]byte, 100)...))
		}
		var limit *LimitError
		if err := <-s.end; !errors.As(err, &limit) {
			t.Errorf("the victim of 2^36 forgeries ends with %v", err)
		}
		wantEnd(t, "close_notify", c, io.EOF)
	})
}

// Alerts of the peer: fatal ones end the connection, without an answer; warnings and
// what asks for another handshake do nothing.
func TestAlerts(t *testing.T) {
	for _, c := range []struct {
		desc        string
		contentType byte
		body        []byte
		ends        error
		want        Dropped
	}{
		{"fatal", typeAlert, []byte{2, 40}, &AlertError{40}, Dropped{}},
		{"warning", typeAlert, []byte{1, 90}, nil, Dropped{Ignored: 1}},
		{"of one byte", typeAlert, []byte{1}, nil, Dropped{Malformed: 1}},
		{"HelloRequest", typeHandshake, fragmentOf(0, 0, 0, 0), nil, Dropped{Ignored: 1}},
		{"ClientHello", typeHandshake, fragmentOf(1, 0, 2, 0, 1, 2), nil, Dropped{Ignored: 1}},
		{"an unknown type", 60, []byte{1, 2, 3}, nil, Dropped{Ignored: 1}},
		{"no data", typeApplicationData, nil, nil, Dropped{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, server, up, down := newParties(t, nil, nil)
			connect(t, client, server, up, down)
			before := server.Stats().Dropped
			client.send.mu.Lock()
			client.sendOne(client.send.appendSealed(nil, c.contentType, c.body))
			client.send.mu.Unlock()
			wantDropped(t, c.desc, server, before, c.want)
			if c.ends == nil {
				wantTalk(t, c.desc, client, server)
				return
			}
			var alert *AlertError
			if err := <-server.end; !errors.As(err, &alert) || *alert != *c.ends.(*AlertError) {
				t.Errorf("%s: ended with %v", c.desc, err)
			}
		})
	}
}

// Where the library protects the records, handshake records of epoch 1 reach it as they
// are; too long ones would end the handshake.
func TestLongRecordsForLibrary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, down := newWay(t), newWay(t)
		c := newParty(Config{Client: true, DTLS: dtlsConfig(t), Library: true}, down, up)
		s := newParty(Config{DTLS: dtlsConfig(t), Library: true}, up, down)
		t.Cleanup(func() {
			c.Close()
			s.Close()
		})
		long := plainRecord(typeHandshake, 1<<48|7, make([]byte, maxDatagram)...)
		down.setTamper(func(d []byte) [][]byte {
			if d[0] == typeChangeCipherSpec {
				return [][]byte{long, d}
			}
			return [][]byte{d}
		})
		up.setTamper(func(d []byte) [][]byte { return [][]byte{long, d} })
		connect(t, c, s, up, down)
		wantTalk(t, "after long records", c, s)
		if n := c.Stats().Dropped.Malformed; n == 0 {
			t.Error("nothing was dropped")
		}
	})
}

// Datagrams of any content, during a handshake and after: nothing panics, nothing is
// handed over, and the connection goes on.
func FuzzHandleDatagrams(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add(plainRecord(typeAlert, 1, 2, 40), false)
	f.Add(plainRecord(typeHandshake, 1, fragmentOf(2, 0, 60, 0, make([]byte, 60)...)...), false)
	f.Add(plainRecord(typeApplicationData, 1<<48, make([]byte, 40)...), true)
	f.Add(plainRecord(typeHandshake, 1<<48, make([]byte, 48)...), true)
	f.Fuzz(func(t *testing.T, b []byte, client bool) {
		if len(b) > 800 {
			return // might fill what is kept of early records
		}
		secrets := Secrets{Suite: 0xC02B}
		peer, _, err := secrets.Protection(!client)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]byte
		s := New(Config{Client: client, Send: func([][]byte) (int, error) { return 0, nil }})
		s.Receive(func(payloads [][]byte, err error) {
			for _, p := range payloads {
				got = append(got, bytes.Clone(p))
			}
			if err != nil {
				t.Fatalf("%x ended the session: %v", b, err)
			}
		})
		s.HandleDatagrams([][]byte{bytes.Clone(b)})
		s.secrets = secrets // whatever hello it may have been shown
		s.setKeys(secrets.ClientRandom, secrets.Master)
		s.HandleDatagrams([][]byte{bytes.Clone(b), mustSeal(t, peer, []byte("early"))})
		bb := batches.Get().(*batch)
		s.receive.mu.Lock()
		s.send.establish(s)
		s.receive.establish(s, bb)
		s.release(bb)
		s.HandleDatagrams([][]byte{bytes.Clone(b), mustSeal(t, peer, []byte("late"))})
		if len(got) != 2 || string(got[0]) != "early" || string(got[1]) != "late" {
			t.Fatalf("handed over: %q", got)
		}
		s.Close()
	})
}

// FuzzAssembler cuts messages into fragments and mixes others in: what comes out is a
// prefix of the messages, each as it was.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte("some message"), []byte{3, 1, 4, 1, 5}, []byte{})
	f.Add(bytes.Repeat([]byte{1}, 300), []byte{0, 0, 255, 2}, fragmentOf(9, 1, 3, 0, 1, 2))
	f.Fuzz(func(t *testing.T, body, order, junk []byte) {
		if len(body) > 2000 || len(order) > 200 || len(junk) > 200 {
			return
		}
		var a assembler
		var out [][]byte
		whole := func(m []byte) { out = append(out, bytes.Clone(m)) }
		var messages [][]byte
		for i := range 3 {
			messages = append(messages, fragmentOf(byte(20+i), uint16(i), len(body), 0, body...))
		}
		for _, o := range order {
			m := messages[int(o)%3]
			from := 0
			if len(body) > 0 {
				from = int(o) * 7 % len(body)
			}
			to := min(len(body), from+1+int(o)%50)
			a.add(fragmentOf(m[0], binary.BigEndian.Uint16(m[4:]), len(body), from, body[from:to]...), whole)
		}
		for i := range messages {
			a.add(messages[i], whole)
		}
		a.add(junk, whole)
		if len(out) < 3 {
			t.Fatalf("%d messages came out", len(out))
		}
		for i, m := range messages {
			if !bytes.Equal(out[i], m) {
				t.Fatalf("message %d came out as %x, want %x", i, out[i], m)
			}
		}
	})
}
