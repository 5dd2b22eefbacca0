package dtlsrecord

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/logging"
)

// silent logs nothing.
type silent struct{ logging.LeveledLogger }

func (silent) NewLogger(string) logging.LeveledLogger { return silent{} }
func (silent) Trace(string)                           {}
func (silent) Tracef(string, ...any)                  {}
func (silent) Debug(string)                           {}
func (silent) Debugf(string, ...any)                  {}
func (silent) Info(string)                            {}
func (silent) Infof(string, ...any)                   {}
func (silent) Warn(string)                            {}
func (silent) Warnf(string, ...any)                   {}
func (silent) Error(string)                           {}
func (silent) Errorf(string, ...any)                  {}

// newCertificate returns a self-signed certificate for a key.
func newCertificate(t testing.TB, key crypto.Signer) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newECDSA(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newCertificate(t, key)
}

// dtlsConfig is what the root package uses, as far as it matters here.
func dtlsConfig(t testing.TB) *dtls.Config {
	return &dtls.Config{
		Certificates: []tls.Certificate{newECDSA(t)},
		CipherSuites: []dtls.CipherSuiteID{0xC02B, 0xC02F, 0xC02C, 0xC030},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384,
			tls.PKCS1WithSHA256, tls.PKCS1WithSHA384},
		ClientAuth: dtls.RequireAnyClientCert, InsecureSkipVerify: true,
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret, InsecureSkipVerifyHello: true,
		FlightInterval: 50 * time.Millisecond, LoggerFactory: silent{},
	}
}

// A way is one direction of a network in memory: datagrams go to the other end in
// order, after a delay, unless tamper makes something else of them.
type way struct {
	to    func(datagrams [][]byte)
	delay time.Duration

	mu     sync.Mutex
	tamper func(datagram []byte) [][]byte // nil passes everything
	seen   [][]byte                       // what was sent
	closed bool

	ch      chan []byte
	stopped chan struct{}
}

func newWay(t testing.TB) *way {
	w := &way{ch: make(chan []byte, 4096), stopped: make(chan struct{})}
	t.Cleanup(func() {
		w.mu.Lock()
		w.closed = true
		close(w.ch)
		w.mu.Unlock()
		<-w.stopped
	})
	return w
}

func (w *way) run() {
	defer close(w.stopped)
	for b := range w.ch {
		if w.delay > 0 {
			<-time.After(w.delay)
		}
		w.to([][]byte{b})
	}
}

// send is Config.Send.
func (w *way) send(datagrams [][]byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range datagrams {
		w.seen = append(w.seen, bytes.Clone(d))
		out := [][]byte{d}
		if w.tamper != nil {
			out = w.tamper(bytes.Clone(d))
		}
		for _, b := range out {
			if !w.closed {
				w.ch <- bytes.Clone(b)
			}
		}
	}
	return 0, nil
}

