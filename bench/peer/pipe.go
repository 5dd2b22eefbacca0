package main

import (
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"
)

// A pipe is one end of a connection in memory that keeps packets apart. Both stacks
// of Go run over it: a goroutine of each end reads. It takes batches, too.
type pipe struct {
	peer *pipe

	mu       sync.Mutex
	readable sync.Cond
	queue    [][]byte // a ring
	head, n  int
	batch    [][]byte // what ReadBatch returned
	free     [][]byte
	closed   bool
	expired  bool // the read deadline
	lost     int
}

// pipeSlots is how many packets are on their way at most: more than the buffers of
// both ends hold, so that nothing is lost.
const pipeSlots = 1 << 15

// newPipe returns both ends, which hold what a handshake needs; the rings grow.
func newPipe() (a, b *pipe) {
	a, b = new(pipe), new(pipe)
	for _, p := range []*pipe{a, b} {
		p.readable.L = &p.mu
		p.queue = make([][]byte, 8)
	}
	a.peer, b.peer = b, a
	return a, b
}

func (p *pipe) put(packet []byte) {
	if p.closed || p.n == pipeSlots {
		p.lost++
		return
	}
	if p.n == len(p.queue) {
		larger := make([][]byte, 2*len(p.queue))
		for i := range p.n {
			larger[i] = p.queue[(p.head+i)%len(p.queue)]
		}
		p.queue, p.head = larger, 0
	}
	var b []byte
	if n := len(p.free); n > 0 {
		b, p.free = p.free[n-1], p.free[:n-1]
	}
	p.queue[(p.head+p.n)%len(p.queue)] = append(b[:0], packet...)
	p.n++
}

func (p *pipe) Write(packet []byte) (int, error) {
	to := p.peer
	to.mu.Lock()
	to.put(packet)
	to.readable.Signal()
	to.mu.Unlock()
	return len(packet), nil
}

// WriteBatch is for those who have several.
func (p *pipe) WriteBatch(packets [][]byte) (int, error) {
	to := p.peer
	to.mu.Lock()
	for _, packet := range packets {
		to.put(packet)
	}
	to.readable.Signal()
	to.mu.Unlock()
	return len(packets), nil
}

func (p *pipe) Read(dst []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.wait(); err != nil {
		return 0, err
	}
	b := p.take()
	n := copy(dst, b)
	p.free = append(p.free, b)
	return n, nil
}

// ReadBatch is for those who take several.
func (p *pipe) ReadBatch() ([][]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, p.batch...)
	p.batch = p.batch[:0]
	if err := p.wait(); err != nil {
		return nil, err
	}
	for p.n > 0 && len(p.batch) < batch {
		p.batch = append(p.batch, p.take())
	}
	return p.batch, nil
}

// wait waits for a packet. The lock is held, and released meanwhile.
func (p *pipe) wait() error {
	for p.n == 0 {
		switch {
		case p.closed:
			return io.EOF
		case p.expired:
			return os.ErrDeadlineExceeded
		}
		p.readable.Wait()
	}
	return nil
}

func (p *pipe) take() []byte {
	b := p.queue[p.head]
	p.head, p.n = (p.head+1)%len(p.queue), p.n-1
	return b
}

// Close ends both directions.
func (p *pipe) Close() error {
	for _, e := range []*pipe{p, p.peer} {
		e.mu.Lock()
		e.closed = true
		e.readable.Broadcast()
		e.mu.Unlock()
	}
	return nil
}

// SetReadDeadline knows deadlines that are over, and none.
func (p *pipe) SetReadDeadline(at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expired = !at.IsZero() && !at.After(time.Now())
	p.readable.Broadcast()
	return nil
}

func (p *pipe) SetDeadline(at time.Time) error   { return p.SetReadDeadline(at) }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
func (p *pipe) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (p *pipe) RemoteAddr() net.Addr             { return &net.UDPAddr{} }

// size returns the bytes that the pipe itself takes at this end.
func (p *pipe) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := int(unsafe.Sizeof(*p)) + (len(p.queue)+cap(p.free)+cap(p.batch))*int(unsafe.Sizeof([]byte(nil)))
	for _, b := range slices.Concat(p.batch, p.free) {
		n += cap(b)
	}
	return n
}
