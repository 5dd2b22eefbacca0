package dtlsrecord

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// newEnds returns the sending end of the client and the receiving one of the server.
func newEnds(t testing.TB, suite uint16) (*Sealer, *Opener) {
	t.Helper()
	s := Secrets{Suite: suite}
	rand.Read(s.Master[:])
	rand.Read(s.ClientRandom[:])
	rand.Read(s.ServerRandom[:])
	sealer, _, err := s.Protection(true)
	if err != nil {
		t.Fatal(err)
	}
	_, opener, err := s.Protection(false)
	if err != nil {
		t.Fatal(err)
	}
	return sealer, opener
}

// frameFor returns payload with room around it.
func frameFor(payload []byte) []byte {
	return slices.Concat(make([]byte, Before), payload, make([]byte, After))
}

// mustSeal returns a record of application data.
func mustSeal(t testing.TB, s *Sealer, payload []byte) []byte {
	t.Helper()
	frame := frameFor(payload)
	if err := s.Seal(frame); err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestSealOpen(t *testing.T) {
	for id := range suites {
		sealer, opener := newEnds(t, id)
		for i, size := range []int{0, 1, 15, 16, 17, 1200, MaxPayload} {
			payload := bytes.Repeat([]byte{byte(size)}, size)
			record := mustSeal(t, sealer, payload)
			if size > 15 && bytes.Contains(record, payload[:15]) {
				t.Errorf("%04X: the payload stands in the record", id)
			}
			if got := sequenceOf(record); got != uint64(i) {
				t.Errorf("%04X: sequence number %d, want %d", id, got, i)
			}
			got, err := opener.Open(record)
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%04X, %d bytes: %v", id, size, err)
			}
		}
	}
}

// 5288-3, 6347-4.1.2.1: header, nonce and additional data byte by byte, against
// AES-GCM used directly. The nonce is epoch and sequence number, so that none occurs
// twice (CVE-2026-26014 is about nonces drawn at random).
func TestRecordFormat(t *testing.T) {
	key, iv := bytes.Repeat([]byte{7}, 16), []byte{1, 2, 3, 4}
	s := &Sealer{aead: newGCM(key), next: 0x0102030405}
	copy(s.nonce[:], iv)
	record := mustSeal(t, s, []byte("payload"))
	header := []byte{
		23,         // application data
		0xFE, 0xFD, // DTLS 1.2
		0, 1, // epoch
		0, 1, 2, 3, 4, 5, // sequence number
		0, 8 + 7 + 16, // length
	}
	explicit := []byte{0, 1, 0, 1, 2, 3, 4, 5}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	ad := slices.Concat(header[3:11], header[:3], []byte{0, 7})
	want := gcm.Seal(slices.Concat(header, explicit), slices.Concat(iv, explicit), []byte("payload"), ad)
	if !bytes.Equal(record, want) {
		t.Errorf("got  %x\nwant %x", record, want)
	}
}

// 9325-7.2.1: the nonces of all records of a key differ, whatever they carry.
func TestNoncesNeverRepeat(t *testing.T) {
	s, _ := newEnds(t, 0xC02B)
	seen := make(map[string]bool)
	for i := range 3000 {
		frame := frameFor([]byte("same"))
		if err := s.seal(frame, byte(typeAlert+i%3)); err != nil {
			t.Fatal(err)
		}
		nonce := string(frame[headerSize:Before])
		if seen[nonce] || binary.BigEndian.Uint64([]byte(nonce)) != 1<<48|uint64(i) {
			t.Fatalf("record %d has nonce %x", i, nonce)
		}
		seen[nonce] = true
	}
}

