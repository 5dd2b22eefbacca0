package main

import (
	"context"
	"io"
	"sync"
	"testing"
)

// memPipe is one end of a data channel in memory. buffer is how many messages
// may wait for the reader before WriteMessage blocks.
type memPipe struct {
	in, out chan memMessage
	gone    *memGone // shared by both ends
}

type memMessage struct {
	data   []byte
	isText bool
}

type memGone struct {
	once sync.Once
	c    chan struct{}
}

func memPipes(buffer int) (a, b *memPipe) {
	x, y := make(chan memMessage, buffer), make(chan memMessage, buffer)
	gone := &memGone{c: make(chan struct{})}
	return &memPipe{x, y, gone}, &memPipe{y, x, gone}
}

func (p *memPipe) ReadMessage(ctx context.Context) ([]byte, bool, error) {
	select { // what was written before the close arrives
	case m := <-p.in:
		return m.data, m.isText, nil
	default:
	}
	select {
	case m := <-p.in:
		return m.data, m.isText, nil
	case <-p.gone.c:
		select { // both were ready
		case m := <-p.in:
			return m.data, m.isText, nil
		default:
			return nil, false, io.EOF
		}
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func (p *memPipe) WriteMessage(ctx context.Context, data []byte, isText bool) error {
	m := memMessage{append([]byte(nil), data...), isText}
	select {
	case <-p.gone.c:
		return io.ErrClosedPipe
	default:
	}
	select {
	case p.out <- m:
		return nil
	case <-p.gone.c:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *memPipe) TrySend(data []byte) bool {
	select {
	case p.out <- memMessage{append([]byte(nil), data...), true}:
		return true
	default:
		return false
	}
}

func (p *memPipe) Close() error {
	p.gone.once.Do(func() { close(p.gone.c) })
	return nil
}

// wire is a connection in memory: the far ends of its channels.
type wire struct {
	t          *testing.T
	link       *link
	chat, live *memPipe
	mu         sync.Mutex
	pipes      []*memPipe
}

// newWire connects to the room. buffer is that of its chat channel.
func newWire(t *testing.T, r *room, buffer int) (*wire, error) {
	w := &wire{t: t}
	l, err := r.connect(w.cut)
	if err != nil {
		return nil, err
	}
	w.link = l
	w.chat = w.open(labelChat, buffer)
	w.live = w.open(labelLive, 64)
	return w, nil
}

func (w *wire) open(label string, buffer int) *memPipe {
	near, far := memPipes(buffer)
	w.mu.Lock()
	w.pipes = append(w.pipes, near)
	w.mu.Unlock()
	w.link.attach(label, far)
	return near
}

// cut ends the connection as a killed tab does.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pipes {
		p.Close()
	}
}
