package conformance

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/sluice-rtc/sluice/sctp"
)

// headerLen is the length of the common header (RFC 9260, section 3.1).
const headerLen = 12

// The ports of the two sides.
const (
	enginePort = 5001
	testerPort = 5002
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// numbers binds the engine's tags and TSNs to those of the script.
type numbers struct {
	live    map[uint32]uint32 // the engine's tags by the script's
	script  map[uint32]uint32 // the other way round
	offsets map[uint32]uint32 // by live tag: what its TSNs are more than the script's
	current uint32            // live tag of the association
	offered uint32            // live tag of the last INIT ACK

	peers  map[uint32]bool // the tester's tags
	inTag  uint32          // verification tag of the last packet that came in
	cookie []byte          // of the engine's last INIT ACK
	given  map[string]bool // cookies of the tester's INIT ACKs
	beat   []byte          // of the engine's last HEARTBEAT
	pinged map[string]bool // information of the tester's HEARTBEATs
}

func (n *numbers) init() {
	n.live, n.script = make(map[uint32]uint32), make(map[uint32]uint32)
	n.offsets, n.peers = make(map[uint32]uint32), make(map[uint32]bool)
	n.given, n.pinged = make(map[string]bool), make(map[string]bool)
}

// scriptTag translates a tag of the engine.
func (n *numbers) scriptTag(live uint32) uint32 {
	if s, ok := n.script[live]; ok {
		return s
	}
	return live
}

// liveTag translates a tag of the script: one that was seen, or one that is as far
// from the current one as the script says.
func (n *numbers) liveTag(script uint32) uint32 {
	if l, ok := n.live[script]; ok || script == 0 {
		return l
	}
	return max(n.current+(script-n.script[n.current]), 1)
}

// coder returns the coder for packets of a direction.
func (n *numbers) coder(outbound bool) *coder {
	return &coder{fromEngine: outbound, offset: n.offsets[n.current], tag: n.scriptTag, cookie: n.cookie, heartbeat: n.beat}
}

// bind learns the tag and the TSN that the engine has chosen, from an INIT or INIT
// ACK; want, if not nil, is the chunk that the script expects.
func (n *numbers) bind(chunk []byte, want *Value, fresh bool) {
	tag, tsn := binary.BigEndian.Uint32(chunk[4:]), binary.BigEndian.Uint32(chunk[16:])
	number := func(key string) (uint32, bool) {
		if want == nil || want.field(key) == nil || want.field(key).Kind != Number {
			return 0, false
		}
		return uint32(want.field(key).Num), true
	}
	if s, ok := number("tag"); ok && n.script[tag] == 0 && (fresh || n.live[s] == 0) {
		n.live[s], n.script[tag] = tag, s
	}
	if t, ok := number("tsn"); ok {
		if _, known := n.offsets[tag]; !known {
			n.offsets[tag] = tsn - t
		}
	}
	if chunk[0] == 1 || fresh {
		n.current = tag
	}
	if chunk[0] == 2 {
		n.offered = tag
	}
}

// runnable says whether the runner can do with a packet.
func (p *Packet) runnable() error {
	switch {
	case p.Other != "":
		return unsupportedf("packets of %s", p.Other)
	case len(p.Outer) > 0:
		return unsupportedf("packets in %s", strings.Join(p.Outer, ", "))
	case p.Ports:
		return unsupportedf("packets with ports of their own")
	}
	return nil
}

// marks are the codepoints that the ECN field of a packet line allows: one that goes
// out has one of them, one that comes in has the first.
var marks = map[string][]sctp.ECN{
	"noecn": {sctp.NotECT}, "ect0": {sctp.ECT0}, "ect1": {sctp.ECT1}, "ect01": {sctp.ECT0, sctp.ECT1}, "ce": {sctp.CE},
}

// ecnFields are the names of the codepoints, in the order of their numbers.
var ecnFields = [...]string{"noecn", "ect1", "ect0", "ce"}

// compareMark compares the codepoint of a packet that the engine has sent with what the
// script wants, if it does.
func (p *Packet) compareMark(got sctp.ECN) error {
	want, named := marks[p.ECN]
	if named && !slices.Contains(want, got) {
		return fmt.Errorf("ECN field: %s expected, not %s", p.ECN, ecnFields[got])
	}
	return nil
}

// mark returns the codepoint of a packet that comes in.
func (p *Packet) mark() sctp.ECN {
	if m, named := marks[p.ECN]; named {
		return m[0]
	}
	return sctp.NotECT
}

// inbound gives a packet of the script to the engine.
func (r *runner) inbound(p *Packet) error {
	if err := p.runnable(); err != nil {
		return err
	}
	b := make([]byte, headerLen, 256)
	binary.BigEndian.PutUint16(b, testerPort)
	binary.BigEndian.PutUint16(b[2:], enginePort)
	var err error
	if p.Raw != nil {
		var raw []byte
		raw, err = byteList(p.Raw)
		b = append(b, raw...)
	} else {
		b, err = r.wire.coder(false).chunks(b, p.Chunks)
	}
	if err != nil {
		return err
	}
	tag, err := r.inboundTag(p)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b[4:], tag)
	sum := crc32.Checksum(b, castagnoli)
	if p.BadCRC {
		sum++
	}
	binary.LittleEndian.PutUint32(b[8:], sum)
	r.wire.seen(b, tag)
	if r.opts.Trace != nil {
		r.opts.Trace(r.now, false, showChunks(p.Chunks))
	}
	if err := r.stack.arrived(r, p); err != nil {
		return err
	}
	rises := r.stack.rises
	r.stack.engine.handle(r.time(), b, p.mark())
	if err := r.drain(); err != nil {
		return err
	}
	if r.stack.rises > rises && first(p) == "COOKIE_ECHO" {
		r.wire.current = r.wire.offered
	}
	return nil
}

