package dtlsrecord

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// split returns the records of a datagram.
func split(datagram []byte) (records [][]byte) {
	for {
		record, rest := nextRecord(datagram)
		if record == nil {
			return records
		}
		records, datagram = append(records, record), rest
	}
}

// refragment cuts the handshake messages of a record of epoch 0 into pieces of at
// most size bytes, each in a record with a number of its own.
func refragment(record []byte, size int, number *uint64) (records [][]byte) {
	if record[0] != typeHandshake || epochOf(record) != 0 {
		return [][]byte{record}
	}
	message := record[headerSize:]
	body := message[messageHeader:]
	start := uint24(message[6:])
	for offset := 0; ; {
		n := min(size, len(body)-offset)
		part := slices.Concat(message[:6], []byte{0, byte((start + offset) >> 8), byte(start + offset), 0, byte(n >> 8), byte(n)}, body[offset:offset+n])
		header := make([]byte, headerSize)
		putHeader(header, typeHandshake, *number, len(part))
		*number++
		records = append(records, append(header, part...))
		if offset += n; offset >= len(body) {
			return records
		}
	}
}

// handshakeDatagrams is more than a handshake has, both ways.
const handshakeDatagrams = 8

// Whatever a network does to one datagram of the handshake, both sides connect soon
// and every byte that is written then arrives.
func TestHandshakeOverBadNetwork(t *testing.T) {
	cases := []struct {
		desc string
		// change makes something of the datagram whose turn it is; held is what was
		// made of others and kept back.
		change func(d []byte) (now, later [][]byte)
	}{
		{"lost", func(d []byte) (now, later [][]byte) { return nil, nil }},
		{"twice", func(d []byte) (now, later [][]byte) { return [][]byte{d, d}, nil }},
		{"overtaken by the next", func(d []byte) (now, later [][]byte) { return nil, [][]byte{d} }},
		{"again later", func(d []byte) (now, later [][]byte) { return [][]byte{d}, [][]byte{d} }},
		{"cut in half", func(d []byte) (now, later [][]byte) { return [][]byte{d[:len(d)/2]}, nil }},
		{"damaged where it is protected", func(d []byte) (now, later [][]byte) {
			if records := split(d); epochOf(records[len(records)-1]) == 1 {
				d[len(d)-1] ^= 1
			}
			return [][]byte{d}, nil
		}},
		{"its records reversed", func(d []byte) (now, later [][]byte) {
			records := split(d)
			slices.Reverse(records)
			return records, nil
		}},
	}
	for _, c := range cases {
		for turn := range handshakeDatagrams {
			t.Run(fmt.Sprintf("%s/%d", c.desc, turn), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server, up, down := newParties(t, nil, nil)
					var mu sync.Mutex
					n := 0
					for _, w := range []*way{up, down} {
						var later [][]byte
						w.setTamper(func(d []byte) [][]byte {
							mu.Lock()
							defer mu.Unlock()
							out := [][]byte{d}
							if n == turn {
								out, later = c.change(d)
							} else {
								out, later = append(out, later...), nil
							}
							n++
							return out
						})
					}
					begin := time.Now()
					connect(t, client, server, up, down)
					if d := time.Since(begin); d > 300*time.Millisecond {
						t.Errorf("took %v", d)
					}
					up.setTamper(nil)
					down.setTamper(nil)
					wantTalk(t, c.desc, client, server)
				})
			})
		}
	}
}

// The server verifies the client's signature once, if Finished comes with it, whatever somebody puts
// between the two and behind them.
func TestSignatureVerifiedOnce(t *testing.T) {
	forged := func(size int) []byte { return plainRecord(typeHandshake, 1<<48, make([]byte, size)...) }
	for desc, insert := range map[string][]byte{
		"as it is": nil, "with a forged record around Finished": forged(48), "with one of nothing but a header": forged(0), "with a short one": forged(9),
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg, verified := dtlsConfig(t), 0
			cfg.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error {
				verified++
				return nil
			}
			client, server, up, down := newParties(t, nil, cfg)
			up.setTamper(func(d []byte) [][]byte {
				records := split(d)
				last := len(records) - 1
				if epochOf(records[last]) == 0 {
					return [][]byte{d}
				}
				return [][]byte{slices.Concat(slices.Concat(records[:last]...), insert, records[last], insert)}
			})
			connect(t, client, server, up, down)
			up.setTamper(nil)
			if verified != 1 {
				t.Errorf("%s: verified %d times", desc, verified)
			}
			wantTalk(t, desc, client, server)
		})
	}
}

