package dtlsrecord

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// wants makes a Config want one certificate and no other.
func wants(cfg Config, certificate []byte) Config {
	is := func(got [][]byte) bool { return len(got) > 0 && bytes.Equal(got[0], certificate) }
	d := *cfg.DTLS
	d.VerifyPeerCertificate = func(got [][]byte, _ [][]*x509.Certificate) error {
		if !is(got) {
			return errUnwanted
		}
		return nil
	}
	cfg.DTLS, cfg.Wanted = &d, is
	return cfg
}

var errUnwanted = errors.New("not the certificate that is wanted")

// 6347-4.2.8: what an earlier handshake between the same addresses has said comes again during the next, all of it or
// a part, before what that says or behind it: it connects soon.
func TestRecordsOfEarlierHandshake(t *testing.T) {
	cc, sc := dtlsConfig(t), dtlsConfig(t)
	var up, down [][]byte // what was said
	synctest.Test(t, func(t *testing.T) {
		c, s, u, d := newParties(t, cc, sc)
		connect(t, c, s, u, d)
		up, down = u.sent(), d.sent()
	})
	if len(up) != 2 || len(down) != 2 {
		t.Fatalf("%d and %d datagrams", len(up), len(down))
	}
	halves := func(said [][]byte) (cut [][]byte) { // each record in two fragments, of which the first has come
		number := uint64(1 << 40)
		for _, d := range said {
			for _, record := range split(d) {
				if epochOf(record) == 0 && record[0] == typeHandshake {
					cut = append(cut, refragment(record, max(1, (len(record)-headerSize-messageHeader)/2), &number)[0])
				}
			}
		}
		return cut
	}
	for _, c := range []struct {
		desc     string
		up, down [][]byte
	}{
		{"all", up, down},
		{"ClientHello", up[:1], nil},
		{"the client's second flight", up[1:], nil},
		{"all of the client", up, nil},
		{"the server's flight", nil, down[:1]},
		{"parts of the server's flight", nil, halves(down)},
		{"parts of the client's flights", halves(up), nil},
		{"all of the server", nil, down},
		{"the other way round", down, up},
		{"reversed", []([]byte){up[1], up[0]}, []([]byte){down[1], down[0]}},
	} {
		for turn := range 4 {
			for _, where := range []string{"before", "behind", "around"} {
				t.Run(fmt.Sprintf("%s/%d/%s", c.desc, turn, where), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						client, server, u, d := newParties(t, cc, sc)
						for w, old := range map[*way][][]byte{u: c.up, d: c.down} {
							n := 0
							w.setTamper(func(d []byte) [][]byte {
								out := [][]byte{d}
								if n++; n == turn || turn == 0 {
									if where != "behind" {
										out = slices.Concat(old, out)
									}
									if where != "before" {
										out = slices.Concat(out, old)
									}
								}
								return out
							})
						}
						begin := time.Now()
						connect(t, client, server, u, d)
						if took := time.Since(begin); took > 200*time.Millisecond {
							t.Errorf("took %v", took)
						}
						u.setTamper(nil)
						d.setTamper(nil)
						wantTalk(t, c.desc, client, server)
					})
				})
			}
		}
	}
}

// What came before the library has said anything: a ClientHello that a client waits with, and the rest of an
// earlier handshake, when a server begins to listen.
func TestRecordsOfEarlierHandshakeHeld(t *testing.T) {
	cc, sc := dtlsConfig(t), dtlsConfig(t)
	var said [2][][]byte
	synctest.Test(t, func(t *testing.T) {
		c, s, u, d := newParties(t, cc, sc)
		connect(t, c, s, u, d)
		said = [2][][]byte{u.sent(), d.sent()}
	})
	synctest.Test(t, func(t *testing.T) {
		c, s, u, d := newParties(t, cc, sc)
		s.HandleDatagrams(clones(said[0]))
		c.HandleDatagrams(clones(said[1]))
		begin := time.Now()
		connect(t, c, s, u, d)
		if took := time.Since(begin); took > 200*time.Millisecond {
			t.Errorf("took %v", took)
		}
		wantTalk(t, "afterwards", c, s)
		if got := s.Stats().Dropped.Foreign + c.Stats().Dropped.Foreign; got == 0 {
			t.Error("nothing counts as foreign")
		}
	})
}

func clones(datagrams [][]byte) (out [][]byte) {
	for _, d := range datagrams {
		out = append(out, bytes.Clone(d))
	}
	return out
}

