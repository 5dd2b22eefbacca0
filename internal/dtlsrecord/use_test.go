package dtlsrecord

import (
	"bytes"
	"io"
	"net"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"
)

// The receiver may close, and several may at once.
func TestCloseWithinReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		connect(t, c, s, up, down)
		sealing, opening := reflect.ValueOf(s.send.sealer.aead).Elem(), reflect.ValueOf(s.receive.opener.aead).Elem()
		calls := 0
		s.Receive(func(payloads [][]byte, err error) {
			calls++
			go s.Close()
			s.Close()
		})
		mustWrite(t, c, []byte("a"), []byte("b"))
		wantEnd(t, "closed from within", c, io.EOF)
		synctest.Wait()
		if calls != 1 {
			t.Errorf("the receiver was called %d times", calls)
		}
		if s.receive.opener != nil || s.send.sealer != nil || s.secrets.Master != [48]byte{} || !sealing.IsZero() || !opening.IsZero() {
			t.Error("keys are left")
		}
	})
}

func TestSessionAllocatesNothing(t *testing.T) {
	c, s, up, down := newParties(t, nil, nil)
	connect(t, c, s, up, down)
	frames := make([][]byte, 16)
	buf := make([]byte, len(frames)*(Before+1200+After))
	for i := range frames {
		frames[i] = buf[:Before+1200+After]
		buf = buf[len(frames[i]):]
	}
	got := 0
	s.Receive(func(payloads [][]byte, err error) { got += len(payloads) })
	up.mu.Lock() // the way is not used: nothing but these two goes on
	defer up.mu.Unlock()
	c.cfg.Send = func(datagrams [][]byte) (int, error) {
		s.HandleDatagrams(datagrams)
		return 0, nil
	}
	allocs := testing.AllocsPerRun(200, func() {
		if lost, err := c.WriteInPlace(frames); lost != 0 || err != nil {
			t.Fatal(lost, err)
		}
	})
	if allocs > 0 || got != 201*len(frames) {
		t.Errorf("%v allocations for %d records; %d came", allocs, len(frames), got)
	}
}

// Keys that are made just when the Session ends are erased, too.
func TestEndWhileKeysAreMade(t *testing.T) {
	s := New(Config{Send: func([][]byte) (int, error) { return 0, nil }})
	s.receive.mu.Lock() // as setKeys does
	s.Close()
	sealer, opener := newEnds(t, 0xC02B)
	s.secrets.Master[0] = 1
	s.send.sealer, s.receive.opener = sealer, opener
	s.release(nil)
	if s.send.sealer != nil || s.receive.opener != nil || sealer.aead != nil || opener.aead != nil || s.secrets.Master[0] != 0 {
		t.Error("keys are left")
	}
}

// Closing does not wait for a Send that does not return, for want of room in a socket
// perhaps: closing may be what ends it. The close_notify follows if Send returns.
func TestCloseWhileSending(t *testing.T) {
	c, s := quietPair(t, dtlsConfig(t), dtlsConfig(t))
	blocked, release := make(chan struct{}), make(chan struct{})
	var sent [][]byte
	c.cfg.Send = func(datagrams [][]byte) (int, error) {
		sent = append(sent, bytes.Clone(datagrams[0]))
		if len(sent) == 1 {
			close(blocked)
			<-release
		}
		return 0, nil
	}
	var writing sync.WaitGroup
	writing.Go(func() { c.Write([]byte("slow")) })
	<-blocked
	end := make(chan error, 10)
	s.Receive(func(payloads [][]byte, err error) {
		if err != nil {
			end <- err
		}
	})
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.Receive(func([][]byte, error) {})
		c.Close()
		c.HandleDatagrams([][]byte{plainRecord(typeApplicationData, 1<<48, 1)})
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("Close waits for Send")
	}
	close(release)
	writing.Wait()
	<-closed
	if c.send.sealer != nil || c.receive.opener != nil || len(sent) != 2 {
		t.Fatalf("keys are left, or %d datagrams sent", len(sent))
	}
	s.HandleDatagrams(sent)
	if err := <-end; err != io.EOF {
		t.Errorf("the peer: %v", err)
	}
}

