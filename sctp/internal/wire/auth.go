package wire

// Auth is an AUTH chunk (RFC 4895, section 5.1).
type Auth struct {
	KeyID  uint16
	HMACID uint16
	HMAC   []byte
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
