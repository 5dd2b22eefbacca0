package wire

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each decoder has a fuzz target, whose seeds are the cases of its format: see
// TestCorpus. All of them check the same of what they are given, see consistent.

// FuzzPacket takes a packet and walks through everything in it.
func FuzzPacket(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePacket(b)
		if err != nil {
			return
		}
		p.ChecksumOK()
		found := 0
		it := p.Chunks()
		for c, ok := it.Next(); ok; c, ok = it.Next() {
			found += pad4(len(c))
		}
		if left := len(b) - HeaderLen - found; it.Err() == nil && left > 0 || left < -3 {
			t.Errorf("chunks of %d bytes in a packet of %d, error %v", found, len(b), it.Err())
		}
		if err := consistent(chunks, p[HeaderLen:]); err != nil {
			t.Error(err)
		}
	})
}

func FuzzData(f *testing.F)          { fuzz(f, "Data") }
func FuzzIData(f *testing.F)         { fuzz(f, "IData") }
func FuzzInit(f *testing.F)          { fuzz(f, "Init") }
func FuzzSack(f *testing.F)          { fuzz(f, "Sack") }
func FuzzNRSack(f *testing.F)        { fuzz(f, "NRSack") }
func FuzzHeartbeat(f *testing.F)     { fuzz(f, "Heartbeat") }
func FuzzAbort(f *testing.F)         { fuzz(f, "Abort") }
func FuzzShutdown(f *testing.F)      { fuzz(f, "Shutdown") }
func FuzzCookie(f *testing.F)        { fuzz(f, "Cookie") }
func FuzzECN(f *testing.F)           { fuzz(f, "ECN") }
func FuzzAuth(f *testing.F)          { fuzz(f, "Auth") }
func FuzzAsconf(f *testing.F)        { fuzz(f, "Asconf") }
func FuzzReconfig(f *testing.F)      { fuzz(f, "Reconfig") }
func FuzzPad(f *testing.F)           { fuzz(f, "Pad") }
func FuzzForwardTSN(f *testing.F)    { fuzz(f, "ForwardTSN") }
func FuzzIForwardTSN(f *testing.F)   { fuzz(f, "IForwardTSN") }
func FuzzInitParam(f *testing.F)     { fuzz(f, "InitParam") }
func FuzzAddress(f *testing.F)       { fuzz(f, "Address") }
func FuzzAuthParam(f *testing.F)     { fuzz(f, "AuthParam") }
func FuzzAsconfParam(f *testing.F)   { fuzz(f, "AsconfParam") }
func FuzzReconfigParam(f *testing.F) { fuzz(f, "ReconfigParam") }
func FuzzCause(f *testing.F)         { fuzz(f, "Cause") }

// fuzz fuzzes the formats of one family. What the fuzzer makes up is tried with its
// own type and length, and with a type of the family and the length that it has.
func fuzz(f *testing.F, name string) {
	i := slices.IndexFunc(families, func(fam family) bool { return fam.name == name })
	fam := families[i]
	var types [][]byte
	for _, tc := range fam.cases {
		typ := tc.in.bytes()[:2]
		if fam.kind == chunks {
			typ = typ[:1]
		}
		if !slices.ContainsFunc(types, func(t []byte) bool { return bytes.Equal(t, typ) }) {
			types = append(types, typ)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := consistent(fam.kind, b); err != nil {
			t.Error(err)
		}
		if len(b) < tlvHeaderLen || len(b) > 0xFFFF {
			return
		}
		b = bytes.Clone(b)
		copy(b, types[(int(b[0])+int(b[1]))%len(types)])
		be.PutUint16(b[2:], uint16(len(b)))
		if err := consistent(fam.kind, b); err != nil {
			t.Error(err)
		}
	})
}

var update = flag.Bool("update", false, "write the seeds of the fuzz targets to testdata/fuzz")

// The committed seeds of a fuzz target are the cases of its format, well-formed or
// not. With -update this writes them.
func TestCorpus(t *testing.T) {
	seeds := make(map[string][]byte) // by file name
	seed := func(target, desc string, b []byte) {
		name := filepath.Join("testdata", "fuzz", "Fuzz"+target, fileName(desc))
		if seeds[name] != nil {
			t.Errorf("two cases for the file %s", name)
		}
		seeds[name] = b
	}
	for _, tc := range packetCases {
		seed("Packet", tc.desc, tc.in.bytes())
	}
	for _, fam := range families {
		for _, tc := range fam.cases {
			seed(fam.name, tc.desc, tc.in.bytes())
			if fam.kind == chunks {
				packet := append(AppendHeader(nil, 5000, 5000, 1), tc.in.bytes()...)
				SetChecksum(packet)
				seed("Packet", fam.name+" "+tc.desc, packet)
			}
		}
	}
	for name, b := range seeds {
		want := fmt.Sprintf("go test fuzz v1\n[]byte(%s)\n", strconv.QuoteToASCII(string(b)))
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(want), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is not up to date: run this test with -update (error %v)", name, err)
		}
	}
}

// fileName turns the description of a case into the name of its file.
func fileName(desc string) string {
	keep := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}
	return strings.Trim(strings.Map(keep, strings.ReplaceAll(strings.ReplaceAll(desc, ",", ""), ":", "")), "-")
}