// What is exported while the Session ends is of its keys or nothing: never of those that
// erasing leaves, which everybody knows.
func TestExportWhileEnding(t *testing.T) {
	for range 200 {
		s := New(Config{Send: func([][]byte) (int, error) { return 0, nil }})
		s.secrets = Secrets{Suite: 0xC02B, Master: [48]byte{1}}
		close(s.writable)
		want, err := s.Export("EXPORTER-test", nil, 8)
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock() // as conclude does; Export gets there meanwhile, or not
		var exporting sync.WaitGroup
		exporting.Go(func() {
			got, err := s.Export("EXPORTER-test", nil, 8)
			if err == nil && !bytes.Equal(got, want) || err != nil && err != net.ErrClosed {
				t.Errorf("exported %x, %v; want %x or nothing", got, err, want)
			}
		})
		for range 100 {
			runtime.Gosched()
		}
		s.ended.Store(&ending{err: net.ErrClosed, local: true})
		clear(s.secrets.Master[:])
		s.mu.Unlock()
		exporting.Wait()
	}
}

// Whatever the library says twice: numbers, and so nonces, do not begin again (RFC
// 5288, section 3).
func TestKeysAreMadeOnce(t *testing.T) {
	s := New(Config{Send: func([][]byte) (int, error) { return 0, nil }})
	s.secrets.Suite = 0xC02B
	s.setKeys([32]byte{1}, [48]byte{2})
	sealer := s.send.sealer
	s.send.appendSealed(nil, typeAlert, []byte{1, 0})
	s.setKeys([32]byte{1}, [48]byte{2})
	if s.send.sealer != sealer || sealer.next != 1 {
		t.Error("the same keys and their numbers from the beginning")
	}
}

// Everything at once, from many goroutines, until it is closed: for the race detector.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, up, down := newParties(t, nil, nil)
		connect(t, c, s, up, down)
		var working sync.WaitGroup
		for _, p := range []*party{c, s} {
			p.Receive(func([][]byte, error) { p.Stats() })
			for i := range 4 {
				working.Go(func() {
					for j := 0; ; j++ {
						if _, err := p.Write([]byte{byte(i), byte(j)}); err != nil {
							return
						}
						if j%64 == 0 {
							p.Export("EXPORTER-test", nil, 4)
							p.PeerCertificates()
							p.HandleDatagrams([][]byte{plainRecord(typeApplicationData, 1<<48|uint64(j), make([]byte, 60)...)})
							p.Receive(func([][]byte, error) {})
						}
						if i == 3 && j == 300 {
							c.Close()
						}
					}
				})
			}
		}
		working.Wait()
	})
}

// Once the handshake is over a Session is small: nothing of the library is left.
func TestSessionMemory(t *testing.T) {
	const sessions = 50
	var kept [2 * sessions]*Session
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	cc, sc := dtlsConfig(t), dtlsConfig(t)
	goroutines := runtime.NumGoroutine()
	before := heap()
	for i := range sessions {
		c, s := quietPair(t, cc, sc)
		kept[2*i], kept[2*i+1] = c, s
	}
	after := heap()
	if per := (after - min(before, after)) / (2 * sessions); per > 8<<10 {
		t.Errorf("a session takes %d bytes", per)
	} else {
		t.Logf("a session takes %d bytes", per)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 0 {
		t.Errorf("%d goroutines for %d sessions", n, len(kept))
	}
	runtime.KeepAlive(&kept)
}

// quietPair connects two Sessions by channels that are used as long as the handshake
// lasts.
func quietPair(t testing.TB, client, server *dtls.Config) (c, s *Session) {
	t.Helper()
	up, down, done := make(chan []byte, 100), make(chan []byte, 100), make(chan struct{})
	to := func(ch chan []byte) func([][]byte) (int, error) {
		return func(datagrams [][]byte) (int, error) {
			for _, d := range datagrams {
				select {
				case ch <- bytes.Clone(d):
				default:
				}
			}
			return 0, nil
		}
	}
	alone := func() bool { return false }
	c = New(Config{Client: true, DTLS: client, Send: to(up), Contested: alone})
	s = New(Config{DTLS: server, Send: to(down), Contested: alone})
	pump := func(from chan []byte, to *Session) {
		for {
			select {
			case d := <-from:
				to.HandleDatagrams([][]byte{d})
			case <-done:
				return
			}
		}
	}
	var pumps, handshakes sync.WaitGroup
	pumps.Go(func() { pump(up, s) })
	pumps.Go(func() { pump(down, c) })
	for _, p := range []*Session{c, s} {
		handshakes.Go(func() {
			if err := p.Handshake(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	handshakes.Wait()
	close(done)
	pumps.Wait()
	none := func([][]byte) (int, error) { return 0, nil }
	c.cfg.Send, s.cfg.Send = none, none
	return c, s
}
