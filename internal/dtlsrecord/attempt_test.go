package dtlsrecord

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
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
	for _, n := range []int{1, 2, 3, maxAttempts, 2 * maxAttempts} {
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
