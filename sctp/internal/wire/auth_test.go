package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"testing"
)

var authCases = []testCase{
	{"4895-5.1-a SHA-1", `
		0f           type AUTH
		00           flags
		001c         length 28
		0001         key 1
		0001         HMAC SHA-1
		000102030405060708090a0b0c0d0e0f10111213  HMAC
	`, authValue{1, HMACSHA1, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"}, false},
	{"HMAC of unknown length", `
		0f           type AUTH
		00           flags
		000b         length 11
		ffff         key
		0002         HMAC, reserved
		010203       HMAC
		00           padding
	`, authValue{0xFFFF, 2, "\x01\x02\x03"}, false},
	{"reserved flags, no HMAC", `
		0f           type AUTH
		ff           flags
		0008         length 8
		0000         key
		0003         HMAC SHA-256
	`, authValue{0, HMACSHA256, ""}, true},
	{"fixed part cut short", `
		0f           type AUTH
		00           flags
		0006         length 6
		0000         key
		0000         padding
	`, ErrLength, true},
}

var authParamCases = []testCase{
	{"4895-3.1-a RANDOM", `
		8002         type RANDOM
		0024         length 36
		30313233343536373839616263646566303132333435363738396162636465660a  number and one byte behind it
	`, randomParam("0123456789abcdef0123456789abcdef"), true},
	{"4895-3.1-a RANDOM, exactly", `
		8002         type RANDOM
		0024         length 36
		3031323334353637383961626364656630313233343536373839616263646566  number
	`, randomParam("0123456789abcdef0123456789abcdef"), false},
	{"4895-3.1-a RANDOM too short", `
		8002         type RANDOM
		0023         length 35
		30313233343536373839616263646566303132333435363738396162636465    number
	`, ErrLength, true},
	{"4895-3.1-a RANDOM too long", `
		8002         type RANDOM
		0025         length 37
		303132333435363738396162636465663031323334353637383961626364656667  number
	`, ErrLength, true},
	{"4895-3.1-a CHUNKS", `
		8003         type CHUNKS
		0007         length 7
		c1           ASCONF
		80           ASCONF-ACK
		00           DATA
	`, chunkTypesParam{ParamChunks, []ChunkType{TypeAsconf, TypeAsconfAck, TypeData}}, false},
	{"CHUNKS of nothing", `
		8003         type CHUNKS
		0004         length 4
	`, chunkTypesParam{ParamChunks, nil}, false},
	{"4895-3.1-a HMAC-ALGO", `
		8004         type HMAC-ALGO
		0008         length 8
		0003         SHA-256
		0001         SHA-1
	`, uint16sParam{ParamHMACAlgo, []uint16{HMACSHA256, HMACSHA1}}, false},
	{"HMAC-ALGO, half of one", `
		8004         type HMAC-ALGO
		0005         length 5
		00           half
	`, ErrLength, true},
}

// 4895-6-v: the codec's parts of the keys and of what is authenticated. A key vector
// is three parameters without their padding, and so is what an encoder appends when
// each is a list of its own.
func TestAuthVector(t *testing.T) {
	vector := func(first byte, types []ChunkType, ids ...uint16) []byte {
		random := make([]byte, RandomLen)
		for i := range random {
			random[i] = first + byte(i)
		}
		v := AppendParam(nil, 0, ParamRandom, random)
		v = AppendChunkTypes(v, len(v), ParamChunks, types...)
		return AppendUint16s(v, len(v), ParamHMACAlgo, ids...)
	}
	a := vector(0x00, []ChunkType{TypeAsconf, TypeAsconfAck, TypeData}, HMACSHA256, HMACSHA1)
	b := vector(0x20, []ChunkType{TypeAsconf, TypeAsconfAck}, HMACSHA1, HMACSHA256)
	if len(a) != 51 || len(b) != 50 {
		t.Fatalf("key vectors of %d and %d bytes, want 51 and 50", len(a), len(b))
	}
	key := slices.Concat(b, a) // of an empty endpoint key, the smaller vector, the larger
	sum := sha256.Sum256(key)
	if got, want := hex.EncodeToString(sum[:]), "5b000fa8f9fc266137a7095b785eedd5533b2a37212df84623acd63bca45dc64"; got != want {
		t.Errorf("SHA-256 of the key is %s, want %s", got, want)
	}
	for _, tc := range []struct {
		id   uint16
		hash func() hash.Hash
		want string
	}{
		{HMACSHA1, sha1.New, "ff8ffe48683e98a41577ea4778fb0511de4157e1"},
		{HMACSHA256, sha256.New, "7f533189522ae9f586570d8350dba3a71b30ade3c6731dfbf5222be7e7e6d3e8"},
	} {
		h := hmac.New(tc.hash, key)
		chunks := AppendAuth(nil, Auth{HMACID: tc.id, HMAC: make([]byte, h.Size())})
		chunks = AppendData(chunks, Data{Flags: FlagBegin | FlagEnd, TSN: 1, PPID: 51, Payload: []byte("hello")})
		h.Write(chunks)
		got := h.Sum(nil)
		if hex.EncodeToString(got) != tc.want {
			t.Errorf("HMAC %d is %x, want %s", tc.id, got, tc.want)
		}
		it := Chunks{tlvs{b: AppendAuth(nil, Auth{HMACID: tc.id, HMAC: got})}}
		c, _ := it.Next()
		if auth, err := c.Auth(); err != nil || auth.HMACID != tc.id || !bytes.Equal(auth.HMAC, got) {
			t.Errorf("decoded %+v, error %v", auth, err)
		}
	}
}
