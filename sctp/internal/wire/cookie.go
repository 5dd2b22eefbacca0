package wire

// StateCookie returns the cookie in a State Cookie parameter of an INIT ACK (RFC
// 9260, section 3.3.3.1.1).
func (p Param) StateCookie() ([]byte, error) {
	if p.Type() != ParamStateCookie {
		return nil, ErrType
	}
	return p.Value(), nil
}

// CookieEcho returns the cookie in a COOKIE ECHO chunk (RFC 9260, section 3.3.11).
// If the peer counts the padding in the length of its chunks, up to three more
// bytes follow the cookie that it was given. COOKIE ACK has no value: see
// Chunk.Empty.
func (c Chunk) CookieEcho() ([]byte, error) {
	if c.Type() != TypeCookieEcho {
		return nil, ErrType
	}
	return c.Value(), nil
}