func TestOpenRefuses(t *testing.T) {
	sealer, opener := newEnds(t, 0xC02B)
	good := mustSeal(t, sealer, []byte("a payload"))
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	oversized := frameFor(make([]byte, MaxPayload+1))
	copy(oversized, good[:headerSize])
	binary.BigEndian.PutUint16(oversized[11:], uint16(len(oversized)-headerSize))
	cases := []struct {
		desc   string
		record []byte
		want   error
	}{
		{"another type", change(0, typeAlert), ErrForged},
		{"another version", change(2, 0xFF), ErrMalformed},
		{"epoch 0", change(4, 0), ErrMalformed},
		{"epoch 2", change(4, 2), ErrMalformed},
		{"another sequence number", change(10, 9), ErrForged},
		{"another length", change(12, good[12]-1), ErrMalformed},
		{"another nonce", change(headerSize, 1), ErrForged},
		{"a bit of the ciphertext", change(Before, good[Before]^1), ErrForged},
		{"a bit of the tag", change(len(good)-1, good[len(good)-1]^0x80), ErrForged},
		{"more than 2^14 bytes", oversized, ErrMalformed},
	}
	for n := range good {
		truncated := bytes.Clone(good[:n])
		if n >= headerSize {
			binary.BigEndian.PutUint16(truncated[11:], uint16(n-headerSize))
		}
		want := ErrMalformed
		if n >= Before+After {
			want = ErrForged
		}
		cases = append(cases, struct {
			desc   string
			record []byte
			want   error
		}{fmt.Sprintf("the first %d bytes", n), truncated, want})
	}
	for _, c := range cases {
		if payload, err := opener.Open(c.record); payload != nil || err != c.want {
			t.Errorf("%s: %q, %v; want %v", c.desc, payload, err, c.want)
		}
	}
	// None of it has moved the window: 6347-4.1.2.6.
	if payload, err := opener.Open(bytes.Clone(good)); err != nil || string(payload) != "a payload" {
		t.Errorf("the record itself: %q, %v", payload, err)
	}
	if _, err := opener.Open(good); err != ErrReplayed {
		t.Errorf("once more: %v, want ErrReplayed", err)
	}
}

// 6347-4.1: sequence numbers do not wrap. What cannot be sealed stays as it is.
func TestSequenceLimit(t *testing.T) {
	s, o := newEnds(t, 0xC02B)
	s.next = maxSequence
	last := mustSeal(t, s, []byte("the last"))
	if got := sequenceOf(last); got != maxSequence {
		t.Errorf("sequence number %x", got)
	}
	if _, err := o.Open(last); err != nil {
		t.Errorf("the last record: %v", err)
	}
	for _, contentType := range []byte{typeApplicationData, typeAlert} {
		frame := frameFor([]byte("one too many"))
		kept := bytes.Clone(frame)
		var limit *LimitError
		if err := s.seal(frame, contentType); !errors.As(err, &limit) || !bytes.Equal(frame, kept) {
			t.Errorf("after the last: %v, %q", err, frame)
		}
	}
	if _, err := o.Open(last); err != ErrReplayed && err != ErrForged {
		t.Errorf("the last record again: %v", err)
	}
}

