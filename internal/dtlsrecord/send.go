package dtlsrecord

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"
)

// sending is what a Session needs to send.
type sending struct {
	mu       sync.Mutex
	sealer   *Sealer // nil before there are keys, and after the end
	own      *Opener // opens what the library seals; nil once the handshake is over
	sequence uint64  // of the next record of epoch 0
	finished []byte  // our Finished, once sent: handshake message
	writable bool    // application data may be written
	library  bool    // protects the records
	ended    bool

	frame  []byte    // one record, while the handshake runs
	single [1][]byte // a batch of one
}

// A PayloadError says that a payload does not fit into a record.
type PayloadError struct{ Size int } // bytes

func (e *PayloadError) Error() string {
	return fmt.Sprintf("dtlsrecord: a payload of %d bytes does not fit into a record of %d", e.Size, MaxPayload)
}

// Room returns how many bytes WriteInPlace needs before and after each payload. It
// does not change after the handshake.
func (s *Session) Room() (before, after int) {
	s.send.mu.Lock()
	defer s.send.unlock(s)
	if s.send.library {
		return 0, 0
	}
	return Before, After
}

// WriteInPlace seals payloads where they lie and sends them, in order: each frame is a
// payload with the room around it that Room says. It returns how many were lost, and
// the error of the last of these: that of Config.Send, or ErrNotReady, net.ErrClosed, a
// *PayloadError, a *LimitError, for all from there on; a *LimitError ends the Session.
// Frames are not kept.
func (s *Session) WriteInPlace(frames [][]byte) (lost int, err error) {
	t := &s.send
	t.mu.Lock()
	if t.library {
		t.unlock(s)
		return s.writeByLibrary(frames)
	}
	n, err := s.seal(frames)
	lost = len(frames) - n
	if n > 0 {
		unsent, sendErr := s.cfg.Send(frames[:n])
		lost += unsent
		if err == nil {
			err = sendErr
		}
	}
	t.unlock(s)
	s.counters.sent.Add(uint64(len(frames) - lost))
	if limit, ok := err.(*LimitError); ok {
		s.close(&ending{err: limit})
	}
	return lost, err
}

// seal seals frames of application data and returns how many. The sending lock is held.
func (s *Session) seal(frames [][]byte) (int, error) {
	t := &s.send
	switch {
	case t.ended:
		return 0, net.ErrClosed
	case !t.writable:
		return 0, ErrNotReady
	}
	for i, frame := range frames {
		if size := len(frame) - Before - After; size > MaxPayload || size < 0 {
			return i, &PayloadError{size}
		}
		if err := t.sealer.Seal(frame); err != nil {
			return i, err
		}
	}
	return len(frames), nil
}

// Write sends a copy of p as one record; errors are those of WriteInPlace.
func (s *Session) Write(p []byte) (int, error) {
	before, after := s.Room()
	frame := make([]byte, before+len(p)+after)
	copy(frame[before:], p)
	if lost, err := s.WriteInPlace([][]byte{frame}); lost > 0 {
		return 0, err
	}
	return len(p), nil
}

// writeLibrary sends a datagram of the library: records of epoch 0 under numbers of all attempts, those
// of epoch 1 sealed anew, so that one Sealer alone gives out numbers. What cannot be
// sent is lost, as in a network; the library repeats it.
func (s *Session) writeLibrary(a *attempt, datagram []byte) {
	t := &s.send
	t.mu.Lock()
	defer t.unlock(s)
	if t.ended || !s.mayWrite(a, datagram) || !a.repeats.allow(s.interval, time.Now(), datagram) {
		return
	}
	out := t.frame[:0]
	finished := false
	for {
		record, rest := nextRecord(datagram)
		if record == nil {
			break
		}
		datagram = rest
		if epochOf(record) == 0 {
			s.noteOwn(a, record)
			at := len(out)
			out = append(out, record...)
			binary.BigEndian.PutUint64(out[at+3:], t.sequence) // and the epoch, 0
			t.sequence++
			continue
		}
		if t.library {
			out = append(out, record...)
			continue
		}
		message, ok := t.openOwn(record)
		if !ok {
			continue
		}
		if record[0] == typeHandshake {
			t.finished, finished = append([]byte(nil), message...), true
		}
		out = t.appendSealed(out, record[0], message)
	}
	t.frame = out
	s.sendOne(out)
	if finished && s.cfg.Client && s.cfg.FalseStart {
		s.openWriting()
	}
}

// openOwn returns what is in a record that the library sealed in epoch 1; nothing once
// the handshake is over and the library is put away. Alerts that it sends before it
// counts the handshake as over say epoch 1 and are not encrypted.
func (t *sending) openOwn(record []byte) ([]byte, bool) {
	if t.own == nil {
		return nil, false
	}
	if record[0] == typeAlert && len(record) == headerSize+alertSize {
		return record[headerSize:], true
	}
	message, err := t.own.Open(append([]byte(nil), record...))
	return message, err == nil
}

// appendSealed appends a record of epoch 1 that is not application data.
func (t *sending) appendSealed(out []byte, contentType byte, body []byte) []byte {
	at := len(out)
	out = append(out, make([]byte, Before)...)
	out = append(out, body...)
	out = append(out, make([]byte, After)...)
	if t.sealer.seal(out[at:], contentType) != nil {
		return out[:at]
	}
	return out
}

// sendOne sends one datagram, or loses it. The sending lock is held.
func (s *Session) sendOne(datagram []byte) {
	if len(datagram) > 0 {
		s.send.single[0] = datagram
		s.cfg.Send(s.send.single[:])
		s.send.single[0] = nil
	}
}

// openWriting lets application data be written. The sending lock is held.
func (s *Session) openWriting() {
	if !s.send.writable && !s.send.ended {
		s.send.writable = true
		close(s.writable)
	}
}

// resendFinished sends the last flight again, under new numbers (RFC 6347, section
// 4.2.4): the peer has repeated the one before. Only the server has it to do.
func (s *Session) resendFinished() {
	t := &s.send
	t.mu.Lock()
	defer t.unlock(s)
	if t.ended || t.library || t.finished == nil {
		return
	}
	var out [headerSize + 1]byte
	putHeader(out[:], typeChangeCipherSpec, t.sequence, 1)
	out[headerSize] = 1
	t.sequence++
	s.sendOne(t.appendSealed(out[:], typeHandshake, t.finished))
	s.counters.finishedResent.Add(1)
}

// unlock gives up the sending lock. If the Session has ended meanwhile it does what is
// left to do, which who ended it could not without the lock.
func (t *sending) unlock(s *Session) {
	t.mu.Unlock()
	if s.ended.Load() != nil {
		t.end(s)
	}
}

// end sends close_notify, if it is to be sent and can be, and erases the keys. It leaves
// that to the holder of the lock, if there is one: Send may take its time there.
func (t *sending) end(s *Session) {
	if !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	if !t.ended && t.writable && t.sealer != nil && s.ended.Load().notify {
		s.sendOne(t.appendSealed(nil, typeAlert, []byte{alertWarning, alertCloseNotify}))
	}
	t.ended, t.frame = true, nil
	t.erase()
}

// erase erases the keys. The sending lock is held.
func (t *sending) erase() {
	if t.sealer != nil {
		t.sealer.erase()
		t.sealer = nil
	}
	if t.own != nil {
		t.own.erase()
		t.own = nil
	}
}