// Every flight in records of one fragment of 40 bytes each, shuffled, some of them
// twice: the library sees whole messages in order.
func TestHandshakeShuffledFragments(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			c, s, up, down := newParties(t, nil, nil)
			random := rand.New(rand.NewPCG(seed, 0))
			for _, w := range []*way{up, down} {
				number := uint64(1 << 40)
				w.setTamper(func(d []byte) [][]byte {
					var pieces [][]byte
					for _, record := range split(d) {
						pieces = append(pieces, refragment(record, 40+random.IntN(30), &number)...)
						if random.IntN(2) == 0 {
							pieces = append(pieces, refragment(record, 30+random.IntN(90), &number)...)
						}
					}
					random.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
					return pieces
				})
			}
			begin := time.Now()
			connect(t, c, s, up, down)
			if d := time.Since(begin); d != 0 {
				t.Errorf("seed %d: took %v", seed, d)
			}
			up.setTamper(nil)
			down.setTamper(nil)
			wantTalk(t, "after shuffled flights", c, s)
		})
	}
}

// 6347-4.2.4: the server's last flight is lost any number of times; it comes again
// each time the client repeats its own, and what the server has sent meanwhile is held.
func TestLostFinished(t *testing.T) {
	for _, losses := range []int{1, 2, 5} {
		synctest.Test(t, func(t *testing.T) {
			c, s, up, down := newParties(t, nil, nil)
			lost := 0
			down.setTamper(func(d []byte) [][]byte {
				for _, record := range split(d) {
					if record[0] == typeHandshake && epochOf(record) == 1 && lost < losses {
						lost++
						return nil
					}
				}
				return [][]byte{d}
			})
			begin(t, c, s, up, down)
			<-s.done
			if s.err != nil {
				t.Fatalf("server: %v", s.err)
			}
			for i := range 5 {
				mustWrite(t, s, []byte{byte(i)})
			}
			<-c.done
			if c.err != nil || lost != losses {
				t.Fatalf("client: %v; lost %d times", c.err, lost)
			}
			for i := range 5 {
				want(t, "early data", c, []byte{byte(i)})
			}
			wantTalk(t, "afterwards", c, s)
			if got := s.Stats().FinishedResent; got != uint64(losses) {
				t.Errorf("Finished was sent again %d times, want %d", got, losses)
			}
			if got := c.Stats().Held; got != 5 {
				t.Errorf("%d records held, want 5", got)
			}
			// One sender gives out the numbers of epoch 1, Finished included.
			seen := make(map[uint64]bool)
			for _, d := range down.sent() {
				for _, record := range split(d) {
					number := binary.BigEndian.Uint64(record[3:])
					if seen[number] {
						t.Errorf("number %x was used twice", number)
					}
					seen[number] = true
					if epochOf(record) == 1 && !bytes.Equal(record[3:11], record[headerSize:Before]) {
						t.Errorf("record %x has nonce %x", number, record[headerSize:Before])
					}
				}
			}
		})
	}
}

// 7918: with Config.FalseStart the client writes after one round trip, and the
// server, which gets that with the client's Finished, needs no more.
func TestFalseStart(t *testing.T) {
	for _, falseStart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const oneWay = 100 * time.Millisecond
			up, down := newWay(t), newWay(t)
			up.delay, down.delay = oneWay, oneWay
			cc, sc := dtlsConfig(t), dtlsConfig(t)
			cc.FlightInterval, sc.FlightInterval = time.Second, time.Second
			c := newParty(Config{Client: true, DTLS: cc, FalseStart: falseStart}, down, up)
			s := newParty(Config{DTLS: sc}, up, down)
			defer c.Close()
			defer s.Close()
			start := time.Now()
			begin(t, c, s, up, down)
			<-c.done
			wanted := 4 * oneWay
			if falseStart {
				wanted = 2 * oneWay
			}
			if d := time.Since(start).Truncate(oneWay); d != wanted || c.err != nil {
				t.Errorf("FalseStart %v: the client could write after %v, %v; want %v", falseStart, d, c.err, wanted)
			}
			mustWrite(t, c, []byte("early"), []byte("bird"))
			want(t, "first words", s, []byte("early"), []byte("bird"))
			mustWrite(t, s, []byte("worm"))
			want(t, "the answer", c, []byte("worm"))
			if _, err := c.Export("EXPORTER-test", nil, 8); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the server sends is not believed before its Finished is, and if that never
// comes the receiver is told.
func TestFalseStartWithoutFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, down := newWay(t), newWay(t)
		c := newParty(Config{Client: true, DTLS: dtlsConfig(t), FalseStart: true}, down, up)
		s := newParty(Config{DTLS: dtlsConfig(t)}, up, down)
		defer c.Close()
		defer s.Close()
		down.setTamper(func(d []byte) [][]byte {
			for _, record := range split(d) {
				if record[0] == typeHandshake && epochOf(record) == 1 {
					return nil
				}
			}
			return [][]byte{d}
		})
		start := time.Now()
		begin(t, c, s, up, down)
		<-c.done
		<-s.done
		if c.err != nil || s.err != nil {
			t.Fatal(c.err, s.err)
		}
		mustWrite(t, s, []byte("too early"))
		wantEndAfter := 30 * time.Second // begin's deadline
		select {
		case b := <-c.got:
			t.Errorf("received %q before Finished", b)
		case err := <-c.end:
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != wantEndAfter {
				t.Errorf("ended with %v after %v", err, time.Since(start))
			}
		}
		if n, err := c.Write([]byte("x")); n != 0 || err != net.ErrClosed {
			t.Errorf("Write after that = %d, %v", n, err)
		}
	})
}

