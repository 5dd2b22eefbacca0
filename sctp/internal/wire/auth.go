package wire

// Identifiers of HMACs (RFC 4895, section 3.3).
const (
	HMACSHA1   uint16 = 1 // 20 bytes; everybody who does AUTH has it
	HMACSHA256 uint16 = 3 // 32 bytes
)

// RandomLen is the length in bytes of the number in a RANDOM parameter.
const RandomLen = 32

// Auth is an AUTH chunk (RFC 4895, section 5.1).
type Auth struct {
	KeyID  uint16
	HMACID uint16
	HMAC   []byte // its length is the algorithm's to check
}

// Auth decodes an AUTH chunk.
func (c Chunk) Auth() (Auth, error) {
	if err := c.expect(TypeAuth, 4); err != nil {
		return Auth{}, err
	}
	return Auth{be.Uint16(c[4:]), be.Uint16(c[6:]), c[8:]}, nil
}

// AppendAuth appends an AUTH chunk.
func AppendAuth(b []byte, a Auth) []byte {
	start := len(b)
	b = BeginChunk(b, TypeAuth, 0)
	b = be.AppendUint16(b, a.KeyID)
	b = be.AppendUint16(b, a.HMACID)
	b = append(b, a.HMAC...)
	return EndChunk(b, start)
}

// Random returns the number in a RANDOM parameter, RandomLen bytes (RFC 4895,
// sections 3.1 and 6.1). It is sent with AppendParam. Parameters CHUNKS and
// HMAC-ALGO are lists: see ChunkTypes and Uint16s.
func (p Param) Random() ([]byte, error) {
	if err := p.expect(ParamRandom, RandomLen); err != nil {
		return nil, err
	}
	return p.Value(), nil
}
