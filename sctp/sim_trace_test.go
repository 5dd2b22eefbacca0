package sctp_test

import (
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"strings"
)

// chunkNames are the chunk types that a trace names.
var chunkNames = map[byte]string{
	0: "DATA", 1: "INIT", 2: "INIT-ACK", 3: "SACK", 4: "HEARTBEAT", 5: "HEARTBEAT-ACK", 6: "ABORT",
	7: "SHUTDOWN", 8: "SHUTDOWN-ACK", 9: "ERROR", 10: "COOKIE-ECHO", 11: "COOKIE-ACK",
	14: "SHUTDOWN-COMPLETE", 64: "I-DATA", 130: "RE-CONFIG", 192: "FORWARD-TSN", 194: "I-FORWARD-TSN",
}

// describe puts a packet into words for a trace. It reads the bytes itself, so
// that a bug of the codec cannot hide.
func describe(p []byte) string {
	if len(p) < 12 {
		return fmt.Sprintf("runt %x", p)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d B tag %08x", len(p), binary.BigEndian.Uint32(p[4:]))
	for rest := p[12:]; len(rest) >= 4; {
		length := int(binary.BigEndian.Uint16(rest[2:]))
		name := chunkNames[rest[0]]
		if name == "" {
			name = fmt.Sprintf("chunk %d", rest[0])
		}
		fmt.Fprintf(&b, " | %s", name)
		if length < 4 || length > len(rest) {
			fmt.Fprintf(&b, " of bad length %d", length)
			break
		}
		b.WriteString(describeChunk(rest[0], rest[1], rest[4:length]))
		rest = rest[min((length+3)&^3, len(rest)):]
	}
	return b.String()
}

// describeChunk gives the fields worth reading; v is the value of the chunk.
func describeChunk(kind, flags byte, v []byte) string {
	u32 := func(i int) uint32 { return binary.BigEndian.Uint32(v[i:]) }
	u16 := func(i int) uint16 { return binary.BigEndian.Uint16(v[i:]) }
	switch {
	case kind == 0 && len(v) >= 12:
		return fmt.Sprintf(" %s tsn %d sid %d ssn %d ppid %#x len %d", dataFlags(flags), u32(0), u16(4), u16(6), u32(8), len(v)-12)
	case kind == 64 && len(v) >= 16:
		return fmt.Sprintf(" %s tsn %d sid %d mid %d ppid or fsn %#x len %d", dataFlags(flags), u32(0), u16(4), u32(8), u32(12), len(v)-16)
	case (kind == 1 || kind == 2) && len(v) >= 16:
		return fmt.Sprintf(" tag %08x rwnd %d streams %d/%d tsn %d", u32(0), u32(4), u16(8), u16(10), u32(12))
	case kind == 3 && len(v) >= 12:
		s := fmt.Sprintf(" cum %d rwnd %d", u32(0), u32(4))
		gaps := int(u16(8))
		for i := 12; i+4 <= len(v) && gaps > 0; i, gaps = i+4, gaps-1 {
			s += fmt.Sprintf(" +%d-%d", u16(i), u16(i+2))
		}
		if dups := u16(10); dups > 0 {
			s += fmt.Sprintf(" dups %d", dups)
		}
		return s
	case kind == 6 || kind == 9:
		return fmt.Sprintf(" flags %x %q", flags, v)
	case kind == 7 && len(v) >= 4:
		return fmt.Sprintf(" cum %d", u32(0))
	case kind == 14:
		return fmt.Sprintf(" flags %x", flags)
	case kind == 130:
		return fmt.Sprintf(" %x", v)
	case kind == 192 && len(v) >= 4:
		return fmt.Sprintf(" cum %d streams %x", u32(0), v[4:])
	}
	return ""
}

// dataFlags names the flags of a DATA chunk.
func dataFlags(f byte) string {
	s := []byte("....")
	for i, name := range []byte("IUBE") {
		if f&(8>>i) != 0 {
			s[i] = name
		}
	}
	return string(s)
}

// stack returns the part of a panic's stack that names its cause.
func stack() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "panic(") {
			lines = lines[i+2:]
			break
		}
	}
	return strings.Join(lines[:min(len(lines), 16)], "\n")
}

// A tail keeps the last lines written to it.
type tail struct {
	lines [][]byte
	keep  int
}

func (t *tail) Write(p []byte) (int, error) {
	t.lines = append(t.lines, append([]byte(nil), p...))
	if len(t.lines) > 2*t.keep {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-t.keep:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	var b strings.Builder
	for _, l := range t.lines[max(0, len(t.lines)-t.keep):] {
		b.Write(l)
	}
	return b.String()
}