// first names the first chunk of a packet.
func first(p *Packet) string {
	if len(p.Chunks) == 0 {
		return ""
	}
	return p.Chunks[0].Text
}

// inboundTag returns the verification tag of a packet that comes in (RFC 9260,
// section 8.5): the engine's, unless the script says otherwise.
func (r *runner) inboundTag(p *Packet) (uint32, error) {
	reflected := reflects(p.Chunks)
	if p.Tag != nil && p.Tag.Kind == Number {
		n, err := unsigned(p.Tag, 4)
		if err != nil || reflected {
			return uint32(n), err
		}
		return r.wire.liveTag(uint32(n)), nil
	}
	switch {
	case first(p) == "INIT":
		return 0, nil
	case first(p) == "COOKIE_ECHO" && r.wire.offered != 0:
		return r.wire.offered, nil
	case reflected:
		for tag := range r.wire.peers {
			if len(r.wire.peers) == 1 {
				return tag, nil
			}
		}
		return 0, failf("the tag that is reflected must be named: tag=")
	}
	return r.wire.current, nil
}

// reflects says whether a chunk of the packet has the T bit.
func reflects(chunks []*Value) bool {
	for _, c := range chunks {
		l := chunkTable.byName(c.Text)
		if l == nil || l.flags != "T" || c.field("flgs") == nil || c.field("flgs").Kind == Ellipsis {
			continue
		}
		if bits, err := l.flagBits(c.field("flgs")); err == nil && bits&1 != 0 {
			return true
		}
	}
	return false
}

// seen learns from a packet that comes in, raw bytes included.
func (n *numbers) seen(b []byte, tag uint32) {
	n.inTag = tag
	for rest := b[headerLen:]; len(rest) >= 4; {
		length := int(readUint(rest[2:], 2))
		if length < 4 || length > len(rest) {
			return // a length that is wrong on purpose
		}
		chunk := rest[:length]
		switch {
		case (chunk[0] == 1 || chunk[0] == 2) && length >= 20:
			n.peers[binary.BigEndian.Uint32(chunk[4:])] = true
			items, err := (&coder{}).parse(chunk, chunkTable)
			if err != nil || chunk[0] == 1 {
				break
			}
			params, _ := items[0].items()
			for _, p := range params {
				if p.Text == "STATE_COOKIE" {
					n.given[string(p.raw[4:])] = true
				}
			}
		case chunk[0] == 4:
			n.pinged[firstParameter(chunk)] = true
		}
		rest = rest[min((length+3)&^3, len(rest)):]
	}
}

// firstParameter returns the first parameter of a chunk, without padding.
func firstParameter(chunk []byte) string {
	if len(chunk) < 8 {
		return ""
	}
	return string(chunk[4 : 4+min(int(readUint(chunk[6:], 2)), len(chunk)-4)])
}