// 9325-4.4: a key protects no more than its confidentiality limit; an alert that
// says so still passes.
func TestBlockLimit(t *testing.T) {
	s, _ := newEnds(t, 0xC02B)
	frame := frameFor(make([]byte, 1200))
	if err := s.Seal(frame); err != nil || s.blocks != 1200/16+1 {
		t.Fatalf("%d blocks counted, %v", s.blocks, err)
	}
	s.blocks = maxBlocks - 76
	if err := s.Seal(frame); err != nil {
		t.Errorf("the last that is allowed: %v", err)
	}
	var limit *LimitError
	if err := s.Seal(frame); !errors.As(err, &limit) {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := s.seal(frameFor([]byte{1, 0}), typeAlert); err != nil {
		t.Errorf("the alert: %v", err)
	}
}

// 9147-4.5.3: so with what fails to authenticate.
func TestForgeryLimit(t *testing.T) {
	s, o := newEnds(t, 0xC02B)
	forged := mustSeal(t, s, []byte("x"))
	forged[len(forged)-1] ^= 1
	o.forged = maxForged - 1
	if _, err := o.Open(forged); err != ErrForged {
		t.Errorf("the last that is allowed: %v", err)
	}
	var limit *LimitError
	if _, err := o.Open(mustSeal(t, s, []byte("y"))); !errors.As(err, &limit) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// 6347-4.1.2.6: the window against a map, over runs, jumps and steps back.
func TestWindow(t *testing.T) {
	for seed := range uint64(200) {
		var w window
		seen := make(map[uint64]bool)
		top, state := uint64(0), seed
		random := func(n uint64) uint64 {
			state = state*6364136223846793005 + 1442695040888963407
			return state >> 33 % n
		}
		for range 2000 {
			var at uint64
			switch random(10) {
			case 0:
				at = top + random(3*windowSize)
			case 1, 2, 3:
				at = top - min(top, random(windowSize+200))
			default:
				at = top + 1
			}
			at = min(at, maxSequence)
			want := !seen[at] && (len(seen) == 0 || at+windowSize > top)
			if got := w.fresh(at); got != want {
				t.Fatalf("seed %d: fresh(%d) = %v after %d", seed, at, got, top)
			}
			if want {
				w.mark(at)
				seen[at], top = true, max(top, at)
			}
		}
	}
	if windowSize < 1024 {
		t.Errorf("the window is of %d records", windowSize)
	}
}

// Erased: nothing of a key is left in memory, nothing is sealed or opened.
func TestErase(t *testing.T) {
	s, o := newEnds(t, 0xC02C)
	record := mustSeal(t, s, []byte("x"))
	for _, c := range []struct {
		aead  cipher.AEAD
		erase func()
	}{{s.aead, s.erase}, {o.aead, o.erase}} {
		v := reflect.ValueOf(c.aead).Elem()
		if v.IsZero() {
			t.Fatal("the cipher has no key to begin with")
		}
		c.erase()
		if !v.IsZero() {
			t.Error("the key schedule is still there")
		}
	}
	if !reflect.ValueOf(s.nonce).IsZero() || !reflect.ValueOf(o.nonce).IsZero() {
		t.Error("the implicit nonce is still there")
	}
	var limit *LimitError
	if err := s.Seal(frameFor([]byte("x"))); !errors.As(err, &limit) {
		t.Errorf("Seal: %v", err)
	}
	if _, err := o.Open(record); !errors.As(err, &limit) {
		t.Errorf("Open: %v", err)
	}
}

func TestRecordsAllocateNothing(t *testing.T) {
	sealer, opener := newEnds(t, 0xC02B)
	frame := frameFor(make([]byte, 1200))
	allocs := testing.AllocsPerRun(1000, func() {
		if err := sealer.Seal(frame); err != nil {
			t.Fatal(err)
		}
		if _, err := opener.Open(frame); err != nil {
			t.Fatal(err)
		}
	})
	forged := testing.AllocsPerRun(1000, func() {
		if err := sealer.Seal(frame); err != nil {
			t.Fatal(err)
		}
		frame[len(frame)-1] ^= 1
		if _, err := opener.Open(frame); err != ErrForged {
			t.Fatal(err)
		}
	})
	if allocs != 0 || forged != 0 {
		t.Errorf("%v allocations per record, %v per forged one", allocs, forged)
	}
}

// Records of any content: nothing but a record that was sealed is opened, once.
func FuzzOpen(f *testing.F) {
	sealer, _ := newEnds(f, 0xC02B)
	f.Add([]byte{}, uint(0), byte(0))
	f.Add(mustSeal(f, sealer, []byte("x")), uint(3), byte(1))
	f.Add(bytes.Repeat([]byte{0xFE}, 100), uint(headerSize), byte(255))
	f.Fuzz(func(t *testing.T, b []byte, at uint, flip byte) {
		sealer, opener := newEnds(t, 0xC02B)
		if payload, err := opener.Open(bytes.Clone(b)); err == nil {
			t.Fatalf("%x was opened as %x", b, payload)
		}
		payload := b[:min(len(b), MaxPayload)]
		record := mustSeal(t, sealer, payload)
		changed := bytes.Clone(record)
		changed[at%uint(len(changed))] ^= flip
		got, err := opener.Open(changed)
		if (err == nil) != (flip == 0) {
			t.Fatalf("byte %d changed by %x: %v", at%uint(len(record)), flip, err)
		}
		if flip != 0 {
			got, err = opener.Open(record)
		}
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("the record itself: %v", err)
		}
	})
}

func BenchmarkSealOpen(b *testing.B) {
	for _, c := range []struct {
		desc  string
		suite uint16
	}{{"AES-128", 0xC02B}, {"AES-256", 0xC02C}} {
		frame := frameFor(make([]byte, 1200))
		b.Run(c.desc+"/seal", func(b *testing.B) {
			sealer, _ := newEnds(b, c.suite)
			b.SetBytes(1200)
			b.ReportAllocs()
			for b.Loop() {
				sealer.Seal(frame)
			}
		})
		b.Run(c.desc+"/seal+open", func(b *testing.B) {
			sealer, opener := newEnds(b, c.suite)
			b.SetBytes(1200)
			b.ReportAllocs()
			for b.Loop() {
				sealer.Seal(frame)
				opener.Open(frame)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1200, "s/GB")
		})
		b.Run(c.desc+"/gcm", func(b *testing.B) {
			aead := newGCM(make([]byte, suites[c.suite].keySize))
			var nonce [12]byte
			var ad [13]byte
			b.SetBytes(1200)
			b.ReportAllocs()
			for b.Loop() {
				sealed := aead.Seal(frame[Before:Before], nonce[:], frame[Before:Before+1200], ad[:])
				aead.Open(sealed[:0], nonce[:], sealed, ad[:])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1200, "s/GB")
		})
	}
}
