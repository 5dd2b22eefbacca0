package wire

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// labelled is an encoded value whose every byte is named, written as one field a
// line: bytes in hex, two spaces, the name.
//
//	03    type
//	0018  length
//
// Fields whose name begins with "length" or "count" say how long something is,
// and are those that the tests of lengths change.
type labelled string

type field struct {
	at, size int
	name     string
}

// parse returns the bytes and the fields that they make up.
func (l labelled) parse() ([]byte, []field) {
	var b []byte
	var fields []field
	for line := range strings.Lines(string(l)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		digits, name, ok := strings.Cut(line, "  ")
		value, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if !ok || err != nil || len(value) == 0 {
			panic(fmt.Sprintf("labelled: %q is not bytes, two spaces, name", line))
		}
		fields = append(fields, field{len(b), len(value), strings.TrimSpace(name)})
		b = append(b, value...)
	}
	return b, fields
}

// bytes returns the bytes.
func (l labelled) bytes() []byte {
	b, _ := l.parse()
	return b
}

// isLength reports whether the field says how long something is.
func (f field) isLength() bool {
	return strings.HasPrefix(f.name, "length") || strings.HasPrefix(f.name, "count")
}

// fieldAt returns the name of the field that byte i belongs to.
func fieldAt(fields []field, i int) string {
	for _, f := range fields {
		if i >= f.at && i < f.at+f.size {
			return f.name
		}
	}
	return "the end"
}
