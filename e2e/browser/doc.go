// Package browser drives real headless browsers from Go tests, with no driver
// program and no dependency.
//
// A [Site] is an HTTP server on loopback. Every page it serves carries a small
// script, agent.js, which fetches JavaScript from the site by long poll, runs
// it, and posts what it returns; [Page.Eval] is the Go end of that. A Site can
// serve files of its own or stand in front of another web server (see [Proxy]),
// whose HTML then carries the script too.
//
// A [Browser] is one process group with a profile directory of its own. Its
// first page, the hub, only opens and closes tabs: [Browser.Open] takes a
// fraction of a second, where the start of a browser takes seconds.
package browser
