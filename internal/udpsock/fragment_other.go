//go:build !linux && !darwin && !freebsd && !windows

package udpsock

import "errors"

func setDontFragment(uintptr, bool) (err4, err6 error) {
	return errors.ErrUnsupported, errors.ErrUnsupported
}
