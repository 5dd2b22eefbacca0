package dtlsrecord

import (
	"crypto/cipher"
	"encoding/binary"
)

// A Sealer protects what one side sends in epoch 1. It alone gives out sequence
// numbers, and the nonce is made of them: none occurs twice (RFC 5288, section 3;
// RFC 9325, section 7.2.1). It has no lock, and allocates nothing.
type Sealer struct {
	aead   cipher.AEAD
	nonce  [ivSize + nonceSize]byte // implicit part, then the one of this record
	ad     additional
	next   uint64 // sequence number of the next record
	blocks uint64 // AES blocks so far
}

// Seal makes a record of application data where it lies: frame is Before bytes of
// room, the payload of at most MaxPayload bytes, After bytes of room. The error is a
// *LimitError, and then the payload is as it was.
func (s *Sealer) Seal(frame []byte) error { return s.seal(frame, typeApplicationData) }

func (s *Sealer) seal(frame []byte, contentType byte) error {
	size := len(frame) - Before - After
	blocks := s.blocks + uint64(size+15)/16 + 1 // one masks the tag
	switch {
	case s.next > maxSequence:
		return errSequence
	case blocks > maxBlocks && contentType == typeApplicationData: // alerts may still say so
		return errBlocks
	}
	number := 1<<48 | s.next // epoch 1
	s.next++
	s.blocks = blocks
	putHeader(frame, contentType, number, nonceSize+size+tagSize)
	binary.BigEndian.PutUint64(frame[headerSize:], number)
	copy(s.nonce[ivSize:], frame[headerSize:Before])
	payload := frame[Before : Before+size]
	s.aead.Seal(payload[:0], s.nonce[:], payload, s.ad.set(frame, size))
	return nil
}

// erase makes the Sealer unusable and forgets its key.
func (s *Sealer) erase() {
	eraseCipher(s.aead)
	*s = Sealer{next: maxSequence + 1}
}
