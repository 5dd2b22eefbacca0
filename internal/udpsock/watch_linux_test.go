package udpsock

import (
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// watching tells whether there is a set of sockets, or a goroutine that waits for it.
func watching() bool {
	theWatcher.mu.Lock()
	defer theWatcher.mu.Unlock()
	stacks := make([]byte, 1<<20)
	return theWatcher.set != nil || len(theWatcher.sockets) > 0 ||
		strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "udpsock.(*watcher).run")
}

// wantUnwatched waits until nothing is left of the watcher.
func wantUnwatched(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); watching(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("still watching")
		}
	}
}

// Await calls once for what comes, also for what is there already, and not after Close.
func TestAwait(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	a, b, c := newTestSocket(t, loopback), newTestSocket(t, loopback), newTestSocket(t, loopback)
	called := make(chan *Socket, 10)
	await := func(s *Socket) {
		t.Helper()
		if !s.Await(func() { called <- s }) {
			t.Fatal("not possible")
		}
	}
	send := func(to *Socket) {
		t.Helper()
		if _, err := c.Send([]Datagram{{Data: []byte("x"), To: at(to)}}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(why string, s *Socket) {
		t.Helper()
		if got := <-called; got != s {
			t.Errorf("%s: called for another socket", why)
		}
	}
	await(a)
	await(b)
	send(b)
	want("the first", b)
	send(b) // nobody awaits it
	send(a)
	want("the other", a)
	collect(t, b, 2, at(c))
	await(b)
	send(b)
	want("again", b)
	await(a) // it has something
	want("what is there", a)
	a.Close()
	if a.Await(func() { t.Error("called") }) {
		t.Error("a closed socket is awaited")
	}
	collect(t, b, 1, at(c))
	await(b)
	b.Close()
	wantUnwatched(t)
	select {
	case <-called:
		t.Error("called for a socket that was closed")
	default:
	}
}

// Sockets that come and go at the same time are told apart, and the last takes all with it.
func TestAwaitMany(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	from := newTestSocket(t, loopback)
	var mu sync.Mutex // of from
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				s := newTestSocket(t, loopback)
				called := make(chan bool, 2)
				for range 2 {
					if !s.Await(func() { called <- true }) {
						t.Error("not possible")
						return
					}
					mu.Lock()
					from.Send([]Datagram{{Data: []byte{byte(i)}, To: at(s)}})
					mu.Unlock()
					<-called
					runs, err := s.Receive()
					if err != nil || len(runs) != 1 || runs[0].Data[0] != byte(i) {
						t.Errorf("%v, %v", runs, err)
					}
				}
				s.Close()
			}
		})
	}
	wg.Wait()
	wantUnwatched(t)
}
