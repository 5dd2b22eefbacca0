package dtlsrecord

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxDatagram is the largest datagram that the library reads whole.
	maxDatagram = 8192

	// maxQueued bounds the datagrams that wait for the library.
	maxQueued = 512

	// fragmentSize is into how many bytes long messages are cut for the library.
	fragmentSize = 4096
)

// shim is the net.Conn under the library. Its deadlines work, which those of an ICE
// connection do not, and closing it ends nothing but the library.
type shim struct {
	write func(datagram []byte) // does not wait, does not fail

	closeOnce sync.Once
	closed    chan struct{}
	readable  chan struct{} // capacity 1: the queue may have become non-empty
	deadline  readDeadline
	ending    atomic.Bool // see willClose

	mu    sync.Mutex
	queue [][]byte

	// The rest belongs to who delivers.
	sequence uint64 // of the next record in epoch 0 that is made for the library
	pending  []byte // records of one datagram
}

func newShim(write func([]byte)) *shim {
	return &shim{write: write, closed: make(chan struct{}), readable: make(chan struct{}, 1)}
}

// deliverMessage hands a handshake message of epoch 0 to the library, in records
// made for it; flush must follow.
func (h *shim) deliverMessage(message []byte) {
	header, body := message[:messageHeader], message[messageHeader:]
	for offset := 0; ; {
		n := min(len(body)-offset, fragmentSize)
		part := make([]byte, 0, messageHeader+n)
		part = append(part, header[:6]...)
		part = append(part, byte(offset>>16), byte(offset>>8), byte(offset), byte(n>>16), byte(n>>8), byte(n))
		part = append(part, body[offset:offset+n]...)
		h.deliverPlain(typeHandshake, part)
		if offset += n; offset == len(body) {
			return
		}
	}
}

// deliverPlain makes a record of epoch 0 for the library.
func (h *shim) deliverPlain(contentType byte, body []byte) {
	record := make([]byte, headerSize, headerSize+len(body))
	putHeader(record, contentType, h.sequence, len(body))
	h.sequence++
	h.deliver(append(record, body...))
}

// deliver puts a record into the datagram that flush hands to the library.
func (h *shim) deliver(record []byte) {
	if len(h.pending)+len(record) > maxDatagram {
		h.flush()
	}
	h.pending = append(h.pending, record...)
}

// flush queues what was delivered for the library; ok is false if there is no room.
func (h *shim) flush() (ok bool) {
	if len(h.pending) == 0 {
		return true
	}
	h.mu.Lock()
	ok = len(h.queue) < maxQueued
	if ok {
		h.queue = append(h.queue, h.pending)
	}
	h.mu.Unlock()
	h.pending = nil
	select {
	case h.readable <- struct{}{}:
	default:
	}
	return ok
}

func (h *shim) pop() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return nil
	}
	b := h.queue[0]
	h.queue[0] = nil
	if h.queue = h.queue[1:]; len(h.queue) == 0 {
		h.queue = nil
	}
	return b
}

// Read returns one datagram. It has one caller, the library's reader.
func (h *shim) Read(p []byte) (int, error) {
	for {
		select {
		case <-h.closed:
			return 0, net.ErrClosed
		case <-h.deadline.passed():
			return 0, os.ErrDeadlineExceeded
		default:
		}
		if b := h.pop(); b != nil {
			if len(b) > len(p) {
				return 0, io.ErrShortBuffer
			}
			return copy(p, b), nil
		}
		select {
		case <-h.readable:
		case <-h.deadline.passed():
		case <-h.closed:
		}
	}
}

// Write takes a datagram of the library. It may not come to anything, as in a network.
func (h *shim) Write(p []byte) (int, error) {
	h.write(p)
	return len(p), nil
}

// Close ends reading.
func (h *shim) Close() error {
	h.closeOnce.Do(func() { close(h.closed) })
	return nil
}

// The library asks for addresses only to name sessions that it stores.
func (h *shim) LocalAddr() net.Addr  { return &net.UDPAddr{} }
func (h *shim) RemoteAddr() net.Addr { return &net.UDPAddr{} }

// SetReadDeadline bounds Read.
func (h *shim) SetReadDeadline(t time.Time) error {
	if !h.ending.Load() {
		h.deadline.set(t)
	}
	return nil
}

// willClose announces that the library is about to close. Its reader, woken by a
// deadline, would close the connection before close_notify is written; from here on
// only Close wakes it.
func (h *shim) willClose() { h.ending.Store(true) }

// SetWriteDeadline does nothing: Write does not wait.
func (h *shim) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline.
func (h *shim) SetDeadline(t time.Time) error { return h.SetReadDeadline(t) }
