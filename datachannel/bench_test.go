package datachannel

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// benchPipe is one end of a transport in memory without delay: packets wait in a
// Go channel, and are lost when it is full.
type benchPipe struct {
	net.Conn // nil: for the methods that are not called
	in, out  chan []byte
	pool     *sync.Pool
	closed   chan struct{}
	once     sync.Once
}

func newBenchPipes() (a, b *benchPipe) {
	x, y := make(chan []byte, 1024), make(chan []byte, 1024)
	pool := &sync.Pool{New: func() any { return new([2048]byte) }}
	a = &benchPipe{in: x, out: y, pool: pool, closed: make(chan struct{})}
	return a, &benchPipe{in: y, out: x, pool: pool, closed: make(chan struct{})}
}

func (p *benchPipe) Write(b []byte) (int, error) {
	buf := p.pool.Get().(*[2048]byte)
	select {
	case p.out <- buf[:copy(buf[:], b)]:
	default:
	}
	return len(b), nil
}

func (p *benchPipe) Read(b []byte) (int, error) {
	select {
	case packet := <-p.in:
		n := copy(b, packet)
		p.pool.Put((*[2048]byte)(packet[:2048]))
		return n, nil
	case <-p.closed:
		return 0, io.EOF
	}
}

func (p *benchPipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// BenchmarkMessages sends messages through a channel as fast as they go, and takes
// them by either face.
func BenchmarkMessages(b *testing.B) {
	for _, face := range []string{"callback", "blocking"} {
		for _, size := range []int{64, 1024, 65536} {
			b.Run(fmt.Sprintf("%s/%d", face, size), func(b *testing.B) { benchmarkMessages(b, face, size) })
		}
	}
}

func benchmarkMessages(b *testing.B, face string, size int) {
	pa, pb := newBenchPipes()
	sa, err := New(pa, Config{}, Params{DTLSClient: true})
	if err != nil {
		b.Fatal(err)
	}
	sb, err := New(pb, Config{}, Params{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		sa.Abort("")
		sb.Abort("")
		<-sa.conn.Done()
		<-sb.conn.Done()
	}()
	from, err := sa.CreateChannel("", nil)
	if err != nil {
		b.Fatal(err)
	}
	to, err := sb.Accept(background)
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	n := 0
	count := func() {
		if n++; n == b.N {
			close(done)
		}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	if face == "callback" {
		to.OnMessage(func(Message) { count() })
	} else {
		go func() {
			for range b.N {
				if _, err := to.ReadMessage(background); err != nil {
					b.Error(err)
					return
				}
				count()
			}
		}()
	}
	data := make([]byte, size)
	for range b.N {
		if err := from.WriteMessage(background, data, false); err != nil {
			b.Fatal(err)
		}
	}
	<-done
}
