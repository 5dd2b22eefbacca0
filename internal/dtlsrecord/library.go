package dtlsrecord

import (
	"errors"
	"io"
	"net"

	"github.com/pion/dtls/v2"
)

// writeByLibrary writes payloads where the library protects the records.
func (s *Session) writeByLibrary(payloads [][]byte) (lost int, err error) {
	s.mu.Lock()
	conn := s.library
	s.mu.Unlock()
	if conn == nil {
		return len(payloads), ErrNotReady
	}
	for i, payload := range payloads {
		if len(payload) > MaxPayload {
			return len(payloads) - i, &PayloadError{len(payload)}
		}
		_, err := conn.Write(payload)
		switch {
		case errors.Is(err, dtls.ErrConnClosed):
			return len(payloads) - i, net.ErrClosed
		case err != nil:
			return len(payloads) - i, err
		}
		s.counters.sent.Add(1)
	}
	return 0, nil
}

// readLibrary is the goroutine that hands over what the library has opened.
func (s *Session) readLibrary() {
	s.mu.Lock()
	conn := s.library
	s.mu.Unlock()
	defer conn.Close()
	buf := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buf)
		switch {
		case err == nil && n > 0:
			s.handOver(buf[:n])
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, dtls.ErrConnClosed):
			s.end(&ending{err: io.EOF}, false)
			return
		}
		// Others are of one record, a warning for example.
	}
}

// handOver gives one payload to the receiver.
func (s *Session) handOver(payload []byte) {
	b := batches.Get().(*batch)
	b.payloads = append(b.payloads, payload)
	s.receive.mu.Lock()
	s.release(b)
}
