// Package stunmsg looks into STUN messages (RFC 8489) before a library does.
package stunmsg

import "encoding/binary"

// Message types: class and method in one, of method Binding.
const (
	BindingRequest    = 0x0001
	BindingIndication = 0x0011
	BindingSuccess    = 0x0101
	BindingError      = 0x0111
)

const (
	headerSize  = 20
	magicCookie = 0x2112A442
)

// A Message is what is needed to tell whose a message is.
type Message struct {
	Type         uint16
	ID           [12]byte // of the transaction
	Username     []byte   // of the attribute, nil if there is none; a part of the message
	UseCandidate bool     // the attribute is there (RFC 8445, section 16.1)
}

// Is reports whether b begins as a STUN message, well formed or not. It is the
// question that the library asks.
func Is(b []byte) bool {
	return len(b) >= headerSize && binary.BigEndian.Uint32(b[4:]) == magicCookie
}

// Admit reports whether b may reach the library: it is no STUN message, or one that
// Parse takes.
func Admit(b []byte) bool {
	if !Is(b) {
		return true
	}
	_, ok := Parse(b)
	return ok
}

// Parse reads a message. ok is false if b is none from its first byte to its last, or
// has an address attribute of a size other than 8 or 20 bytes (section 14.1): on some
// of these the library panics.
func Parse(b []byte) (m Message, ok bool) {
	if !Is(b) || b[0]&0xC0 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-headerSize {
		return m, false
	}
	m.Type = binary.BigEndian.Uint16(b)
	copy(m.ID[:], b[8:])
	for b = b[headerSize:]; len(b) > 0; {
		if len(b) < 4 {
			return m, false
		}
		attr, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		padded := (size + 3) &^ 3
		if padded > len(b) {
			return m, false
		}
		value := b[:size]
		b = b[padded:]
		switch attr {
		case attrUsername:
			if m.Username == nil {
				m.Username = value
			}
		case attrUseCandidate:
			m.UseCandidate = true
		case attrMappedAddress, attrXORPeerAddress, attrXORRelayedAddress, attrXORMappedAddress, attrOldXORMappedAddress,
			attrAlternateServer, attrResponseOrigin, attrOtherAddress:
			if size != 8 && size != 20 {
				return m, false
			}
		}
	}
	return m, true
}

// Attribute types. The library takes 0x8020, of old drafts, for XOR-MAPPED-ADDRESS.
const (
	attrMappedAddress       = 0x0001
	attrUsername            = 0x0006
	attrXORPeerAddress      = 0x0012
	attrXORRelayedAddress   = 0x0016
	attrXORMappedAddress    = 0x0020
	attrUseCandidate        = 0x0025
	attrOldXORMappedAddress = 0x8020
	attrAlternateServer     = 0x8023
	attrResponseOrigin      = 0x802b
	attrOtherAddress        = 0x802c
)
