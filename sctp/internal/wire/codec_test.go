package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// A testCase is an encoded chunk, parameter or cause, and the value that it
// decodes to or the error that names what is wrong with it. Encoding the value
// gives the bytes again, unless they are one of several forms of it and not ours.
type testCase struct {
	desc  string // with the requirement it shows, if there is one
	in    labelled
	want  any  // a value, or an error
	other bool // another form than ours
}

// A family is what one decoder is for. Its cases are in the test file of the
// format, and are the seeds of its fuzz target.
type family struct {
	name  string // of the fuzz target, without Fuzz
	kind  kind
	cases []testCase
}

var families = []family{
	{"Data", chunks, dataCases},
	{"IData", chunks, iDataCases},
	{"Init", chunks, initCases},
	{"Sack", chunks, sackCases},
	{"NRSack", chunks, nrSackCases},
	{"Heartbeat", chunks, heartbeatCases},
	{"Abort", chunks, abortCases},
	{"Shutdown", chunks, shutdownCases},
	{"Cookie", chunks, cookieCases},
	{"ECN", chunks, ecnCases},
	{"Auth", chunks, authCases},
	{"Asconf", chunks, asconfCases},
	{"Reconfig", chunks, reconfigCases},
	{"Pad", chunks, padCases},
	{"ForwardTSN", chunks, forwardTSNCases},
	{"IForwardTSN", chunks, iForwardTSNCases},
	{"InitParam", params, initParamCases},
	{"Address", params, addressCases},
	{"AuthParam", params, authParamCases},
	{"AsconfParam", params, asconfParamCases},
	{"ReconfigParam", params, reconfigParamCases},
	{"Cause", causes, causeCases},
}

// kind says which of the three shapes with a type and a length something is.
type kind int

const (
	chunks kind = iota
	params
	causes
)

// decode decodes the first chunk, parameter or cause in b, and returns its length.
func (k kind) decode(b []byte) (v any, n int, err error) {
	switch k {
	case chunks:
		it := Chunks{tlvs{b: b}}
		c, ok := it.Next()
		if !ok {
			return nil, 0, it.Err()
		}
		v, err = decodeChunk(c)
		n = len(c)
	case params:
		it := ParseParams(b)
		p, ok := it.Next()
		if !ok {
			return nil, 0, it.Err()
		}
		v, err = decodeParam(p)
		n = len(p)
	case causes:
		it := ParseCauses(b)
		c, ok := it.Next()
		if !ok {
			return nil, 0, it.Err()
		}
		v, err = decodeCause(c)
		n = len(c)
	}
	return v, n, err
}

// append encodes a value behind what b holds; a parameter or cause as the next
// one of the list that starts at b[list].
func (k kind) append(b []byte, list int, v any) []byte {
	switch k {
	case chunks:
		return appendChunkValue(b, v)
	case params:
		return appendParamValue(b, list, v)
	default:
		return appendCauseValue(b, list, v)
	}
}

// eachCase runs f for every case of every family.
func eachCase(t *testing.T, f func(t *testing.T, k kind, tc testCase)) {
	for _, fam := range families {
		for _, tc := range fam.cases {
			t.Run(fam.name+"/"+tc.desc, func(t *testing.T) { f(t, fam.kind, tc) })
		}
	}
}

func TestDecode(t *testing.T) {
	eachCase(t, func(t *testing.T, k kind, tc testCase) {
		v, _, err := k.decode(tc.in.bytes())
		if want, ok := tc.want.(error); ok {
			if !errors.Is(err, want) {
				t.Errorf("decoded %+v, error %v; want the error %v", v, err, want)
			}
			return
		}
		if err != nil || !reflect.DeepEqual(v, tc.want) {
			t.Errorf("decoded %+v, error %v\nwant    %+v", v, err, tc.want)
		}
	})
}

func TestEncode(t *testing.T) {
	eachCase(t, func(t *testing.T, k kind, tc testCase) {
		if _, malformed := tc.want.(error); malformed || tc.other {
			return
		}
		in, fields := tc.in.parse()
		got := k.append(nil, 0, tc.want)
		for i := range min(len(got), len(in)) {
			if got[i] != in[i] {
				t.Fatalf("byte %d, of %q, is %#02x\ngot  %x\nwant %x", i, fieldAt(fields, i), got[i], got, in)
			}
		}
		if len(got) != len(in) {
			t.Errorf("got  %x\nwant %x", got, in)
		}
	})
}

// A chunk is aligned to itself and not to the buffer, which may begin with a
// record header of any length; a parameter is aligned to its chunk.
func TestEncodeBehindPrefix(t *testing.T) {
	eachCase(t, func(t *testing.T, k kind, tc testCase) {
		if _, malformed := tc.want.(error); malformed || tc.other {
			return
		}
		in := tc.in.bytes()
		for n := range 8 {
			prefix := bytes.Repeat([]byte{0xEE}, n)
			want := slices.Concat(prefix, in)
			if got := k.append(bytes.Clone(prefix), n, tc.want); !bytes.Equal(got, want) {
				t.Fatalf("behind %d bytes:\ngot  %x\nwant %x", n, got, want)
			}
			if k == chunks {
				continue
			}
			list := AppendParam(prefix, n, 0xFFFE, []byte{1, 2, 3}) // of 7 bytes
			want = slices.Concat(list, []byte{0}, in)
			if got := k.append(list, n, tc.want); !bytes.Equal(got, want) {
				t.Fatalf("behind %d bytes and a parameter:\ngot  %x\nwant %x", n, got, want)
			}
		}
	})
}

