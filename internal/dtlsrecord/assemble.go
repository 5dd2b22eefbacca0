package dtlsrecord

import "encoding/binary"

// Handshake messages (RFC 6347, section 4.2.2): type, length, message number,
// fragment offset, fragment length.
const (
	messageHeader = 12

	messageServerHello       = 2
	messageCertificateVerify = 15
	messageFinished          = 20
)

const (
	// maxMessages and maxMessageBytes bound what a handshake takes from the peer; a
	// usual one has 3 to 7 messages of 2 kB together, of which a flight at most 5.
	maxMessages     = 32
	maxMessageBytes = 64 << 10
	maxAhead        = 8 // messages that may arrive before an earlier one is whole
)

// assembler puts together the handshake messages of the peer, whichever way their
// fragments overlap, repeat or come in, and gives out each once, in order. It is
// there because the library keeps every fragment that it is given, without a bound
// on their number, and mistakes some for whole messages.
type assembler struct {
	next    uint16 // number of the message that is due
	room    int    // bytes that may still be taken, once begun
	begun   bool
	partial [maxAhead]*partialMessage // by number modulo maxAhead
}

// A partialMessage is a message of which something has come in.
type partialMessage struct {
	message []byte // with a header as if it had not been fragmented
	have    []bool // bytes of the body
	missing int    // how many there are not
}

// add takes the fragments of one record and calls whole for each message that they
// complete. It tells what became of the record: what is lost is lost for good reason,
// repetitions are not lost.
func (a *assembler) add(body []byte, whole func(message []byte)) (verdict dropReason) {
	if !a.begun {
		a.begun, a.room = true, maxMessageBytes
	}
	if len(body) == 0 {
		return dropMalformed
	}
	for len(body) > 0 {
		if len(body) < messageHeader {
			return dropMalformed
		}
		size := messageHeader + uint24(body[9:])
		if size > len(body) {
			return dropMalformed
		}
		if reason := a.addFragment(body[:size]); reason != dropNothing {
			verdict = reason
		}
		body = body[size:]
	}
	for {
		p := a.partial[a.next%maxAhead]
		if p == nil || p.missing > 0 {
			return verdict
		}
		a.partial[a.next%maxAhead] = nil
		a.next++
		whole(p.message)
	}
}

// addFragment takes one fragment with its header.
func (a *assembler) addFragment(fragment []byte) dropReason {
	length, number := uint24(fragment[1:]), binary.BigEndian.Uint16(fragment[4:])
	offset, body := uint24(fragment[6:]), fragment[messageHeader:]
	switch {
	case offset+len(body) > length, len(body) == 0 && length > 0:
		return dropMalformed
	case number < a.next:
		return dropNothing // seen before
	case number >= a.next+maxAhead, number >= maxMessages:
		return dropNoRoom
	}
	p := a.partial[number%maxAhead]
	if p == nil {
		if length > a.room {
			return dropNoRoom
		}
		a.room -= length
		p = &partialMessage{message: make([]byte, messageHeader+length), have: make([]bool, length), missing: length}
		copy(p.message, fragment[:6])
		copy(p.message[9:], fragment[1:4])
		a.partial[number%maxAhead] = p
	}
	if p.message[0] != fragment[0] || len(p.message) != messageHeader+length {
		return dropMalformed
	}
	copy(p.message[messageHeader+offset:], body)
	for i := range body {
		if !p.have[offset+i] {
			p.have[offset+i] = true
			p.missing--
		}
	}
	return dropNothing
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// helloOf returns the random and the suite of a ServerHello (RFC 5246, section
// 7.4.1.3); ok is false if the message is none.
func helloOf(message []byte) (random [32]byte, suite uint16, ok bool) {
	if message[0] != messageServerHello || len(message) < messageHeader+35 {
		return random, 0, false
	}
	body := message[messageHeader:]
	at := 35 + int(body[34]) // version, random, session_id
	if len(body) < at+2 {
		return random, 0, false
	}
	return [32]byte(body[2:34]), binary.BigEndian.Uint16(body[at:]), true
}
