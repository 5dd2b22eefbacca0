// Package e2e tests sluice against real peers: headless Chromium and Firefox,
// on bare pages and on the examples. It has only tests; package
// e2e/browser drives the browsers.
//
// A browser that is not installed is skipped, with a line on standard error,
// unless the environment says CI=true: then its tests fail.
package e2e
