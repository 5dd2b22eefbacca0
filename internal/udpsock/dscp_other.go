//go:build !linux && !darwin && !freebsd

package udpsock

import "errors"

// setDSCP: Windows heeds no codepoints that a program sets on a socket.
func setDSCP(uintptr, int) error { return errors.ErrUnsupported }
