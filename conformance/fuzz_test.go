package conformance

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzScript reads and runs whatever it is given: no panic, no run without end, and
// what is printed of a chunk is read as the same chunk.
func FuzzScript(f *testing.F) {
	scripts, err := filepath.Glob("scripts/*/*.pkt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range scripts {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, text := range decodable {
		f.Add([]byte(established + "+0.1 < sctp: " + text))
		f.Add([]byte(established + "* > sctp: " + text))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<14 {
			return
		}
		s, err := Parse("fuzz", src)
		if err != nil {
			return
		}
		for _, e := range s.Events {
			if e.Packet == nil || len(e.Packet.Chunks) == 0 {
				continue
			}
			text := joinChunks(e.Packet.Chunks)
			direction := "> "
			if e.Packet.Inbound {
				direction = "< "
			}
			again, err := Parse("again", []byte("0 "+direction+"sctp: "+text))
			if err != nil || joinChunks(again.Events[0].Packet.Chunks) != text {
				t.Fatalf("%q is not read again: %v", text, err)
			}
		}
		s.Run(Options{})
		s.Run(Options{Endpoint: true})
	})
}

// FuzzDecode reads bytes as chunks; what it makes of them can be written again.
func FuzzDecode(f *testing.F) {
	for _, text := range decodable {
		s, err := Parse("seed", []byte("0 < sctp: "+text))
		if err != nil {
			f.Fatal(err)
		}
		b, err := (&coder{}).chunks(nil, s.Events[0].Packet.Chunks)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &coder{fromEngine: true, offset: 77}
		chunks, err := c.parse(b, chunkTable)
		if err != nil {
			return
		}
		for _, chunk := range chunks {
			if err := check(chunk, chunkTable, false); err != nil {
				t.Fatalf("%v: %v", chunk, err)
			}
		}
	})
}
