package interop

import (
	"encoding/binary"
	"hash/crc32"
	"sync"
	"testing"
)

// maxPayload is the largest message that there is a payload for, in bytes.
const maxPayload = 1 << 20

// noise is what all payloads are cut from: xorshift32, little endian.
var noise = sync.OnceValue(func() []byte {
	buf := make([]byte, maxPayload+1<<16)
	x := uint32(1)
	for i := 0; i < len(buf); i += 4 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		binary.LittleEndian.PutUint32(buf[i:], x)
	}
	return buf
})

// payload returns the content of message n: size bytes of the noise, from the byte on
// that the lower 16 bits of n say; as text folded to 16 letters. It must not be changed.
func payload(n, size int, text bool) []byte {
	cut := noise()[n&0xffff:][:size:size]
	if !text {
		return cut
	}
	letters := make([]byte, size)
	for i, b := range cut {
		letters[i] = 'a' + b&15
	}
	return letters
}

// A message is what a side reports of a message that came in.
type message struct {
	text bool
	size int
	crc  uint32
}

func describe(data []byte, text bool) message {
	return message{text: text, size: len(data), crc: crc32.ChecksumIEEE(data)}
}

// A batch is some messages in a row: what the command send sends.
type batch struct {
	from, count, size int
	text              bool
}

// messages are what has to be reported of them.
func (b batch) messages() (m []message) {
	for i := range b.count {
		m = append(m, describe(payload(b.from+i, b.size, b.text), b.text))
	}
	return m
}

// TestPayload holds the definition, which each peer has in its own language.
func TestPayload(t *testing.T) {
	if got := describe(payload(0, 1000, false), false).crc; got != 2800163013 {
		t.Errorf("a binary payload has CRC-32 %d", got)
	}
	if got := describe(payload(1<<16|1, 10, true), true).crc; got != 2373871948 {
		t.Errorf("a text has CRC-32 %d", got)
	}
}
