//go:build !linux

package udpsock

import "testing"

func withoutGSO(*Socket) {}

func withoutGRO(testing.TB, *Socket) {}