// compare compares a packet that the engine has sent with what the script wants.
func (r *runner) compare(want *Packet, b []byte) error {
	if len(b) < headerLen+4 {
		return failf("a packet of %d bytes was sent", len(b))
	}
	var expected *Value
	if len(want.Chunks) > 0 {
		expected = want.Chunks[0]
	}
	isInit := (b[headerLen] == 1 || b[headerLen] == 2) && len(b) >= headerLen+20
	coder := r.wire.coder(true)
	if isInit {
		r.wire.bind(b[headerLen:], expected, b[headerLen] == 2 && r.stack.idle())
		coder.offset = r.wire.offsets[binary.BigEndian.Uint32(b[headerLen+4:])]
	}
	got, err := coder.parse(b[headerLen:], chunkTable)
	if err != nil {
		return failf("a broken packet was sent: %v", err)
	}
	err = r.compareHeader(want, b, got)
	switch {
	case err != nil:
	case want.Raw != nil:
		err = compareValue(want.Raw, bytesValue(b[headerLen:]), nil)
	default:
		err = compareChunks(want.Chunks, got, r.opts.Lenient)
	}
	if err == nil {
		err = r.wire.learn(got)
	}
	if err != nil {
		if _, ok := err.(*valueError); ok {
			return err
		}
		return &stop{Fail, err.Error(), showChunks(got)}
	}
	return nil
}

// compareHeader checks checksum, ports and verification tag.
func (r *runner) compareHeader(want *Packet, b []byte, got []*Value) error {
	sum := binary.LittleEndian.Uint32(b[8:])
	zeroed := append([]byte(nil), b...)
	clear(zeroed[8:12])
	if crc32.Checksum(zeroed, castagnoli) != sum && !want.BadCRC {
		return fmt.Errorf("the checksum is wrong")
	}
	if binary.BigEndian.Uint16(b) != enginePort || binary.BigEndian.Uint16(b[2:]) != testerPort {
		return fmt.Errorf("the ports are wrong")
	}
	tag := binary.BigEndian.Uint32(b[4:])
	reflected := reflects(got)
	switch {
	case want.Tag != nil && want.Tag.Kind == Number:
		expected := uint32(want.Tag.Num)
		if live, ok := r.wire.live[expected]; ok && reflected {
			expected = live
		}
		if tag != expected {
			return fmt.Errorf("verification tag: %v expected, not %d", want.Tag, tag)
		}
	case want.Tag != nil:
	case b[headerLen] == 1: // 9260-3.1-b
		if tag != 0 {
			return fmt.Errorf("the verification tag of INIT is %d", tag)
		}
	case reflected:
		if tag != r.wire.inTag {
			return fmt.Errorf("the verification tag %d is not the reflected one", tag)
		}
	case !r.wire.peers[tag]:
		return fmt.Errorf("the verification tag %d is none of the peer", tag)
	}
	return nil
}

// learn takes from a packet that was sent what later packets give back, and checks
// what it gives back itself.
func (n *numbers) learn(chunks []*Value) error {
	for _, c := range chunks {
		switch c.Text {
		case "INIT_ACK":
			params, _ := c.items()
			for _, p := range params {
				if p.Text == "STATE_COOKIE" {
					n.cookie = append([]byte(nil), p.raw[4:]...)
				}
			}
		case "COOKIE_ECHO": // 9260-3.3.11-a
			if !n.given[string(c.raw[4:])] {
				return fmt.Errorf("the cookie is not the one that was given")
			}
		case "HEARTBEAT":
			if info, _ := c.items(); len(info) == 1 {
				n.beat = append([]byte(nil), info[0].raw[4:]...)
			}
		case "HEARTBEAT_ACK": // 9260-3.3.5-a
			if !n.pinged[firstParameter(c.raw)] {
				return fmt.Errorf("the heartbeat information is not the one that was given")
			}
		}
	}
	return nil
}

// show returns a packet that the engine has sent as a script says it.
func (r *runner) show(b []byte) string {
	got, err := r.wire.coder(true).parse(b[min(headerLen, len(b)):], chunkTable)
	if err != nil {
		return fmt.Sprintf("%#x (%v)", b, err)
	}
	return showChunks(got)
}

func joinChunks(chunks []*Value) string { return join(chunks, "; ") }

// showChunks returns chunks as messages show them.
func showChunks(chunks []*Value) string {
	texts := make([]string, len(chunks))
	for i, c := range chunks {
		texts[i] = brief(c).String()
	}
	return strings.Join(texts, "; ")
}