func (w *way) setTamper(f func(datagram []byte) [][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tamper = f
}

// inject puts a datagram on the way that nobody sent.
func (w *way) inject(datagram []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ch <- bytes.Clone(datagram)
}

// sent returns what was sent so far.
func (w *way) sent() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// A party is one end in a test: a Session and what it has received.
type party struct {
	*Session
	got  chan []byte
	end  chan error
	err  error // of the handshake
	done chan struct{}
}

func newParty(cfg Config, in, out *way) *party {
	cfg.Send = out.send
	p := &party{Session: New(cfg), got: make(chan []byte, 1024), end: make(chan error, 10), done: make(chan struct{})}
	in.to = p.HandleDatagrams
	p.Receive(p.take)
	return p
}

// take is the receiver.
func (p *party) take(payloads [][]byte, err error) {
	for _, b := range payloads {
		p.got <- bytes.Clone(b)
	}
	if err != nil {
		p.end <- err
	}
}

func (p *party) run(ctx context.Context) {
	go func() {
		defer close(p.done)
		p.err = p.Handshake(ctx)
	}()
}

// newParties returns a client and a server, not yet connected. Configs are nil for
// the usual one.
func newParties(t testing.TB, client, server *dtls.Config) (c, s *party, up, down *way) {
	t.Helper()
	if client == nil {
		client = dtlsConfig(t)
	}
	if server == nil {
		server = dtlsConfig(t)
	}
	up, down = newWay(t), newWay(t)
	c = newParty(Config{Client: true, DTLS: client}, down, up)
	s = newParty(Config{DTLS: server}, up, down)
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c, s, up, down
}

// connect runs the handshake and fails the test unless both sides succeed.
func connect(t testing.TB, c, s *party, up, down *way) {
	t.Helper()
	begin(t, c, s, up, down)
	<-c.done
	<-s.done
	if c.err != nil || s.err != nil {
		t.Fatalf("handshake: client: %v, server: %v", c.err, s.err)
	}
}

// begin starts the handshake.
func begin(t testing.TB, c, s *party, up, down *way) {
	go up.run()
	go down.run()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	s.run(ctx)
	c.run(ctx)
}

// mustWrite sends payloads as one batch.
func mustWrite(t testing.TB, to *party, payloads ...[]byte) {
	t.Helper()
	before, after := to.Room()
	var buf []byte
	for _, p := range payloads {
		buf = slices.Concat(buf, make([]byte, before), p, make([]byte, after))
	}
	var frames [][]byte
	for _, p := range payloads {
		n := before + len(p) + after
		frames, buf = append(frames, buf[:n:n]), buf[n:]
	}
	if lost, err := to.WriteInPlace(frames); lost != 0 || err != nil {
		t.Fatalf("WriteInPlace = %d, %v", lost, err)
	}
}

// want fails the test unless these payloads come next.
func want(t testing.TB, why string, from *party, payloads ...[]byte) {
	t.Helper()
	for i, p := range payloads {
		select {
		case got := <-from.got:
			if !bytes.Equal(got, p) {
				t.Fatalf("%s: payload %d has %d bytes, want %d", why, i, len(got), len(p))
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: payload %d did not come", why, i)
		}
	}
}

// wantTalk checks that both directions work.
func wantTalk(t testing.TB, why string, c, s *party) {
	t.Helper()
	mustWrite(t, c, []byte("up 1"), []byte("up two"))
	want(t, why+", up", s, []byte("up 1"), []byte("up two"))
	mustWrite(t, s, []byte("down"))
	want(t, why+", down", c, []byte("down"))
}

// wantEnd fails the test unless the Session ends with an error that is want.
func wantEnd(t testing.TB, why string, p *party, want error) {
	t.Helper()
	select {
	case err := <-p.end:
		if !errors.Is(err, want) {
			t.Errorf("%s: ended with %v, want %v", why, err, want)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("%s: did not end", why)
	}
}

func TestSession(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	withRSA := newCertificate(t, key)
	for id, known := range suites {
		t.Run(known.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cc, sc := dtlsConfig(t), dtlsConfig(t)
				cc.CipherSuites = []dtls.CipherSuiteID{dtls.CipherSuiteID(id)}
				if id == 0xC02F || id == 0xC030 {
					sc.Certificates = []tls.Certificate{withRSA}
				}
				c, s, up, down := newParties(t, cc, sc)
				connect(t, c, s, up, down)
				for _, p := range []*party{c, s} {
					if before, after := p.Room(); before != Before || after != After || p.CipherSuite() != known.name {
						t.Errorf("room %d and %d, suite %s", before, after, p.CipherSuite())
					}
				}
				if got := c.PeerCertificates(); len(got) != 1 || !bytes.Equal(got[0], sc.Certificates[0].Certificate[0]) {
					t.Error("the client sees another certificate than the server's")
				}
				if got := s.PeerCertificates(); len(got) != 1 || !bytes.Equal(got[0], cc.Certificates[0].Certificate[0]) {
					t.Error("the server sees another certificate than the client's")
				}
				x, err := c.Export("EXPORTER-test", nil, 32)
				y, err2 := s.Export("EXPORTER-test", nil, 32)
				if err != nil || err2 != nil || len(x) != 32 || !bytes.Equal(x, y) {
					t.Errorf("exported %x, %v and %x, %v", x, err, y, err2)
				}
				for _, size := range []int{1, 15, 1200, 8000, MaxPayload} {
					b := bytes.Repeat([]byte{byte(size)}, size)
					mustWrite(t, c, b, b[:1], b)
					want(t, "up", s, b, b[:1], b)
					mustWrite(t, s, b)
					want(t, "down", c, b)
				}
				if n, err := s.Write([]byte("a copy")); n != 6 || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
				want(t, "a copy", c, []byte("a copy"))
				cs, ss := c.Stats(), s.Stats()
				if cs.Sent != 15 || ss.Received != 15 || ss.Sent != 6 || cs.Received != 6 || cs.Dropped.Total()+ss.Dropped.Total() != 0 {
					t.Errorf("client %+v, server %+v", cs, ss)
				}
			})
		})
	}
}

// Either side may close: the other one is told (5246-7.2.1), and answers.
func TestSessionClose(t *testing.T) {
	for _, closer := range []string{"client", "server"} {
		synctest.Test(t, func(t *testing.T) {
			c, s, up, down := newParties(t, nil, nil)
			connect(t, c, s, up, down)
			closing, other, back := c, s, down
			if closer == "server" {
				closing, other, back = s, c, up
			}
			mustWrite(t, closing, []byte("last words"))
			before := len(back.sent())
			for range 3 {
				if err := closing.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			}
			want(t, "before close_notify", other, []byte("last words"))
			wantEnd(t, closer+" closes", other, io.EOF)
			synctest.Wait()
			if n := len(back.sent()) - before; n != 1 {
				t.Errorf("close_notify was answered with %d datagrams", n)
			}
			select {
			case err := <-closing.end:
				t.Errorf("who closed was told %v", err)
			case err := <-other.end:
				t.Errorf("who was closed was told twice, the second time %v", err)
			default:
			}
			for _, p := range []*party{c, s} {
				if n, err := p.Write([]byte("x")); n != 0 || err != net.ErrClosed {
					t.Errorf("Write after the end = %d, %v", n, err)
				}
				if _, err := p.Export("EXPORTER-test", nil, 1); err != net.ErrClosed {
					t.Errorf("Export after the end: %v", err)
				}
			}
			if got := closing.Stats().Dropped.Late; got != 1 {
				t.Errorf("%d datagrams came late, want the answer alone", got)
			}
		})
	}
}
