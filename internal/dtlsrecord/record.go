package dtlsrecord

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A record of DTLS 1.2 (RFC 6347, section 4.1): type, version, epoch, sequence
// number, length, and the fragment, which for AES-GCM is explicit nonce, ciphertext
// and tag (RFC 5288, section 3).
const (
	headerSize = 13
	ivSize     = 4 // of the nonce that is part of the keys
	nonceSize  = 8 // of the nonce that is part of the record
	tagSize    = 16

	// Before and After are the room, in bytes, that a payload needs around it to
	// become a record.
	Before = headerSize + nonceSize
	After  = tagSize

	// MaxPayload is the largest payload of a record in bytes (RFC 5246, section 6.2.1).
	MaxPayload = 1 << 14
)

// Content types (RFC 5246, section 6.2.1).
const (
	typeChangeCipherSpec = 20
	typeAlert            = 21
	typeHandshake        = 22
	typeApplicationData  = 23
)

const (
	// maxSequence is the last sequence number of an epoch: they do not wrap
	// (RFC 6347, section 4.1).
	maxSequence = 1<<48 - 1

	// maxBlocks is how many blocks of AES one key protects: those of 2^24.5 full
	// records of 2^14 bytes, the bound of RFC 9325, section 4.4, and RFC 8446,
	// section 5.5. Shorter records count for less, which the proof behind that
	// number allows. It is about 389 GB.
	maxBlocks = 24_296_003_999

	// maxForged is how many records may fail to authenticate under one key
	// (RFC 9147, section 4.5.3; RFC 9325, section 4.4).
	maxForged = 1 << 36
)

// What is wrong with a record that Open refuses.
var (
	ErrMalformed = errors.New("dtlsrecord: not a protected record")
	ErrReplayed  = errors.New("dtlsrecord: record seen before, or too old to tell")
	ErrForged    = errors.New("dtlsrecord: record fails authentication")
)

// LimitError says that a key must not be used any more. DTLS 1.2 has no way to
// change it, so the connection has to end.
type LimitError struct {
	Limit string // what was reached
}

func (e *LimitError) Error() string { return "dtlsrecord: the keys are used up: " + e.Limit }

// errLimits are what Sealer and Opener return, made once.
var (
	errSequence = &LimitError{"2^48 records sent (RFC 6347, section 4.1)"}
	errBlocks   = &LimitError{fmt.Sprintf("%d blocks sent (RFC 9325, section 4.4)", uint64(maxBlocks))}
	errForgery  = &LimitError{"2^36 records received that fail authentication (RFC 9147, section 4.5.3)"}
)

// epochOf returns the epoch of a record, sequenceOf its number within.
func epochOf(record []byte) uint16 { return binary.BigEndian.Uint16(record[3:]) }

func sequenceOf(record []byte) uint64 { return binary.BigEndian.Uint64(record[3:]) & maxSequence }

// putHeader writes a header for size bytes; number is the epoch in its upper 16
// bits and the sequence number.
func putHeader(b []byte, contentType byte, number uint64, size int) {
	b[0], b[1], b[2] = contentType, 0xFE, 0xFD
	binary.BigEndian.PutUint64(b[3:], number)
	binary.BigEndian.PutUint16(b[11:], uint16(size))
}

// additional is the additional data of RFC 5246, section 6.2.3.3: epoch and sequence
// number, type and version, length of the plaintext.
type additional [13]byte

func (a *additional) set(header []byte, size int) []byte {
	copy(a[:8], header[3:11])
	copy(a[8:11], header[:3])
	binary.BigEndian.PutUint16(a[11:], uint16(size))
	return a[:]
}

// nextRecord returns the first record of a datagram and what follows; nil if there
// is none, or none that is whole.
func nextRecord(datagram []byte) (record, rest []byte) {
	if len(datagram) < headerSize {
		return nil, datagram
	}
	size := headerSize + int(binary.BigEndian.Uint16(datagram[11:]))
	if size > len(datagram) {
		return nil, datagram
	}
	return datagram[:size], datagram[size:]
}
