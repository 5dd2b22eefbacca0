//go:build !linux

package udpsock

import "time"

// DelayReceive does nothing here: see that of Linux.
func (s *Socket) DelayReceive(time.Duration) error { return nil }