// Several handshakes at once between the same two addresses, where everybody hears everything: each comes about, with
// the peer that is wanted.
func TestHandshakesAtOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, maxAttempts, 2 * maxAttempts, 4 * maxAttempts} {
		synctest.Test(t, func(t *testing.T) {
			up, down := newWay(t), newWay(t)
			up.delay, down.delay = time.Millisecond, time.Millisecond
			var clients, servers []*party
			for range n {
				cc, sc := dtlsConfig(t), dtlsConfig(t)
				clients = append(clients, newParty(wants(Config{Client: true, DTLS: cc}, sc.Certificates[0].Certificate[0]), down, up))
				servers = append(servers, newParty(wants(Config{DTLS: sc}, cc.Certificates[0].Certificate[0]), up, down))
			}
			toAll := func(parties []*party) func([][]byte) {
				return func(datagrams [][]byte) {
					for _, p := range parties {
						p.HandleDatagrams(clones(datagrams))
					}
				}
			}
			up.to, down.to = toAll(servers), toAll(clients)
			go up.run()
			go down.run()
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			begin := time.Now()
			for i := range n {
				servers[i].run(ctx)
				clients[i].run(ctx)
			}
			for i := range n {
				<-clients[i].done
				<-servers[i].done
				if clients[i].err != nil || servers[i].err != nil {
					t.Fatalf("%d of %d: client %v, server %v", i, n, clients[i].err, servers[i].err)
				}
			}
			if took := time.Since(begin); took > time.Second && n <= maxAttempts || took > 5*time.Second {
				t.Errorf("%d handshakes took %v", n, took)
			}
			for i := range n {
				wantTalk(t, "beside others", clients[i], servers[i])
			}
			for i := range n {
				clients[i].Close()
				wantEnd(t, "closed beside others", servers[i], io.EOF)
			}
		})
	}
}

// A peer with the wrong certificate is refused, if not at once.
func TestUnwantedCertificate(t *testing.T) {
	for _, client := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			up, down := newWay(t), newWay(t)
			cc, sc := Config{Client: true, DTLS: dtlsConfig(t)}, Config{DTLS: dtlsConfig(t)}
			if client {
				cc = wants(cc, nil)
			} else {
				sc = wants(sc, nil)
			}
			c, s := newParty(cc, down, up), newParty(sc, up, down)
			start := time.Now()
			begin(t, c, s, up, down)
			victim := s
			if client {
				victim = c
			}
			<-victim.done
			if took := time.Since(start); !errors.Is(victim.err, errUnwanted) || took < refusalPatience || took > refusalPatience+200*time.Millisecond {
				t.Errorf("client=%v: %v after %v", client, victim.err, took)
			}
			c.Close()
			s.Close()
			<-c.done
			<-s.done
		})
	}
}

// A server answers so many ClientHellos, and leaves nothing of them behind; the one that was there first goes on.
func TestClientHellosAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		n := 0
		up.setTamper(func(d []byte) [][]byte {
			out := [][]byte{d}
			for range 3 * maxAttempts {
				if d[headerSize] == messageClientHello {
					n++
					d = bytes.Clone(d)
					randomOf(d[headerSize:])[0]++
					out = append(out, d)
				}
			}
			return out
		})
		connect(t, c, s, up, down)
		up.setTamper(nil)
		wantTalk(t, "among hellos", c, s)
		if got := s.Stats().Dropped.NoRoom; n == 0 || got < uint64(n)/2 {
			t.Errorf("%d of %d were dropped", got, n)
		}
	})
}

// A library that asks for a cookie gets its second ClientHello.
func TestCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := dtlsConfig(t)
		sc.InsecureSkipVerifyHello = false
		c, s, up, down := newParties(t, nil, sc)
		connect(t, c, s, up, down)
		wantTalk(t, "with a cookie", c, s)
	})
}

// ClientHellos that nobody sent so, before, behind and around the one of a client that is there: it connects soon.
func TestSpoofedClientHello(t *testing.T) {
	for desc, spoof := range map[string]func(hello []byte) []byte{
		"with the number of a later message": func(hello []byte) []byte {
			hello[headerSize+5] = maxMessages - 1
			hello[headerSize+messageHeader+2]++ // random
			return hello
		},
		"as if it had a cookie": func(hello []byte) []byte {
			hello[headerSize+5]++
			return hello
		},
		"with its random and something else": func(hello []byte) []byte {
			hello[len(hello)-1]++ // as the fragments of two would give; the last extension is that of the extended master secret
			hello[headerSize+messageHeader+34+2+1] ^= 0x40
			return hello
		},
	} {
		for _, where := range []string{"before", "behind", "around"} {
			t.Run(desc+"/"+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, s, up, down := newParties(t, nil, nil)
					up.setTamper(func(d []byte) [][]byte {
						if d[headerSize] != messageClientHello {
							return [][]byte{d}
						}
						out, spoofed := [][]byte{d}, [][]byte{spoof(bytes.Clone(d))}
						if where != "behind" {
							out = slices.Concat(spoofed, out)
						}
						if where != "before" {
							out = slices.Concat(out, spoofed)
						}
						return out
					})
					begin := time.Now()
					connect(t, c, s, up, down)
					if took := time.Since(begin); took > 200*time.Millisecond {
						t.Errorf("took %v", took)
					}
					wantTalk(t, desc, c, s)
				})
			})
		}
	}
}