// Every truncation: of the bytes, which their length then exceeds, and of the
// format, whose length is set to what is left.
func TestTruncated(t *testing.T) {
	eachCase(t, func(t *testing.T, k kind, tc testCase) {
		in, fields := tc.in.parse()
		if len(in) < tlvHeaderLen {
			return
		}
		length := int(be.Uint16(in[2:]))
		for n := range in {
			cut := bytes.Clone(in[:n:n])
			if v, _, err := k.decode(cut); n > 0 && n < length && err == nil {
				t.Errorf("cut in %q at %d: decoded %+v", fieldAt(fields, n), n, v)
			}
			if n >= tlvHeaderLen {
				be.PutUint16(cut[2:], uint16(n))
				if err := consistent(k, cut); err != nil {
					t.Errorf("shortened in %q to %d: %v", fieldAt(fields, n), n, err)
				}
			}
		}
	})
}

// Every length: of the chunk, parameter or cause itself, and of what it holds; and
// the counts in it.
func TestLengths(t *testing.T) {
	eachCase(t, func(t *testing.T, k kind, tc testCase) {
		in, fields := tc.in.parse()
		for _, f := range fields {
			if !f.isLength() {
				continue
			}
			for _, v := range lengthsToTry(len(in)) {
				b := bytes.Clone(in)
				setField(b[f.at:f.at+f.size], v)
				if err := consistent(k, b); err != nil {
					t.Errorf("%q set to %d: %v", f.name, v, err)
				}
			}
		}
	})
}

// lengthsToTry returns every number up to beyond n, and those at which arithmetic
// of 16 or 32 bits wraps.
func lengthsToTry(n int) []uint32 {
	var l []uint32
	for v := range uint32(n + 9) {
		l = append(l, v)
	}
	for _, top := range []uint32{1 << 14, 1 << 15, 1 << 16, 1 << 30, 1 << 31, 0} {
		for v := top - 8; v != top+8; v++ {
			l = append(l, v)
		}
	}
	return l
}

func setField(b []byte, v uint32) {
	for i := range b {
		b[i] = byte(v >> (8 * (len(b) - 1 - i)))
	}
}

// Every byte to its neighbours, its extremes and each of its bits flipped.
func TestBytes(t *testing.T) {
	eachCase(t, func(t *testing.T, k kind, tc testCase) {
		in, fields := tc.in.parse()
		for i := range in {
			values := []byte{0, 0xFF, in[i] + 1, in[i] - 1}
			for bit := range 8 {
				values = append(values, in[i]^1<<bit)
			}
			for _, v := range values {
				b := bytes.Clone(in)
				b[i] = v
				if err := consistent(k, b); err != nil {
					t.Errorf("byte %d, of %q, set to %#02x: %v", i, fieldAt(fields, i), v, err)
				}
			}
		}
	})
}

// consistent checks what holds of any bytes whatever: walking them ends, and what
// is decoded is neither more nor less than what was there. It may be encoded, which
// gives something of the same length that decodes to the same value and is encoded
// to the same bytes.
func consistent(k kind, b []byte) error {
	b = slices.Clip(b) // so that nothing behind it can be looked at
	for left := b; len(left) > 0; {
		v, n, err := k.decode(left)
		if n == 0 {
			if err == nil {
				return fmt.Errorf("%x: neither a value nor an error", left)
			}
			return nil
		}
		if n < tlvHeaderLen || n > len(left) {
			return fmt.Errorf("%x: a view of %d bytes", left, n)
		}
		if err == nil {
			if err := reversible(k, v, n); err != nil {
				return fmt.Errorf("%x decodes to %+v: %w", left[:n], v, err)
			}
		}
		left = left[min(pad4(n), len(left)):]
	}
	return nil
}

// reversible checks that v, decoded from n bytes, can be encoded and decoded again.
func reversible(k kind, v any, n int) error {
	out := k.append(nil, 0, v)
	again, m, err := k.decode(out)
	switch {
	case err != nil:
		return fmt.Errorf("encoded to %x, which is malformed: %w", out, err)
	case !reflect.DeepEqual(v, again):
		return fmt.Errorf("encoded to %x, which decodes to %+v", out, again)
	case !bytes.Equal(k.append(nil, 0, again), out):
		return fmt.Errorf("encoded to %x, and then otherwise", out)
	case pad4(m) != pad4(n) && !mayDiffer(v):
		return fmt.Errorf("encoded to %x, %d bytes instead of %d", out, m, n)
	}
	return nil
}

// mayDiffer reports whether a format has forms of different length.
func mayDiffer(v any) bool {
	switch v.(type) {
	case heartbeatValue: // what follows the parameter is ignored
		return true
	case ECNE: // with and without a count
		return true
	}
	return false
}
