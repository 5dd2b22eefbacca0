//go:build !linux && !js

package sluice

import "github.com/pion/transport/v2"

// hostInterfaces returns the interfaces.
func hostInterfaces() ([]*transport.Interface, error) { return allInterfaces() }
