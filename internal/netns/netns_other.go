//go:build !linux

// Package netns is for Linux only.
package netns
