package e2e

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// A testMessage is a message whose content follows from a seed, so that both
// ends can make it. lab.js has the twin of its methods.
type testMessage struct {
	Text bool   `json:"text"`
	Size int    `json:"size"`
	Seed uint32 `json:"seed"` // not 0
}

// payload returns what the message carries: xorshift32, folded to 16 letters
// for text.
func (m testMessage) payload() []byte {
	buf := make([]byte, (m.Size+3)/4*4)
	x := m.Seed
	for i := 0; i < len(buf); i += 4 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		binary.LittleEndian.PutUint32(buf[i:], x)
	}
	buf = buf[:m.Size]
	if m.Text {
		for i := range buf {
			buf[i] = 'a' + buf[i]&15
		}
	}
	return buf
}

// want is the message as the other end must report it.
func (m testMessage) want() message { return describeMessage(m.payload(), m.Text) }

func describeMessage(data []byte, text bool) message {
	sum := sha256.Sum256(data)
	return message{Text: text, Size: len(data), SHA256: hex.EncodeToString(sum[:])}
}