// A peer that never finishes: the handshake ends with its context, or with Close, and
// leaves nothing behind. What it takes from the peer meanwhile is bounded.
func TestHandshakeEnds(t *testing.T) {
	for _, client := range []bool{true, false} {
		for _, by := range []string{"deadline", "cancel", "close"} {
			t.Run(fmt.Sprintf("client=%v/%s", client, by), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					in, out := newWay(t), newWay(t)
					out.to = func([][]byte) {}
					p := newParty(Config{Client: client, DTLS: dtlsConfig(t), FalseStart: client}, in, out)
					go in.run()
					go out.run()
					ctx, cancel := context.WithTimeout(context.Background(), 7*time.Second)
					defer cancel()
					start := time.Now()
					p.run(ctx)
					synctest.Wait()
					wanted, after := error(context.DeadlineExceeded), 7*time.Second
					switch by {
					case "cancel":
						cancel()
						wanted, after = context.Canceled, 0
					case "close":
						p.Close()
						wanted, after = net.ErrClosed, 0
					}
					<-p.done
					if !errors.Is(p.err, wanted) || time.Since(start) != after {
						t.Errorf("Handshake = %v after %v, want %v after %v", p.err, time.Since(start), wanted, after)
					}
					if n, err := p.Write([]byte("x")); n != 0 || err == nil {
						t.Errorf("Write after that = %d, %v", n, err)
					}
					p.HandleDatagrams([][]byte{plainRecord(typeAlert, 0, 2, 40)})
					if got := p.Stats().Dropped.Late; got != 1 {
						t.Errorf("%d records late", got)
					}
				})
			})
		}
	}
}

// Before the handshake is over nothing can be written, and what may be asked then says so.
func TestNotReady(t *testing.T) {
	s := New(Config{Client: true, DTLS: dtlsConfig(t), Send: func(d [][]byte) (int, error) { return 0, nil }})
	if n, err := s.Write([]byte("x")); n != 0 || err != ErrNotReady {
		t.Errorf("Write = %d, %v", n, err)
	}
	if _, err := s.Export("EXPORTER-test", nil, 1); err != ErrNotReady {
		t.Errorf("Export: %v", err)
	}
	if s.PeerCertificates() != nil || s.CipherSuite() != "" {
		t.Error("there is a certificate or a suite")
	}
	s.Close()
	if err := s.Handshake(t.Context()); err != net.ErrClosed {
		t.Errorf("Handshake after Close: %v", err)
	}
	if err := s.Handshake(t.Context()); err != errTwice {
		t.Errorf("a second Handshake: %v", err)
	}
	var end error
	s.Receive(func(_ [][]byte, err error) { end = err })
	if end != nil {
		t.Errorf("the receiver was told of our own Close: %v", end)
	}
}

// What comes before there is a receiver waits for it, in order, up to its bounds, and
// so does the end.
func TestReceiveLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		c.Receive(nil)
		connect(t, c, s, up, down)
		for i := range 2 * maxHeld {
			mustWrite(t, s, []byte{byte(i)})
		}
		synctest.Wait()
		if st := c.Stats(); st.Held != maxHeld || st.Dropped.NoRoom != maxHeld {
			t.Errorf("%+v", st)
		}
		c.Receive(c.take)
		for i := range maxHeld {
			want(t, "held", c, []byte{byte(i)})
		}
		c.Receive(nil)
		mustWrite(t, s, make([]byte, 15000), make([]byte, 15000), make([]byte, 15000), make([]byte, 15000), make([]byte, 15000))
		mustWrite(t, s, []byte("small"))
		s.Close()
		synctest.Wait()
		if st := c.Stats(); st.Dropped.NoRoom != maxHeld+1 {
			t.Errorf("%+v: more than %d bytes are held", st, maxHeldBytes)
		}
		c.Receive(c.take)
		for range 4 {
			want(t, "held", c, make([]byte, 15000))
		}
		want(t, "held", c, []byte("small"))
		wantEnd(t, "close_notify was held", c, io.EOF)
		c.Receive(c.take)
		wantEnd(t, "a receiver that comes after the end", c, io.EOF)
	})
}