// Flights of others cost so many verifications, and repetitions of one none; until then the peer's own is found.
func TestChecksAreBounded(t *testing.T) {
	for _, flights := range []int{maxChecks / 2, 10 * maxChecks} {
		for _, same := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				c, s, up, down := newParties(t, nil, nil)
				up.setTamper(func(d []byte) (out [][]byte) {
					if d[headerSize] == messageCertificate {
						records := split(d)
						at := slices.IndexFunc(records, func(r []byte) bool { return r[headerSize] == messageCertificateVerify })
						for i := range flights {
							for j, record := range records[:at+1] {
								record = bytes.Clone(record)
								if j == 1 { // ClientKeyExchange, which is signed
									record[len(record)-1]++
									if !same {
										binary.BigEndian.PutUint16(record[len(record)-3:], uint16(i))
									}
								}
								out = append(out, record)
							}
						}
					}
					return append(out, d)
				})
				begin(t, c, s, up, down)
				<-s.done
				if limit := maxChecks; s.receive.checks > limit || same && s.receive.checks > 2 {
					t.Errorf("%d verifications", s.receive.checks)
				}
				if found := s.err == nil; found != (same || flights < maxChecks) {
					t.Errorf("among %d flights, the same: %v: %v", flights, same, s.err)
				}
				c.Close()
				<-c.done
			})
		}
	}
}

// A signature is not verified with a key that is as long as the handshake lets it be.
func TestLargeKey(t *testing.T) {
	signer := newECDSA(t)
	key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 50_000*8-1), E: 1<<31 - 1}
	key.N.SetBit(key.N, 0, 1)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key, signer.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	size := len(der) + 3
	body := slices.Concat([]byte{byte(size >> 16), byte(size >> 8), byte(size), 0, byte(len(der) >> 8), byte(len(der))}, der)
	large := func(d []byte) (out [][]byte) {
		for _, record := range split(d) {
			switch record[headerSize] {
			case messageCertificate:
				for at := 0; at < len(body); at += 1000 {
					part := body[at:min(at+1000, len(body))]
					out = append(out, plainRecord(typeHandshake, uint64(100+at), fragmentOf(messageCertificate, numberOf(record[headerSize:]), len(body), at, part...)...))
				}
			case messageServerKeyExchange, messageCertificateVerify: // with RSA
				signature := 0
				if record[headerSize] == messageServerKeyExchange {
					signature = 4 + int(record[headerSize+messageHeader+3])
				}
				record[headerSize+messageHeader+signature+1] = 1
				fallthrough
			default:
				out = append(out, record)
			}
		}
		return out
	}
	for _, client := range []bool{true, false} {
		for _, contested := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				up, down := newWay(t), newWay(t)
				cfg := func(client bool) Config {
					return Config{Client: client, DTLS: dtlsConfig(t), Contested: func() bool { return contested }}
				}
				c, s := newParty(cfg(true), down, up), newParty(cfg(false), up, down)
				victim, way := s, up
				if client {
					victim, way = c, down
				}
				way.setTamper(large)
				start := time.Now()
				begin(t, c, s, up, down)
				<-victim.done
				if took := time.Since(start); victim.err != errLargeKey || took > refusalPatience+200*time.Millisecond {
					t.Errorf("client=%v, contested=%v: %v after %v", client, contested, victim.err, took)
				}
				c.Close()
				s.Close()
				<-c.done
				<-s.done
			})
		}
	}
}

// The beginning of a message as long as all may be, from nobody: what is due takes its place.
func TestSpoofedLongMessage(t *testing.T) {
	for number := range uint16(maxAhead) {
		synctest.Test(t, func(t *testing.T) {
			c, s, up, down := newParties(t, nil, nil)
			for _, w := range []*way{up, down} {
				w.setTamper(func(d []byte) [][]byte {
					return [][]byte{plainRecord(typeHandshake, 1<<40, fragmentOf(messageCertificate, number, maxMessageBytes, 0, 1)...), d}
				})
			}
			connect(t, c, s, up, down)
			up.setTamper(nil)
			down.setTamper(nil)
			wantTalk(t, "beside a long message", c, s)
		})
	}
}
