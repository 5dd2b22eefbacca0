//go:build !linux && !darwin && !freebsd && !windows

package udpsock

import "errors"

func setDontFragment(uintptr, bool) error { return errors.ErrUnsupported }
