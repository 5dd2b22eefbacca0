//go:build !linux

// Package netns runs tests in network namespaces, which only Linux has.
package netns

import (
	"fmt"
	"os"
)

// Main runs the tests, outside of any namespace.
func Main(run func() int, _ ...string) int {
	fmt.Fprint(os.Stderr, "\n*** netns: NO NETWORK NAMESPACE on this system ***\n\n")
	return run()
}

// Within says that there is no namespace.
func Within() bool { return false }

// Wire returns nothing that anybody carries out.
func Wire(string, ...string) []string { return nil }
