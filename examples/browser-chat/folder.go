//go:build !js

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// folder is the storage of a member at a terminal: it sends any file, and receives into a
// directory.
type folder struct {
	name string
	dir  *os.Root
}

func newFolder(name string) (*folder, error) {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return nil, fmt.Errorf("directory for files: %w", err)
	}
	dir, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("directory for files: %w", err)
	}
	return &folder{name, dir}, nil
}

func (d *folder) close() { d.dir.Close() }

func (d *folder) size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", path)
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (d *folder) open(path string) (io.ReadCloser, int64, error) {
	size, err := d.size(path)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	return f, size, err
}

func (d *folder) create(name string) (part, error) {
	partName, f, err := d.newFile(name + ".part")
	if err != nil {
		return nil, err
	}
	return &partFile{File: f, d: d, partName: partName, name: name}, nil
}

// newFile makes a new file, with a number before the extension when the name is in
// use, and never overwrites one.
func (d *folder) newFile(name string) (string, *os.File, error) {
	ext := filepath.Ext(name)
	for n, try := 1, name; ; n++ {
		f, err := d.dir.OpenFile(try, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, os.ErrExist) || n == 1000 {
			return try, f, err
		}
		try = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ext), n, ext)
	}
}

// partFile is a file that has another name until it is complete.
type partFile struct {
	*os.File
	d              *folder
	partName, name string
	kept           bool
}

func (p *partFile) keep() (string, error) {
	if err := p.Close(); err != nil {
		return "", err
	}
	name, f, err := p.d.newFile(p.name)
	if err != nil {
		return "", err
	}
	f.Close()
	if err := p.d.dir.Rename(p.partName, name); err != nil {
		return "", err
	}
	p.kept = true
	return filepath.Join(p.d.name, name), nil
}

func (p *partFile) drop() {
	p.Close()
	if !p.kept {
		p.d.dir.Remove(p.partName)
	}
}
