// Package webjs is what Go needs around the objects of a browser: exceptions as
// errors, promises that can be waited for, listeners that can be taken off. It is
// there for GOOS=js only.
package webjs
