package main

import "io"

// storage is where a member has its files.
type storage interface {
	// size returns how many bytes a file has that may be sent.
	size(path string) (int64, error)
	// open opens such a file.
	open(path string) (io.ReadCloser, int64, error)
	// create begins a file of that name.
	create(name string) (part, error)
}

// part is a file while it is received.
type part interface {
	io.Writer
	// keep completes the file, and says where it is.
	keep() (string, error)
	// drop removes what was not kept.
	drop()
}
