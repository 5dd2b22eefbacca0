package dtlsrecord

import (
	"testing"

	"github.com/sluice-rtc/sluice/internal/hotpath"
)

func TestHotPaths(t *testing.T)          { hotpath.Check(t, hotPaths) }
func BenchmarkInstructions(b *testing.B) { hotpath.Benchmark(b, hotPaths) }

var hotPaths = []hotpath.Path{
	{Name: "seal and open a record of 1,200 bytes", Prepare: func(t testing.TB) func() {
		sealer, opener := newEnds(t, 0xC02B)
		frame := frameFor(make([]byte, 1200))
		return func() {
			if err := sealer.Seal(frame); err != nil {
				t.Fatal(err)
			}
			if _, err := opener.Open(frame); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{Name: "AES-GCM of it alone", Prepare: func(t testing.TB) func() {
		aead := newGCM(make([]byte, 16))
		frame := frameFor(make([]byte, 1200))
		var nonce [12]byte
		var ad [13]byte
		return func() {
			sealed := aead.Seal(frame[Before:Before], nonce[:], frame[Before:Before+1200], ad[:])
			if _, err := aead.Open(sealed[:0], nonce[:], sealed, ad[:]); err != nil {
				t.Fatal(err)
			}
		}
	}},
}
