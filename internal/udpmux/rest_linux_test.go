package udpmux

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
)

// reading counts the goroutines that read ports.
func reading() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "udpmux.(*Mux).read(")
}

// A port at which nothing comes in has no goroutine, until something does; a shared one has
// its own.
func TestPortRests(t *testing.T) {
	m := New(Config{})
	defer m.Close()
	s := m.NewSession(false)
	defer s.Close()
	a := s.NewAgent()
	if err := a.Listen([]netip.Addr{loopback[0]}, 0, 0); err != nil {
		t.Fatal(err)
	}
	x := newPeer(t)
	if err := s.SetPath(m.Addrs()[0], x.addr()); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	s.Receive(func(datagrams [][]byte) {
		for _, d := range datagrams {
			got <- string(d)
		}
	})
	for range 3 {
		eventually(t, "nobody reads", func() bool { return reading() == 0 })
		for _, what := range []string{"one", "two"} {
			x.send(m, record(what))
			if d := <-got; d != string(record(what)) {
				t.Errorf("got %q", d)
			}
		}
		if n := reading(); n > 1 { // none where the test has had no turn for a while
			t.Errorf("%d goroutines read", n)
		}
	}
	shared := newTestMux(t, loopback[0])
	eventually(t, "only the shared port is read", func() bool { return reading() == 1 })
	m.Close()
	x.send(shared, record("nobody's"))
	eventually(t, "it is", func() bool { return shared.Stats().Strangers == 1 })
}
