package dtlsrecord

import (
	"crypto/cipher"
	"encoding/binary"
)

// An Opener opens what the other side sends in epoch 1. It has no lock, and
// allocates nothing.
type Opener struct {
	aead   cipher.AEAD
	nonce  [ivSize + nonceSize]byte // implicit part, then the one of this record
	ad     additional
	window window
	forged uint64 // records that failed to authenticate
}

// Open opens a record where it lies and returns its payload. One that is refused
// is overwritten with zeros if it was forged, else untouched. The error is
// ErrMalformed, ErrReplayed, ErrForged or a *LimitError.
func (o *Opener) Open(record []byte) ([]byte, error) {
	size := len(record) - Before - After
	switch {
	case size < 0 || size > MaxPayload || epochOf(record) != 1,
		record[1] != 0xFE || record[2] != 0xFD,
		int(binary.BigEndian.Uint16(record[11:])) != len(record)-headerSize:
		return nil, ErrMalformed
	case o.aead == nil || o.forged >= maxForged:
		return nil, errForgery
	}
	sequence := sequenceOf(record)
	if !o.window.fresh(sequence) {
		return nil, ErrReplayed
	}
	copy(o.nonce[ivSize:], record[headerSize:Before])
	sealed := record[Before:]
	payload, err := o.aead.Open(sealed[:0], o.nonce[:], sealed, o.ad.set(record, size))
	if err != nil {
		o.forged++
		return nil, ErrForged
	}
	// Only now: what is forged must not move the window (RFC 6347, section 4.1.2.6).
	o.window.mark(sequence)
	return payload, nil
}

// erase makes the Opener unusable and forgets its key.
func (o *Opener) erase() {
	eraseCipher(o.aead)
	*o = Opener{forged: maxForged}
}
