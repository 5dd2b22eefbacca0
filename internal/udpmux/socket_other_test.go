//go:build !linux

package udpmux

import "testing"

func withoutGSO(*socket) {}

func withoutGRO(testing.TB, *socket) {}
