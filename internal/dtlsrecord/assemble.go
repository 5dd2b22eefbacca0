package dtlsrecord

import (
	"bytes"
	"encoding/binary"
)

// Handshake messages (RFC 6347, section 4.2.2): type, length, message number,
// fragment offset, fragment length.
const (
	messageHeader = 12

	messageClientHello        = 1
	messageServerHello        = 2
	messageHelloVerifyRequest = 3
	messageCertificate        = 11
	messageServerKeyExchange  = 12
	messageServerHelloDone    = 14
	messageCertificateVerify  = 15
	messageClientKeyExchange  = 16
	messageFinished           = 20
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
//
// It gathers messages until they are committed to. Until then they may turn out to be of
// another handshake: what contradicts something that was gathered takes its place.
type assembler struct {
	base     uint16   // number of the first message that is not committed to
	next     uint16   // number of the message that is due
	gathered [][]byte // base to next
	spent    int      // bytes committed to
	room     int      // bytes that may still be taken, once begun
	begun    bool

	contradicted bool // something has taken the place of something else

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
func (a *assembler) add(body []byte, whole func(message []byte)) dropReason {
	verdict := eachFragment(body, a.addFragment)
	a.drain(whole)
	return verdict
}

// eachFragment calls f with each fragment of a record, and returns the last reason to drop one.
func eachFragment(body []byte, f func(fragment []byte) dropReason) (verdict dropReason) {
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
		fragment := body[:size]
		length, offset := uint24(fragment[1:]), uint24(fragment[6:])
		reason := dropMalformed
		if part := size - messageHeader; offset+part <= length && (part > 0 || length == 0) {
			reason = f(fragment)
		}
		if reason != dropNothing {
			verdict = reason
		}
		body = body[size:]
	}
	return verdict
}

// drain calls whole for each message that is complete and due.
func (a *assembler) drain(whole func(message []byte)) {
	for {
		p := a.partial[a.next%maxAhead]
		if p == nil || p.missing > 0 {
			return
		}
		a.partial[a.next%maxAhead] = nil
		a.next++
		a.gathered = append(a.gathered, p.message)
		whole(p.message)
	}
}

// addFragment takes one fragment with its header, which eachFragment has looked at.
func (a *assembler) addFragment(fragment []byte) dropReason {
	if !a.begun {
		a.begun, a.room = true, maxMessageBytes-a.spent
	}
	number, length := numberOf(fragment), uint24(fragment[1:])
	switch {
	case number < a.base:
		return dropNothing // seen before
	case number < a.next:
		if sameBytes(a.gathered[number-a.base], fragment) {
			return dropNothing
		}
		a.contradicted = true
		a.restart()
		return a.addFragment(fragment)
	case number >= a.next+maxAhead, number >= maxMessages:
		return dropNoRoom
	}
	at := &a.partial[number%maxAhead]
	if p := *at; p != nil && !p.agrees(fragment) {
		a.contradicted = true
		a.room += len(p.message) - messageHeader
		*at = nil
	}
	if *at == nil {
		if length > a.room {
			a.forgetAfter(number)
		}
		if length > a.room {
			return dropNoRoom
		}
		a.room -= length
		*at = newPartial(fragment)
	}
	(*at).add(fragment)
	return dropNothing
}

// commit keeps what was gathered from being replaced.
func (a *assembler) commit() {
	for _, message := range a.gathered {
		a.spent += len(message) - messageHeader
	}
	a.base, a.gathered = a.next, nil
}

// restart forgets all that is not committed to.
func (a *assembler) restart() {
	a.next, a.gathered, a.begun = a.base, nil, false
	a.partial = [maxAhead]*partialMessage{}
}

// forgetAfter forgets the messages behind one that there is no room for: that is due earlier.
func (a *assembler) forgetAfter(number uint16) {
	for i := number + 1; i < a.next+maxAhead; i++ {
		if p := a.partial[i%maxAhead]; p != nil {
			a.room += len(p.message) - messageHeader
			a.partial[i%maxAhead] = nil
		}
	}
}

// expect makes that number the first, if it is not yet, and forgets what there is.
func (a *assembler) expect(number uint16) {
	if number > a.base {
		a.base = number
		a.restart()
	}
}

// newPartial returns a message of which nothing has come in, with the header of a fragment.
func newPartial(fragment []byte) *partialMessage {
	length := uint24(fragment[1:])
	p := &partialMessage{message: make([]byte, messageHeader+length), have: make([]bool, length), missing: length}
	copy(p.message, fragment[:6])
	copy(p.message[9:], fragment[1:4])
	return p
}

// agrees tells whether a fragment may be of the message.
func (p *partialMessage) agrees(fragment []byte) bool {
	if !sameHeader(p.message, fragment) {
		return false
	}
	offset := uint24(fragment[6:])
	for i, b := range fragment[messageHeader:] {
		if p.have[offset+i] && p.message[messageHeader+offset+i] != b {
			return false
		}
	}
	return true
}

// add takes a fragment that agrees.
func (p *partialMessage) add(fragment []byte) {
	offset, body := uint24(fragment[6:]), fragment[messageHeader:]
	copy(p.message[messageHeader+offset:], body)
	for i := range body {
		if !p.have[offset+i] {
			p.have[offset+i] = true
			p.missing--
		}
	}
}

// sameHeader compares type, length and number of a message and a fragment.
func sameHeader(message, fragment []byte) bool { return bytes.Equal(message[:6], fragment[:6]) }

// sameBytes tells whether a fragment is of a whole message.
func sameBytes(message, fragment []byte) bool {
	offset := messageHeader + uint24(fragment[6:])
	return sameHeader(message, fragment) && bytes.Equal(message[offset:][:len(fragment)-messageHeader], fragment[messageHeader:])
}

func numberOf(message []byte) uint16 { return binary.BigEndian.Uint16(message[4:]) }

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
