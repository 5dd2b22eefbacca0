//go:build !linux

package udpsock

import "errors"

func receiveECN(uintptr) error { return errors.ErrUnsupported }

func parseECN([]byte) byte { return 0 }

func appendECN(oob []byte, _ bool, _ byte) []byte { return oob }
